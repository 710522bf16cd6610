//! Python's manners, bit for bit, as Airflow inherits them from Python 3.11: `urlsplit`,
//! `parse_qsl`, `quote`, `json`, `str`, `int`, `float`, `bool`, `shlex`, `configparser`, `os.path` and
//! `re`.
//!
//! Rust's crates for these jobs follow other standards, and here the answer must be Python's.

pub(crate) mod config_parser;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod path;
pub(crate) mod percent;
#[cfg(feature = "_aws")]
pub(crate) mod re;
pub(crate) mod shlex;
pub(crate) mod text;
pub(crate) mod truth;
pub(crate) mod url;

use std::ops::Deref;

use memchr::memchr;
use secrecy::zeroize::Zeroizing;

use crate::Secret;

/// A text that is either a part of the input or was made from it; the latter is wiped on drop.
pub(crate) enum Text<'a> {
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
pub(crate) trait Sink {
    /// Writes `piece`.
    fn push(&mut self, piece: &str);

    /// Writes one ASCII character.
    fn push_ascii(&mut self, byte: u8);
}

impl Sink for String {
    fn push(&mut self, piece: &str) {
        self.push_str(piece);
    }

    fn push_ascii(&mut self, byte: u8) {
        self.push(char::from(byte));
    }
}

/// Counts the bytes of what would be written.
struct Length(usize);

impl Sink for Length {
    fn push(&mut self, piece: &str) {
        self.0 += piece.len();
    }

    fn push_ascii(&mut self, _: u8) {
        self.0 += 1;
    }
}

/// What can be written as text.
pub(crate) trait Written {
    /// Writes it to `out`; the same text every time.
    fn write(&self, out: &mut impl Sink);

    /// The text, as a secret. It is written twice, the first time to learn its length: a buffer
    /// that grew would leave copies of the secret behind.
    fn to_secret(&self) -> Secret {
        let mut length = Length(0);
        self.write(&mut length);
        let mut text = String::with_capacity(length.0);
        self.write(&mut text);
        Secret::from(text)
    }
}

/// A set of ASCII characters.
struct AsciiSet([bool; 256]);

impl AsciiSet {
    /// Letters, digits and `others`.
    const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut set = Self([false; 256]);
        let mut byte = 0;
        while byte < 0x80 {
            set.insert(byte, byte.is_ascii_alphanumeric());
            byte += 1;
        }
        set.insert_all(others, true)
    }

    /// What prints, blanks among it, but not `others`.
    const fn printable_but(others: &[u8]) -> Self {
        let mut set = Self([false; 256]);
        let mut byte = b' ';
        while byte <= b'~' {
            set.insert(byte, true);
            byte += 1;
        }
        set.insert_all(others, false)
    }

    const fn insert_all(mut self, mut bytes: &[u8], is_in: bool) -> Self {
        while let [byte, rest @ ..] = bytes {
            self.insert(*byte, is_in);
            bytes = rest;
        }
        self
    }

    // A `u8` is never out of range, and this runs when the crate is compiled.
    #[allow(clippy::indexing_slicing)]
    const fn insert(&mut self, byte: u8, is_in: bool) {
        self.0[byte as usize] = is_in;
    }

    fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// Splits `text` after its longest run of characters that are in `set`.
fn split_run<'a>(text: &'a str, set: &AsciiSet) -> (&'a str, &'a str) {
    let end = text.bytes().position(|byte| !set.contains(byte));
    end.and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

/// `text.split_once` for an ASCII character.
pub(crate) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = memchr(separator, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Whether an ASCII character is in `text`.
pub(crate) fn contains(text: &str, wanted: u8) -> bool {
    memchr(wanted, text.as_bytes()).is_some()
}
