//! YAML 1.1 scalars as PyYAML reads them: what a plain scalar is, and the value it stands for.

use super::{
    super::{
        timestamp::{Shape, Timestamp},
        value::Value,
    },
    integer,
    tag::Tag,
};

/// What a scalar without quotes and tag is.
pub(super) fn resolve_plain(text: &str) -> Tag {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Tag::Null,
        "<<" => Tag::Merge,
        "=" => Tag::Default,
        _ if is_bool(text) => Tag::Bool,
        _ if !text.starts_with(|c: char| matches!(c, '-' | '+' | '.') || c.is_ascii_digit()) => {
            Tag::Str
        }
        _ if is_float(text) => Tag::Float,
        _ if is_int(text) => Tag::Int,
        _ if Shape::of(text).is_some_and(|shape| shape.is_implicit()) => Tag::Timestamp,
        _ => Tag::Str,
    }
}

/// In lower case, with a capital, or in capitals; not mixed.
fn is_bool(text: &str) -> bool {
    let mut tail = text.chars();
    let is_first_upper = tail.next().is_some_and(|c| c.is_ascii_uppercase());
    let tail = tail.as_str();
    let is_cased = !tail.contains(|c: char| c.is_ascii_uppercase())
        || (is_first_upper && !tail.contains(|c: char| c.is_ascii_lowercase()));
    is_cased && boolean(text).is_some()
}

/// The value of `yes`, `no`, `true`, `false`, `on`, `off` in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["yes", "true", "on"]) {
        Some(true)
    } else {
        is_one_of(["no", "false", "off"]).then_some(false)
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

/// Not empty, and every byte is `allowed`.
fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_digit_or_bar(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

fn is_int(text: &str) -> bool {
    let text = unsigned(text);
    if let Some(digits) = text.strip_prefix("0b") {
        return all(digits, |byte| matches!(byte, b'0' | b'1' | b'_'));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, |byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    if let Some(digits) = text.strip_prefix('0') {
        return digits.is_empty() || all(digits, |byte| matches!(byte, b'0'..=b'7' | b'_'));
    }
    let (head, minutes) = text
        .split_once(':')
        .map_or((text, None), |(head, rest)| (head, Some(rest)));
    starts_with_digit(head) && all(head, is_digit_or_bar) && minutes.is_none_or(are_sixtieths)
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Numbers below sixty of one or two digits, with colons between.
fn are_sixtieths(text: &str) -> bool {
    text.split(':').all(|part| match part.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => matches!(tens, b'0'..=b'5') && ones.is_ascii_digit(),
        _ => false,
    })
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let number = unsigned(text);
    if matches!(number, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let Some((whole, fraction)) = number.split_once('.') else {
        return false;
    };
    if whole.is_empty() {
        // Without a sign, strangely.
        let fraction = without_exponent(fraction);
        return text.starts_with('.')
            && starts_with_digit(fraction)
            && all(fraction, is_digit_or_bar);
    }
    if !starts_with_digit(whole) {
        return false;
    }
    match whole.split_once(':') {
        Some((hours, minutes)) => {
            all(hours, is_digit_or_bar)
                && are_sixtieths(minutes)
                && fraction.bytes().all(is_digit_or_bar)
        }
        None => {
            all(whole, is_digit_or_bar) && without_exponent(fraction).bytes().all(is_digit_or_bar)
        }
    }
}

/// `text` without an exponent, which must have its sign.
fn without_exponent(text: &str) -> &str {
    match text.split_once(['e', 'E']) {
        Some((head, exponent))
            if exponent.starts_with(['-', '+'])
                && all(unsigned(exponent), |byte| byte.is_ascii_digit()) =>
        {
            head
        }
        _ => text,
    }
}

/// The value of an integer, in whatever form YAML 1.1 has.
pub(super) fn int(text: &str) -> Option<Value> {
    let text = text.replace('_', "");
    let is_negative = text.starts_with('-');
    let digits = unsigned(&text);
    let value = if digits == "0" {
        "0".to_owned()
    } else if let Some(digits) = digits.strip_prefix("0b") {
        integer::parse(digits, 2)?
    } else if let Some(digits) = digits.strip_prefix("0x") {
        integer::parse(digits, 16)?
    } else if digits.starts_with('0') {
        integer::parse(digits, 8)?
    } else if digits.contains(':') {
        integer::sexagesimal(digits)?
    } else {
        integer::parse(digits, 10)?
    };
    Some(Value::Int(if is_negative {
        integer::negated(value)
    } else {
        value
    }))
}

/// The value of a float, in whatever form YAML 1.1 has.
pub(super) fn float(text: &str) -> Option<Value> {
    let text = text.replace('_', "").to_lowercase();
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let number = unsigned(&text);
    let value = if number == ".inf" {
        f64::INFINITY
    } else if number == ".nan" {
        return Some(Value::Float(f64::NAN));
    } else if number.contains(':') {
        let mut value = 0.0;
        let mut base = 1.0;
        for part in number.rsplit(':') {
            value += python_float(part)? * base;
            base *= 60.0;
        }
        value
    } else {
        python_float(number)?
    };
    Some(Value::Float(sign * value))
}

/// `float(text)`.
fn python_float(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// The value of a timestamp.
pub(super) fn timestamp(text: &str) -> Option<Value> {
    // As Python's `$`, which lets a line break pass at the end.
    let shape = Shape::of(text.strip_suffix('\n').unwrap_or(text))?;
    Some(match shape.timestamp()? {
        Timestamp::Date(date) => Value::Date(date),
        Timestamp::DateTime(time) => Value::DateTime(time),
    })
}

/// The bytes of `!!binary`, as Python's forgiving base64 decoder reads them: it passes over what
/// it does not know, and stops where the padding is complete.
pub(super) fn binary(text: &str) -> Option<Value> {
    if !text.is_ascii() {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut pads) = (0_u32, 0_u32, 0_u32);
    for byte in text.bytes() {
        let digit = match byte {
            b'=' => {
                pads += 1;
                if count >= 2 && count + pads >= 4 {
                    return Some(Value::Bytes(bytes));
                }
                continue;
            }
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        pads = 0;
        bits = (bits << 6 | u32::from(digit)) & 0xfff;
        count = (count + 1) % 4;
        // Every digit but a group's first completes a byte.
        let leftover = match count {
            2 => 4,
            3 => 2,
            0 => 0,
            _ => continue,
        };
        bytes.push((bits >> leftover & 0xff).to_le_bytes()[0]);
    }
    (count == 0).then_some(Value::Bytes(bytes))
}
