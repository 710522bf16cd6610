//! Integers of any size, from the notations of Python's `int` to decimal digits.

use crate::connection::python::text::MAX_DIGITS;

/// Nine decimal digits a limb, the lowest first.
struct Natural(Vec<u32>);

const LIMB: u64 = 1_000_000_000;

impl Natural {
    /// `self = self * factor + summand`.
    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.0 {
            let sum = u64::from(*limb) * u64::from(factor) + carry;
            *limb = u32::try_from(sum % LIMB).unwrap_or_default();
            carry = sum / LIMB;
        }
        while carry > 0 {
            self.0.push(u32::try_from(carry % LIMB).unwrap_or_default());
            carry /= LIMB;
        }
    }

    /// The decimal digits, if Python would write that many.
    fn digits(&self) -> Option<String> {
        let mut limbs = self.0.iter().rev();
        let mut digits = limbs.next().map_or_else(|| "0".to_owned(), u32::to_string);
        digits.extend(limbs.map(|limb| format!("{limb:09}")));
        (digits.len() <= MAX_DIGITS).then_some(digits)
    }
}

/// `str(int(text, base))`, for base 2, 8, 10 or 16.
pub(super) fn parse(text: &str, base: u32) -> Option<String> {
    let text = text.trim();
    let is_negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let prefixes = match base {
        2 => ["0b", "0B"],
        8 => ["0o", "0O"],
        16 => ["0x", "0X"],
        _ => ["", ""],
    };
    let digits = prefixes
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    if digits.is_empty() || digits.len() > 4 * MAX_DIGITS {
        return None;
    }
    if base == 10 && digits.len() > MAX_DIGITS {
        return None;
    }
    let mut natural = Natural(Vec::new());
    for c in digits.chars() {
        natural.multiply_add(base, c.to_digit(base)?);
    }
    let digits = natural.digits()?;
    Some(if is_negative { negated(digits) } else { digits })
}

/// Numbers to the base 60, each decimal, with colons between.
pub(super) fn sexagesimal(text: &str) -> Option<String> {
    let (head, rest) = text.split_once(':')?;
    let mut natural = Natural(Vec::new());
    for c in parse(head, 10)?.chars() {
        natural.multiply_add(10, c.to_digit(10)?);
    }
    for part in rest.split(':') {
        natural.multiply_add(60, parse(part, 10)?.parse().ok()?);
    }
    natural.digits()
}

/// `-value`.
pub(super) fn negated(digits: String) -> String {
    match digits.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None if digits == "0" => digits,
        None => format!("-{digits}"),
    }
}
