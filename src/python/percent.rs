//! `unquote`, `quote` and `quote_plus`.

use secrecy::zeroize::Zeroizing;

use super::{AsciiSet, Sink, Text, contains, split_run};

/// `unquote(text)`: percent-decodes; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn unquote(text: &str) -> Text<'_> {
    if contains(text, b'%') {
        decode(text, false)
    } else {
        Text::Borrowed(text)
    }
}

/// `unquote(text.replace("+", " "))`.
pub(crate) fn unquote_plus(text: &str) -> Text<'_> {
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
    String::from_utf8(std::mem::take(&mut *bytes))
        .map_or_else(|error| replace_invalid(error.into_bytes()), Text::from)
}

fn replace_invalid(bytes: Vec<u8>) -> Text<'static> {
    let bytes = Zeroizing::new(bytes);
    // An escape, from which alone such bytes come, is as long as U+FFFD: this never grows.
    let mut text = String::with_capacity(bytes.capacity());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Text::from(text)
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
pub(crate) fn quote(text: &str, out: &mut impl Sink) {
    encode(text, "%20", out);
}

/// `quote_plus(text)`.
pub(crate) fn quote_plus(text: &str, out: &mut impl Sink) {
    encode(text, "+", out);
}

fn encode(text: &str, blank: &str, out: &mut impl Sink) {
    static SAFE: AsciiSet = AsciiSet::alphanumeric_and(b"_.-~");
    let mut rest = text;
    loop {
        let (safe, tail) = split_run(rest, &SAFE);
        out.push(safe);
        let mut tail = tail.chars();
        let Some(c) = tail.next() else { return };
        if c == ' ' {
            out.push(blank);
        } else {
            for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
                out.push_ascii(b'%');
                out.push_ascii(digit(byte >> 4));
                out.push_ascii(digit(byte & 0xf));
            }
        }
        rest = tail.as_str();
    }
}

/// The upper-case hexadecimal digit of a value below 16.
fn digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'A' - 10 + value,
    }
}
