//! What Astro's answers mean. Their texts are never shown: they may contain what was sent.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{
    Response,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;

use super::{credential::Credential, member::Member, objects::Page};
use crate::{Failure, backend::FailureKind};

/// What a request for a page gave.
pub(super) enum Reading {
    Page(Page),
    /// Astro does not accept the token.
    TokenRefused(Failure),
}

/// An error of the Platform API.
#[derive(Deserialize)]
struct Problem {
    message: String,
}

fn lasting(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, message).with_transient(false)
}

/// Reads the answer to a request for a page.
///
/// # Errors
/// When it is not a page.
pub(super) fn read(answer: &Response<Bytes>, credential: &Credential) -> Result<Reading, Failure> {
    let status = answer.status().as_u16();
    if status == 200 {
        let page = serde_json::from_slice::<Member<Page>>(answer.body());
        let page = page.ok().and_then(|page| page.get("").ok().flatten());
        return page.map(Reading::Page).ok_or_else(|| not_astro(status));
    }
    let problem = serde_json::from_slice::<Problem>(answer.body()).ok();
    let message = problem
        .as_ref()
        .map(|problem| problem.message.to_ascii_lowercase());
    let is_about_secrets = message.is_some_and(|message| {
        ["showsecrets", "organization", "not allowed"]
            .iter()
            .all(|word| message.contains(word))
    });
    match status {
        400..=499 if is_about_secrets => Err(lasting(
            FailureKind::AccessDenied,
            "the Organization does not allow secrets to be fetched: enable Environment Secrets Fetching \
             in the Organization's settings, under General",
        )),
        401 => Ok(Reading::TokenRefused(lasting(
            FailureKind::AccessDenied,
            format!(
                "Astro refused {}: check that it was neither deleted nor rotated",
                credential.name()
            ),
        ))),
        403 if problem.is_some() => Err(lasting(
            FailureKind::AccessDenied,
            format!(
                "denied: {} may not read environment objects here: check the Organization, Workspace and \
                 Deployment, and give the token a role that may read them",
                credential.name()
            ),
        )),
        404 if problem.is_some() => Err(lasting(
            FailureKind::Configuration,
            "Astro knows no such Organization, Workspace or Deployment: check ASTRO_ORGANIZATION_ID, \
             ASTRO_WORKSPACE_ID and ASTRO_DEPLOYMENT_ID",
        )),
        400 if problem.is_some() => Err(lasting(
            FailureKind::Configuration,
            "Astro refused the request as invalid: check ASTRO_ORGANIZATION_ID, ASTRO_WORKSPACE_ID and \
             ASTRO_DEPLOYMENT_ID",
        )),
        429 => Err(passing(
            answer.headers(),
            "Astro throttles: the token has asked too often".to_owned(),
        )),
        408 | 500.. => Err(passing(
            answer.headers(),
            format!("Astro cannot answer (HTTP {status})"),
        )),
        _ => Err(not_astro(status)),
    }
}

/// A failure that may pass. `headers` may say after how long.
fn passing(headers: &HeaderMap, message: String) -> Failure {
    let failure = Failure::unavailable(message);
    match retry_after(headers) {
        Some(pause) => failure.with_retry_after(pause),
        None => failure,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let after = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = after.parse().ok().map(Duration::from_secs);
    let until = || httpdate::parse_http_date(after).ok();
    seconds.or_else(|| until()?.duration_since(SystemTime::now()).ok())
}

/// The failure for an answer that does not have Astro's form: that of a proxy, or a redirect.
fn not_astro(status: u16) -> Failure {
    lasting(
        FailureKind::Unavailable,
        format!(
            "the answer is not one of Astro's (HTTP {status}): check ASTRO_DOMAIN and the proxy"
        ),
    )
}

/// The failure for a listing that ends before its total.
pub(super) fn incomplete() -> Failure {
    Failure::unavailable("Astro's list of environment objects ended before all of them were there")
}

/// The failure for a listing without end.
pub(super) fn too_many() -> Failure {
    lasting(
        FailureKind::Unavailable,
        "Astro lists more than 100,000 environment objects, the most that are read",
    )
}
