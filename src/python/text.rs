//! `str.strip`, `str.isspace`, `str.lower`, `str.upper`, `str.splitlines` and universal newlines.

use std::borrow::Cow;

use secrecy::zeroize::Zeroizing;

/// `c.isspace()`: Unicode's white space and the four separators before the blank.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `text.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `text.rstrip()`.
pub(crate) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `text.rstrip(characters)`.
#[cfg(any(feature = "_aws", feature = "azure"))]
pub(crate) fn strip_end_of<'t>(text: &'t str, characters: &str) -> &'t str {
    text.trim_end_matches(|c| characters.contains(c))
}

/// Whether `str.splitlines` ends a line at `c`, in a text without `\r`.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The line and the column of byte `at` in `text`, both from 1; a column is a character.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// `text.lower()`.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    let is_lower = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_lower) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Appends `text.upper()` to `out`: `ß` becomes `SS`.
pub(crate) fn push_upper(out: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character.to_ascii_uppercase());
        } else {
            out.extend(character.to_uppercase());
        }
    }
}

/// `text` with `\n` for every `\r\n` and `\r`, as Python reads a file of text.
pub(crate) fn universal_newlines(text: &str) -> Zeroizing<String> {
    let mut lines = Zeroizing::new(String::with_capacity(text.len()));
    let mut parts = text.split('\r');
    lines.push_str(parts.next().unwrap_or_default());
    for part in parts {
        if !part.starts_with('\n') {
            lines.push('\n');
        }
        lines.push_str(part);
    }
    lines
}
