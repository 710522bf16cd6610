//! `str(value)` and `repr(value)`, as Python writes them.

use std::fmt::Write as _;

use super::value::{Dict, Value};

/// How long the text of one value may be, in bytes. Aliases of aliases can make a small file
/// stand for a text of any length.
const MAX_LENGTH: usize = 16 * 1024 * 1024;

/// The text would be longer than [`MAX_LENGTH`].
pub(super) struct TooLong;

/// `str(value)`.
pub(super) fn str(value: &Value) -> Result<String, TooLong> {
    let mut out = String::new();
    match value {
        Value::Text(text) => out.push_str(text),
        Value::Date(date) => out.push_str(&date.to_string()),
        Value::DateTime(time) => out.push_str(&time.to_string()),
        value => repr(value, &mut out)?,
    }
    Ok(out)
}

/// Appends `repr(value)`.
fn repr(value: &Value, out: &mut String) -> Result<(), TooLong> {
    if out.len() > MAX_LENGTH {
        return Err(TooLong);
    }
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(digits) => out.push_str(digits),
        Value::Float(value) => out.push_str(&float(*value)),
        Value::Text(text) => quoted(text, out),
        Value::Bytes(bytes) => quoted_bytes(bytes, out),
        Value::Date(date) => out.push_str(&date.repr()),
        Value::DateTime(time) => out.push_str(&time.repr()),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                repr(item, out)?;
            }
            out.push(']');
        }
        Value::Pair(first, second) => {
            out.push('(');
            repr(first, out)?;
            out.push_str(", ");
            repr(second, out)?;
            out.push(')');
        }
        Value::Set(members) if members.is_empty() => out.push_str("set()"),
        Value::Set(members) => entries(members, false, out)?,
        Value::Dict(members) => entries(members, true, out)?,
    }
    Ok(())
}

fn entries(dict: &Dict, with_values: bool, out: &mut String) -> Result<(), TooLong> {
    out.push('{');
    for (index, (key, value)) in dict.iter().enumerate() {
        separate(index, out);
        repr(key, out)?;
        if with_values {
            out.push_str(": ");
            repr(value, out)?;
        }
    }
    out.push('}');
    Ok(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}

/// `repr(value)` of a float: the shortest digits that give it back, in scientific notation where
/// the point would be far away.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => {
            let decimal = value.to_string();
            if decimal.contains('.') {
                decimal
            } else {
                decimal + ".0"
            }
        }
    }
}

/// The quote Python chooses: single, unless only that one is in the text.
fn quote(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn quoted(text: &str, out: &mut String) {
    let quote = quote(text.contains('\''), text.contains('"'));
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => escape(u32::from(c), out),
        }
    }
    out.push(quote);
}

fn quoted_bytes(bytes: &[u8], out: &mut String) {
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    out.push('b');
    out.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => out.extend(['\\', quote]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => escape(u32::from(byte), out),
        }
    }
    out.push(quote);
}

fn escape(code: u32, out: &mut String) {
    // Writing to a `String` cannot fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// `str.isprintable`. Rust's `escape_debug` rests on the same Unicode categories, but escapes a
/// combining mark where nothing comes before it: so a letter does.
fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c => {
            let mut buffer = [b'a'; 5];
            let (_, tail) = buffer.split_at_mut(1);
            let length = 1 + c.encode_utf8(tail).len();
            let text = buffer.get(..length).map(std::str::from_utf8);
            matches!(text, Some(Ok(text)) if text.escape_debug().nth(1) == Some(c))
        }
    }
}
