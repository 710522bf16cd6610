//! YAML 1.1 scalars as PyYAML reads them: the type of a plain scalar, and its value.

use super::{
    super::value::{Unsupported, Value},
    integer,
    tag::Tag,
};
use crate::python::number;

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
        _ if is_base_60(text) => Tag::Unsupported(Unsupported::Base60),
        _ if is_float(text) => Tag::Float,
        _ if is_int(text) => Tag::Int,
        _ if is_timestamp(text) => Tag::Unsupported(Unsupported::Timestamp),
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
    starts_with_digit(text) && all(text, is_digit_or_bar)
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// An integer or a float in base 60: numbers below sixty of one or two digits, with colons between.
fn is_base_60(text: &str) -> bool {
    let number = unsigned(text);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let Some((head, sixtieths)) = whole.split_once(':') else {
        return false;
    };
    let is_sixtieth = |part: &str| match part.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => matches!(tens, b'0'..=b'5') && ones.is_ascii_digit(),
        _ => false,
    };
    starts_with_digit(head)
        && all(head, is_digit_or_bar)
        && sixtieths.split(':').all(is_sixtieth)
        && match fraction {
            Some(fraction) => fraction.bytes().all(is_digit_or_bar),
            None => !head.starts_with('0'),
        }
}

/// A date with all its digits, or a date and a time, with or without a zone.
fn is_timestamp(text: &str) -> bool {
    let digits_as_0 = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let shape = text.chars().map(digits_as_0).collect::<String>();
    let end = shape
        .find(|c| !matches!(c, '0' | '-'))
        .unwrap_or(shape.len());
    let Some((date, time)) = shape.split_at_checked(end) else {
        return false;
    };
    if time.is_empty() {
        return date == "0000-00-00";
    }
    let time = time
        .strip_prefix(['T', 't'])
        .unwrap_or_else(|| time.trim_start_matches([' ', '\t']));
    let mut clocks = ["00:00:00", "0:00:00"].iter();
    let Some(rest) = clocks.find_map(|clock| time.strip_prefix(clock)) else {
        return false;
    };
    let rest = rest
        .strip_prefix('.')
        .map_or(rest, |rest| rest.trim_start_matches('0'));
    let zone = rest.trim_start_matches([' ', '\t']);
    let is_zone = match zone.strip_prefix(['-', '+']) {
        Some(offset) => ["0", "00", "0:00", "00:00"].contains(&offset),
        None => zone == "Z" || rest.is_empty(),
    };
    ["0000-0-0", "0000-0-00", "0000-00-0", "0000-00-00"].contains(&date) && is_zone
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
    all(whole, is_digit_or_bar) && without_exponent(fraction).bytes().all(is_digit_or_bar)
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
    if text.contains(':') {
        return Some(Value::Unsupported(Unsupported::Base60));
    }
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
    let unsigned = unsigned(&text);
    let value = if unsigned == ".inf" {
        f64::INFINITY
    } else if unsigned == ".nan" {
        return Some(Value::Float(f64::NAN));
    } else if unsigned.contains(':') {
        return Some(Value::Unsupported(Unsupported::Base60));
    } else {
        number::float(unsigned)?
    };
    Some(Value::Float(sign * value))
}
