//! What a token says of itself. It is not verified: only the server can do that.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use crate::{Secret, backends::bounds::Bounds};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How much of a token's life, at its end, the server gives a new one in: a fifth, and half a minute at
/// least.
const LAST_PART: u64 = 5;
const LEAST: u64 = 30;

/// When a token was issued and when it ends, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "exp")]
    ends: u64,
    #[serde(rename = "iat")]
    issued: u64,
}

impl Claims {
    /// Those of `token`, where it is a JSON web token that has them.
    pub(super) fn of(token: &Secret) -> Option<Self> {
        let mut parts = token.expose().split('.');
        let claims = parts.nth(1)?;
        let claims = BASE64.decode(claims).ok()?;
        Bounds::default().check_depth(&claims).ok()?;
        serde_json::from_slice(&claims).ok()
    }

    /// How long ago it ended; `None` where it has not.
    pub(super) fn ended(self) -> Option<Duration> {
        let ended = seconds_since_1970().checked_sub(self.ends)?;
        Some(Duration::from_secs(ended))
    }

    /// How long it still lives.
    pub(super) fn left(self) -> Duration {
        Duration::from_secs(self.ends.saturating_sub(seconds_since_1970()))
    }

    /// How long the part of its life is, at its end, in which any answer brings a new one.
    pub(super) fn last_part(self) -> Duration {
        let life = self.ends.saturating_sub(self.issued);
        Duration::from_secs((life / LAST_PART).max(LEAST))
    }
}

fn seconds_since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        format!("head.{}.signature", BASE64.encode(claims)).into()
    }

    #[test]
    fn the_last_part_of_a_life_is_a_fifth_and_half_a_minute_at_least() {
        for (life, expected) in [(86_400, 17_280), (600, 120), (100, 30), (0, 30)] {
            let claims = format!(r#"{{"exp": {}, "iat": 1000}}"#, 1000 + life);
            let claims = Claims::of(&token(&claims)).unwrap();
            assert_eq!(claims.last_part(), Duration::from_secs(expected), "{life}");
            assert_eq!(claims.left(), Duration::ZERO);
            assert!(claims.ended().is_some());
        }
    }

    #[test]
    fn what_is_no_token_says_nothing() {
        let deep = "[".repeat(1000);
        for text in ["", "a", "a.b.c", "a.!.c", "..", "é.é.é"] {
            assert_eq!(Claims::of(&text.into()), None, "{text}");
        }
        for claims in [
            "",
            "{}",
            r#"{"exp": 1}"#,
            r#"{"exp": "1", "iat": 1}"#,
            &deep,
        ] {
            assert_eq!(Claims::of(&token(claims)), None, "{claims}");
        }
    }
}
