//! White space as Python's `str.strip` and `str.isspace` know it.

/// Whether Python's `str.isspace` holds for `c`.
///
/// Beside Unicode's white space Python counts the four ASCII separators, `\x1c` to `\x1f`.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `text.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `text.rstrip()`.
pub(super) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}
