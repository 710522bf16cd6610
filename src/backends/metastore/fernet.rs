//! Fernet keys and tokens, as Airflow reads them.
//!
//! The `fernet` crate does the cryptography. Where it is stricter than Python's `cryptography`,
//! this module evens that out: base64 is read as Python's lenient decoder reads it, and a token from the
//! future (a host whose clock is ahead) is accepted, since Airflow sets no time to live.

use std::fmt;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use fernet::Fernet;
use zeroize::Zeroizing;

use crate::Secret;

/// Reads unpadded base64 whose last character may carry stray bits, as Python does.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// With this as the current time, no token is from the future; the crate adds its 60 seconds of
/// allowed skew to it.
const END_OF_TIME: u64 = u64::MAX - 60;

/// The keys of `[core] fernet_key`.
pub(super) enum FernetKeys {
    /// The setting is absent or empty: nothing can be decrypted.
    Absent,
    /// The setting is not a key. Airflow starts all the same, and only fails when it has to decrypt.
    Invalid,
    /// One or more keys; a token may have been written with any of them.
    Valid(Vec<Fernet>),
}

/// Why a token gave no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecryptError {
    /// No key is set.
    NoKey,
    /// `[core] fernet_key` is not a key.
    InvalidKey,
    /// The token is damaged, or was written with another key.
    InvalidToken,
    /// The token is sound, but what was encrypted is not UTF-8.
    NotText,
}

impl FernetKeys {
    /// Reads the setting: keys with a comma between them. Blanks and line breaks in and around a
    /// key are ignored.
    pub(super) fn parse(setting: Option<&Secret>) -> Self {
        match setting.map(Secret::expose) {
            None | Some("") => Self::Absent,
            Some(keys) => keys
                .split(',')
                .map(parse_key)
                .collect::<Option<Vec<_>>>()
                .map_or(Self::Invalid, Self::Valid),
        }
    }

    /// The text that `token` holds.
    pub(super) fn decrypt(&self, token: &str) -> Result<Secret, DecryptError> {
        let keys = match self {
            Self::Absent => return Err(DecryptError::NoKey),
            Self::Invalid => return Err(DecryptError::InvalidKey),
            Self::Valid(keys) => keys,
        };
        let bytes = decode(token.as_bytes()).ok_or(DecryptError::InvalidToken)?;
        let token = LENIENT.encode(bytes);
        let text = keys
            .iter()
            .find_map(|key| key.decrypt_at_time(&token, None, END_OF_TIME).ok())
            .ok_or(DecryptError::InvalidToken)?;
        match String::from_utf8(text) {
            Ok(text) => Ok(Secret::from(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(DecryptError::NotText)
            }
        }
    }
}

impl fmt::Debug for FernetKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no key"),
            Self::Invalid => f.write_str("invalid key"),
            Self::Valid(keys) => write!(f, "{} key(s)", keys.len()),
        }
    }
}

/// One key: 32 bytes in base64.
fn parse_key(text: &str) -> Option<Fernet> {
    let key = Zeroizing::new(decode(text.as_bytes())?);
    Fernet::new(&Zeroizing::new(LENIENT.encode(&key)))
}

/// Base64 as Python's `urlsafe_b64decode` reads it: both alphabets, every other character
/// ignored, and whatever follows complete padding ignored. `None` where Python raises.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut padding = 0;
    for &byte in text {
        match byte {
            b'=' => {
                let past_quad = kept.len() % 4;
                if past_quad >= 2 {
                    padding += 1;
                    if past_quad + padding >= 4 {
                        return LENIENT.decode(&kept).ok();
                    }
                }
                continue;
            }
            b'+' => kept.push(b'-'),
            b'/' => kept.push(b'_'),
            b'-' | b'_' | b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => kept.push(byte),
            _ => continue,
        }
        padding = 0;
    }
    if kept.len() % 4 == 0 {
        LENIENT.decode(&kept).ok()
    } else {
        None
    }
}
