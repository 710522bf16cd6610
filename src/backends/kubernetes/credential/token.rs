//! Tokens, and the file that Kubernetes writes a new one to before the old one ends.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use http::HeaderValue;

use crate::{Failure, Secret, backends::keeper::Login, clock, files};

/// How long a token of a file is used before the file is read again: as in the client that Airflow uses.
const LIFE: Duration = Duration::from_secs(60);

/// Where the token comes from.
#[derive(Debug, Clone)]
pub(in super::super) enum Tokens {
    /// Requests go without one.
    Without,
    Text(Secret),
    File(PathBuf),
}

/// A token for requests. `Debug` does not show it.
pub(in super::super) struct Token {
    /// The value of the header `Authorization`.
    pub(in super::super) bearer: Option<HeaderValue>,
    /// When its file was read.
    read_at: Option<Instant>,
}

impl Token {
    /// Whether another may have taken its place.
    pub(in super::super) fn may_have_changed(&self) -> bool {
        self.read_at.is_some()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Login for Tokens {
    type Kept = Token;

    async fn log_in(&self) -> Result<Token, Failure> {
        let (token, read_at) = match self {
            Self::Without => (None, None),
            Self::Text(token) => (Some(token.clone()), None),
            Self::File(path) => {
                let unusable = |why: &str| {
                    Failure::configuration(format!(
                        "the token file {} cannot be used: {why}: check that the pod's service account is \
                         mounted (automountServiceAccountToken)",
                        path.display()
                    ))
                };
                let text = files::read_text_in_background(path).await;
                let text = text.map_err(|error| unusable(&error.to_string()))?;
                match text.expose().trim() {
                    "" => return Err(unusable("it is empty")),
                    token => (Some(Secret::from(token)), Some(clock::now())),
                }
            }
        };
        let bearer = token.map(|token| {
            let bearer = Secret::from(format!("Bearer {}", token.expose()));
            HeaderValue::from_str(bearer.expose()).map(|mut bearer| {
                bearer.set_sensitive(true);
                bearer
            })
        });
        let bearer = bearer.transpose().map_err(|_| {
            Failure::configuration("the token contains a character that cannot be sent")
        })?;
        Ok(Token { bearer, read_at })
    }

    /// A file is read; nobody is asked.
    fn is_observed(&self) -> bool {
        false
    }

    fn is_good(&self, token: &Token) -> bool {
        let age = |since| clock::now().saturating_duration_since(since);
        token.read_at.is_none_or(|since| age(since) < LIFE)
    }
}
