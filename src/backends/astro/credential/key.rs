//! The API keys that Deployments had before API tokens. Astro ended them in June 2024.

use std::{sync::Arc, time::Duration};

use http::{Request, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use url::{Url, form_urlencoded::Serializer};

use super::Token;
use crate::{
    Failure, Secret,
    backend::FailureKind,
    backends::{
        astro::{
            client::wire::{self, Wire},
            domain::Domain,
        },
        keeper::Login,
    },
};

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(60);

/// The longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Buys tokens with a key.
#[derive(Debug)]
pub(in super::super) struct Key {
    pub(in super::super) id: String,
    pub(in super::super) secret: Secret,
    pub(in super::super) domain: Domain,
    pub(in super::super) wire: Arc<Wire>,
}

/// Where the domain gives tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthConfig {
    domain_url: String,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

impl Key {
    async fn buy(&self) -> Result<Token, Failure> {
        let url = format!("{}/private/v1alpha1/cli/auth-config", self.domain.api());
        let request = Request::get(url)
            .body(wire_body(""))
            .map_err(|_| wire::unsendable())?;
        let answer = self.wire.send("Astro", request).await?;
        let config = accepted(answer.status().as_u16(), answer.body());
        let AuthConfig { domain_url } =
            serde_json::from_slice(config?).map_err(|_| unreadable())?;
        let url = Url::parse(&domain_url)
            .ok()
            .filter(|url| self.domain.holds(url));
        // The key goes to no other domain, whoever names it.
        let url = url
            .and_then(|url| url.join("/oauth/token").ok())
            .ok_or_else(unreadable)?;
        let form = Serializer::new(String::new())
            .extend_pairs([
                ("client_id", &*self.id),
                ("client_secret", self.secret.expose()),
                ("audience", "astronomer-ee"),
                ("grant_type", "client_credentials"),
            ])
            .finish();
        let request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(wire_body(&form))
            .map_err(|_| wire::unsendable())?;
        let asked = Instant::now();
        let answer = self.wire.send("Astro's login", request).await?;
        let given = accepted(answer.status().as_u16(), answer.body());
        let Given {
            access_token,
            expires_in,
        } = serde_json::from_slice(given?).map_err(|_| unreadable())?;
        let life = Duration::from_secs(expires_in.as_u64().unwrap_or_default()).min(LONGEST_LIFE);
        let good_until = asked + life.saturating_sub(MARGIN.min(life / 4));
        let token = Secret::from(access_token);
        if token.expose().trim().is_empty() {
            return Err(unreadable());
        }
        Token::new(&token, Some(good_until.into_std())).ok_or_else(unreadable)
    }
}

fn wire_body(text: &str) -> http_body_util::Full<bytes::Bytes> {
    text.to_owned().into()
}

/// The body of an answer whose status is that of success.
fn accepted(status: u16, body: &[u8]) -> Result<&[u8], Failure> {
    match status {
        200..=299 => Ok(body),
        408 | 429 | 500.. => Err(Failure::unavailable(format!(
            "there is no token: Astro's login cannot answer (HTTP {status})"
        ))),
        400..=499 => Err(Failure::new(
            FailureKind::AccessDenied,
            format!(
                "there is no token: Astro refused the Deployment API key (HTTP {status}). Astro ended such \
                 keys in June 2024: make an API token, and set ASTRO_API_TOKEN to it"
            ),
        )
        .with_transient(false)),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> Failure {
    Failure::unavailable(
        "there is no token: the answer is not one of Astro's login: check ASTRO_DOMAIN and the proxy; \
         Astro ended Deployment API keys in June 2024, so make an API token (ASTRO_API_TOKEN)",
    )
    .with_transient(false)
}

impl Login for Key {
    type Kept = Token;

    async fn log_in(&self) -> Result<Token, Failure> {
        let limit = self.wire.options().timeout();
        let token = timeout(limit, self.buy()).await;
        token.unwrap_or_else(|_| {
            let seconds = limit.as_secs_f64();
            Err(Failure::unavailable(format!(
                "no token from Astro within {seconds} s"
            )))
        })
    }

    fn is_good(&self, token: &Token) -> bool {
        token
            .good_until
            .is_none_or(|until| Instant::now().into_std() < until)
    }
}
