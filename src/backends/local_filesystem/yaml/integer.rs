//! Integers of any size, from the notations of Python's `int` to decimal digits.

use crate::python::number::MAX_DIGITS;

/// Eighteen decimal digits a limb, the lowest first.
struct Natural(Vec<u64>);

const LIMB: u128 = 1_000_000_000_000_000_000;

impl Natural {
    /// `self = self * factor + summand`.
    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = u128::from(summand);
        for limb in &mut self.0 {
            let sum = u128::from(*limb) * u128::from(factor) + carry;
            *limb = u64::try_from(sum % LIMB).unwrap_or_default();
            carry = sum / LIMB;
        }
        while carry > 0 {
            self.0.push(u64::try_from(carry % LIMB).unwrap_or_default());
            carry /= LIMB;
        }
    }

    /// The decimal digits, if Python would write that many.
    fn digits(&self) -> Option<String> {
        let mut limbs = self.0.iter().rev();
        let mut digits = limbs.next().map_or_else(|| "0".to_owned(), u64::to_string);
        digits.extend(limbs.map(|limb| format!("{limb:018}")));
        (digits.len() <= MAX_DIGITS).then_some(digits)
    }
}

/// `str(int(text, base))`, for base 2, 8, 10 or 16.
pub(super) fn parse(text: &str, base: u32) -> Option<String> {
    let text = text.trim();
    let is_negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    // With how many digits are read at once: their number is below `LIMB`.
    let (prefixes, step) = match base {
        2 => (["0b", "0B"], 59),
        8 => (["0o", "0O"], 19),
        16 => (["0x", "0X"], 14),
        _ => (["", ""], 17),
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
    for digits in digits.as_bytes().chunks(step) {
        let (mut factor, mut number) = (1, 0);
        for digit in digits {
            factor *= u64::from(base);
            number = number * u64::from(base) + u64::from(char::from(*digit).to_digit(base)?);
        }
        natural.multiply_add(factor, number);
    }
    let digits = natural.digits()?;
    Some(if is_negative { negated(digits) } else { digits })
}

/// `-value`.
pub(super) fn negated(digits: String) -> String {
    match digits.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None if digits == "0" => digits,
        None => format!("-{digits}"),
    }
}
