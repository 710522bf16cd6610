//! Tokens: what they are, how they are asked for, and how an answer is read.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE, request::Builder};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded::Serializer;

use crate::{
    Failure, Secret,
    backends::gcp::client::wire::{self, Body, Wire},
};

/// How long before its end a token is not used any more, as in Google's libraries for Python; less
/// for a token that is short-lived.
const MARGIN: Duration = Duration::from_secs(225);

/// How long a token counts as new: one that is refused so soon is not replaced.
const NEW: Duration = Duration::from_secs(30);

/// The longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How many seconds a token lives where nothing else is known or asked for.
pub(crate) const LIFE: u64 = 3600;

/// A token for requests to Google. `Debug` does not show it.
pub(crate) struct Token {
    /// The value of the header `Authorization`; `None` where requests go without one.
    pub(crate) bearer: Option<HeaderValue>,
    since: Instant,
    /// When a new one is needed; never for `None`.
    good_until: Option<Instant>,
}

impl Token {
    /// No token at all.
    pub(crate) fn none() -> Self {
        Self {
            bearer: None,
            since: Instant::now(),
            good_until: None,
        }
    }

    /// The token `text` with so much of its life left.
    ///
    /// # Errors
    /// When it is empty, or contains a character that no header can hold.
    pub(crate) fn new(text: &str, life: Duration) -> Result<Self, Failure> {
        if text.is_empty() {
            let message = "there is no token: the one that came with the answer is empty";
            return Err(Failure::unavailable(message).with_transient(false));
        }
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| wire::unsendable())?;
        bearer.set_sensitive(true);
        let (life, since) = (life.min(LONGEST_LIFE), Instant::now());
        Ok(Self {
            bearer: Some(bearer),
            since,
            good_until: Some(since + life.saturating_sub(MARGIN.min(life / 4))),
        })
    }

    /// Whether another one, asked for now, would fare no better.
    pub(crate) fn is_new(&self) -> bool {
        self.bearer.is_none() || self.since.elapsed() < NEW
    }

    pub(crate) fn is_good(&self) -> bool {
        self.good_until.is_none_or(|until| Instant::now() < until)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A service that gives tokens, or what leads to one.
#[derive(Clone, Copy)]
pub(crate) struct Giver<'a> {
    /// For messages.
    name: &'a str,
    /// Whether it refuses in the form of OAuth 2.0 or of Google's APIs: nobody else's refusal counts.
    is_google: bool,
}

impl<'a> Giver<'a> {
    /// A service of Google's on the web.
    pub(crate) const fn of_google(name: &'a str) -> Self {
        let is_google = true;
        Self { name, is_google }
    }

    /// Any other.
    pub(crate) const fn of_others(name: &'a str) -> Self {
        let is_google = false;
        Self { name, is_google }
    }

    /// What it answers to the request that `make` makes, repeated while a failure may pass.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub(crate) async fn ask(
        self,
        wire: &Wire,
        make: impl Fn() -> Result<Request<Body>, Failure>,
    ) -> Result<Bytes, Failure> {
        let make = &make;
        let attempt = || async move {
            let answer = wire.send(self.name, make()?).await;
            self.accepted(answer.map_err(|failure| unavailable(&failure))?)
        };
        wire.with_retries(attempt).await
    }

    /// The body of `answer`.
    ///
    /// # Errors
    /// When its status is that of a refusal or an outage.
    pub(crate) fn accepted(self, answer: Response<Bytes>) -> Result<Bytes, Failure> {
        let whom = self.name;
        match answer.status().as_u16() {
            200..=299 => Ok(answer.into_body()),
            status @ (408 | 429 | 500..) => Err(Failure::unavailable(format!(
                "there is no token: {whom} cannot answer (HTTP {status})"
            ))),
            status if status < 400 || self.is_google && !is_refusal(answer.body()) => {
                Err(self.unreadable(&format!(" (HTTP {status})")))
            }
            status => {
                let reason =
                    reason(answer.body()).map_or(String::new(), |reason| format!(", {reason}"));
                Err(Failure::access_denied(format!(
                    "there is no token: {whom} refused the credentials (HTTP {status}{reason}): check \
                     that they are still valid, that the account may be impersonated, and this \
                     machine's clock"
                ))
                .with_transient(false))
            }
        }
    }

    /// The token in an answer: `access_token` and `expires_in`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn token(self, body: &[u8]) -> Result<Token, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            #[serde(default)]
            expires_in: Value,
        }
        let answer = serde_json::from_slice::<Answer>(body);
        let Answer {
            access_token,
            expires_in,
        } = answer.map_err(|_| self.unreadable(""))?;
        let seconds = match &expires_in {
            Value::Null => Some(LIFE),
            Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        };
        let life = Duration::from_secs(seconds.unwrap_or_default());
        Token::new(Secret::from(access_token).expose(), life)
    }

    /// The failure for an answer that the service does not give.
    pub(crate) fn unreadable(self, status: &str) -> Failure {
        Failure::unavailable(format!(
            "there is no token: the answer{status} is not one of {}: check its address and the proxy",
            self.name
        ))
        .with_transient(false)
    }
}

/// `failure`, of a service that gives tokens.
fn unavailable(failure: &Failure) -> Failure {
    let message = format!("there is no token: {}", failure.message());
    Failure::new(failure.kind(), message).with_transient(failure.is_transient())
}

/// Whether `body` has the form of a refusal by OAuth 2.0 or by Google's APIs, and is not that of a
/// gateway.
fn is_refusal(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<Value>(body).ok();
    body.is_some_and(|body| body.get("error").is_some())
}

/// The reason for a refusal, where it is one of those that OAuth 2.0 or Google's APIs define.
fn reason(body: &[u8]) -> Option<&'static str> {
    const KNOWN: [&str; 12] = [
        "invalid_grant",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
        "access_denied",
        "PERMISSION_DENIED",
        "NOT_FOUND",
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
    ];
    let body = serde_json::from_slice::<Value>(body).ok()?;
    let error = body.get("error")?;
    let given = error.as_str().or_else(|| error.get("status")?.as_str())?;
    KNOWN.into_iter().find(|known| *known == given)
}

/// A form, as token endpoints take it.
///
/// # Errors
/// When `url` or a header of `request` is invalid.
pub(crate) fn form<'a>(
    request: Builder,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Request<Body>, Failure> {
    let form = Serializer::new(String::new()).extend_pairs(fields).finish();
    request
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into())
        .map_err(|_| wire::unsendable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_until_shortly_before_its_end() {
        for (life, good_for) in [(3600, 3375), (100, 75), (0, 0), (u64::MAX, 86_400 - 225)] {
            let token = Token::new("t", Duration::from_secs(life)).unwrap();
            let good_for = Duration::from_secs(good_for);
            assert_eq!(token.is_good(), !good_for.is_zero());
            tokio::time::advance(good_for).await;
            assert!(!token.is_good(), "{life}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::new("MARKER", Duration::ZERO).unwrap();
        assert!(!format!("{token:?} {:?}", token.bearer).contains("MARKER"));
    }
}
