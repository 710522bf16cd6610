//! API tokens: JSON Web Tokens that say what they are for, and when they end.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use crate::{ConfigurationError, Failure, Secret, config::Setting};

/// A token for requests. `Debug` does not show it.
pub(in super::super) struct Token {
    bearer: HeaderValue,
    /// When a new one is needed, of one that is short-lived.
    pub(super) good_until: Option<Instant>,
}

impl Token {
    /// The token `text`, or `None` where no header can hold it.
    pub(super) fn new(text: &Secret, good_until: Option<Instant>) -> Option<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", text.expose())).ok()?;
        bearer.set_sensitive(true);
        Some(Self { bearer, good_until })
    }

    /// The value of the header `Authorization`.
    pub(in super::super) fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A token as a user gave it, with what it says of itself. Its signature is Astro's to check.
#[derive(Debug)]
pub(in super::super) struct ApiToken {
    token: Arc<Token>,
    ends: Option<SystemTime>,
    /// The ids in its permissions.
    pub(in super::super) organization: Option<String>,
    pub(in super::super) workspace: Option<String>,
    pub(in super::super) deployment: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    exp: Value,
}

impl ApiToken {
    /// Reads a token.
    ///
    /// # Errors
    /// When it is none of Astro's API tokens.
    pub(in super::super) fn parse(given: &Setting<Secret>) -> Result<Self, ConfigurationError> {
        let not_one = || {
            given.error(
                "is not an API token of Astro: paste the whole token of a Deployment, Workspace or \
                 Organization, without quotes or blanks",
            )
        };
        let text = given.value.expose().trim();
        let text = text.strip_prefix("Bearer ").unwrap_or(text);
        let mut parts = text.split('.');
        let (Some(_), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(not_one());
        };
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('='));
        let claims = claims
            .ok()
            .and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
        let Claims { permissions, exp } = claims.ok_or_else(not_one)?;
        if permissions.is_empty() {
            return Err(given.error(
                "is a token without permissions, such as that of a login: give an API token of a \
                 Deployment, Workspace or Organization",
            ));
        }
        let id = |kind: &str| {
            let ids = permissions
                .iter()
                .filter_map(|permission| permission.split_once(':'));
            let mut ids = ids.filter(|(other, _)| *other == kind).map(|(_, id)| id);
            let first = ids.next()?;
            // Of several, none is meant without being said.
            ids.all(|id| id == first).then(|| first.to_owned())
        };
        let token = Token::new(&Secret::from(text), None).ok_or_else(not_one)?;
        let ends = exp.as_f64().filter(|seconds| *seconds >= 0.0);
        let ends = ends.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Self {
            token: Arc::new(token),
            ends: ends.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)),
            organization: id("organizationId"),
            workspace: id("workspaceId"),
            deployment: id("deploymentId"),
        })
    }

    /// The token, if it has not ended.
    ///
    /// # Errors
    /// When it has, with the date.
    pub(super) fn get(&self) -> Result<Arc<Token>, Failure> {
        match self.ends {
            Some(ends) if ends <= SystemTime::now() => Err(Failure::access_denied(format!(
                "the API token ended on {}: make a new one, and set ASTRO_API_TOKEN to it",
                httpdate::fmt_http_date(ends)
            ))
            .with_transient(false)),
            _ => Ok(Arc::clone(&self.token)),
        }
    }
}
