//! `unquote`, `quote` and `quote_plus`.

use secrecy::zeroize::Zeroizing;

use super::{Sink, Text, split_run};

/// `unquote(text)`: percent-decodes; what is no UTF-8 then becomes U+FFFD.
pub(in crate::connection) fn unquote(text: &str) -> Text<'_> {
    if text.contains('%') {
        decode(text, false)
    } else {
        Text::Borrowed(text)
    }
}

/// `unquote(text.replace("+", " "))`.
pub(in crate::connection) fn unquote_plus(text: &str) -> Text<'_> {
    if text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        decode(text, true)
    } else {
        Text::Borrowed(text)
    }
}

fn decode(text: &str, plus_is_blank: bool) -> Text<'_> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, after) {
            (b'%', [high, low, after_escape @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after_escape;
                    high << 4 | low
                }
                _ => byte,
            },
            (b'+', _) if plus_is_blank => b' ',
            _ => byte,
        });
    }
    // An escape is as long as U+FFFD, so this never outgrows the input.
    let mut decoded = Zeroizing::new(String::with_capacity(text.len()));
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            decoded.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Text::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// `quote(text, safe="")`.
pub(in crate::connection) fn quote(text: &str, out: &mut dyn Sink) {
    encode(text, "%20", out);
}

/// `quote_plus(text)`.
pub(in crate::connection) fn quote_plus(text: &str, out: &mut dyn Sink) {
    encode(text, "+", out);
}

fn encode(text: &str, blank: &str, out: &mut dyn Sink) {
    const HEX: [&str; 16] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F",
    ];
    let nibble = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or_default();
    let is_safe =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~');
    let mut rest = text;
    loop {
        let (safe, tail) = split_run(rest, is_safe);
        if !safe.is_empty() {
            out.push(safe);
        }
        let mut tail = tail.chars();
        let Some(c) = tail.next() else { return };
        if c == ' ' {
            out.push(blank);
        } else {
            for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
                out.push("%");
                out.push(nibble(byte >> 4));
                out.push(nibble(byte & 0xf));
            }
        }
        rest = tail.as_str();
    }
}
