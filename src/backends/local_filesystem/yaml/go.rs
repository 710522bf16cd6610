//! Plain scalars as `yaml.v3` of Go reads them, and so the Astro CLI: booleans, integers and floats are
//! others than PyYAML's.

use secrecy::zeroize::Zeroizing;

use super::{super::value::Unsupported, scalar, tag::Tag};

/// What a scalar without quotes and tag is, and its text in a notation that PyYAML's rules read alike.
/// `<<` is a key alone.
pub(super) fn resolve_plain(text: String, is_key: bool) -> (Tag, Zeroizing<String>) {
    let text = Zeroizing::new(text);
    let tag = match text.as_str() {
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Tag::Bool,
        "<<" if is_key => Tag::Merge,
        "<<" => Tag::Str,
        plain => match scalar::resolve_plain(plain) {
            known @ (Tag::Null | Tag::Unsupported(Unsupported::Timestamp)) => known,
            _ if plain
                .starts_with(|c: char| matches!(c, '-' | '+' | '.') || c.is_ascii_digit()) =>
            {
                return number(text);
            }
            _ => Tag::Str,
        },
    };
    (tag, text)
}

/// The integer, the float or the text that `text` is.
fn number(text: Zeroizing<String>) -> (Tag, Zeroizing<String>) {
    if let Some(digits) = integer(&text.replace('_', "")) {
        return (Tag::Int, Zeroizing::new(digits));
    }
    let tag = if is_float(&text) {
        Tag::Float
    } else {
        Tag::Str
    };
    (tag, text)
}

/// The digits of a whole number in base 10, or behind `0b`, `0o`, `0` and `0x` in base 2, 8 or 16; one
/// that fits into 64 bits.
pub(in super::super) fn integer(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, base) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (unsigned.get(2..)?, 16),
        [b'0', b'o' | b'O', ..] => (unsigned.get(2..)?, 8),
        [b'0', b'b' | b'B', ..] => (unsigned.get(2..)?, 2),
        [b'0', _, ..] => (unsigned.get(1..)?, 8),
        _ => (unsigned, 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, base).ok()?);
    if text.starts_with('-') {
        i64::try_from(-number)
            .ok()
            .map(|negative| negative.to_string())
    } else {
        Some(number.to_string())
    }
}

/// With a fraction, an exponent, or more digits than an integer may have.
fn is_float(text: &str) -> bool {
    let special = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(special, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let plain = Zeroizing::new(text.replace('_', ""));
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_mantissa =
        is_digits(whole) && is_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    // What is beyond a float's range is a text there.
    is_mantissa && is_exponent && plain.parse::<f64>().is_ok_and(f64::is_finite)
}
