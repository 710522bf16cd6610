//! What Airflow's connections inherit from Python 3.11: `urlsplit` and `parse_qsl`,
//! `quote` and `unquote`, `json.loads` and `json.dumps`, `str.strip` and `int`.
//!
//! Rust's crates for these jobs follow other standards, and here the answer must be Python's.

pub(super) mod json;
pub(super) mod percent;
pub(super) mod text;
pub(super) mod url;

use std::ops::Deref;

use secrecy::zeroize::Zeroizing;

use crate::Secret;

/// A text that is either a part of the input or was made from it; the latter is wiped on drop.
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Owned(Zeroizing<String>),
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Owned(Zeroizing::new(text))
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::Borrowed("")
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

/// Where text is written to, piece by piece.
pub(super) trait Sink {
    /// Writes `piece`.
    fn push(&mut self, piece: &str);
}

impl Sink for String {
    fn push(&mut self, piece: &str) {
        self.push_str(piece);
    }
}

/// Counts the bytes of what would be written.
struct Length(usize);

impl Sink for Length {
    fn push(&mut self, piece: &str) {
        self.0 += piece.len();
    }
}

/// What `write` writes, as a secret. It runs twice, the first time to learn the length: a buffer
/// that grew would leave copies of the secret behind.
pub(super) fn written(write: impl Fn(&mut dyn Sink)) -> Secret {
    let mut length = Length(0);
    write(&mut length);
    let mut text = String::with_capacity(length.0);
    write(&mut text);
    Secret::from(text)
}

/// Splits `text` after its longest run of bytes that are `safe`, which must all be ASCII.
fn split_run(text: &str, safe: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !safe(byte))
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
