//! What Key Vault's answers mean. Their codes are matched here and their texts never shown: a
//! message of ours never holds a response body.

use azure_core::{
    Error,
    error::ErrorKind,
    http::{RawResponse, StatusCode},
};
use serde::Deserialize;

use super::wire;
use crate::{Failure, FailureKind, Secret};

/// What a read found.
pub(super) enum Answer {
    Found(Secret),
    /// Not there, and why where there is more to say.
    Missing(Option<&'static str>),
}

/// Why there is no secret.
pub(super) enum Problem {
    NotFound,
    Failed(Failure),
}

/// The error that Key Vault's REST reference describes: `{"error": {"code", "innererror"}}`.
#[derive(Deserialize, Default)]
struct Envelope {
    #[serde(default)]
    error: Problems,
}

#[derive(Deserialize, Default)]
struct Problems {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default, rename = "innererror")]
    inner: Option<Box<Problems>>,
}

/// A secret that Key Vault gave; one without a value is as good as none.
pub(super) fn value(value: Option<String>) -> Answer {
    match value {
        Some(value) => Answer::Found(value.into()),
        None => Answer::Missing(Some("it has no value")),
    }
}

/// An answer that is no secret.
pub(super) fn unreadable() -> Failure {
    Failure::invalid_value("the answer cannot be read: it is not UTF-8, or not one of Key Vault's")
}

/// What `error`, which reading a secret of `vault` ended with, means.
pub(super) fn classify(error: &Error, vault: &str) -> Problem {
    if let Some(failure) = own_failure(error) {
        return Problem::Failed(failure);
    }
    match error.kind() {
        ErrorKind::HttpResponse {
            status: StatusCode::NotFound,
            ..
        } => Problem::NotFound,
        ErrorKind::HttpResponse {
            status,
            raw_response,
            ..
        } => Problem::Failed(refused(*status, raw_response.as_deref(), vault)),
        _ if has_lost_its_token(error) => Problem::Failed(Failure::unavailable(format!(
            "the Key Vault {vault} challenges again and again"
        ))),
        ErrorKind::Io | ErrorKind::Connection => Problem::Failed(Failure::unavailable(format!(
            "the Key Vault {vault} gave no whole answer"
        ))),
        // All that is left is a challenge that is none, or that names another audience.
        _ => Problem::Failed(Failure::configuration(format!(
            "{vault} does not ask for a token as a Key Vault of that name does: check \
                 \"vault_url\", or set \"verify_challenge_resource\" to false where the vault has \
                 a name of its own"
        ))),
    }
}

/// Whether the SDK had a token and lost it before it was sent: each challenge to a lookup makes it
/// forget the one token, and it may be another's, just come by.
pub(super) fn has_lost_its_token(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Credential) && own_failure(error).is_none()
}

/// The failure of ours that the SDK carried along.
pub(super) fn own_failure(error: &Error) -> Option<Failure> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(failure.clone());
        }
        cause = error.source();
    }
    None
}

fn refused(status: StatusCode, response: Option<&RawResponse>, vault: &str) -> Failure {
    let body = response.map(|response| response.body().as_ref());
    let envelope = body.and_then(|body| serde_json::from_slice::<Envelope>(body).ok());
    let error = envelope.unwrap_or_default().error;
    let inner = error.inner.as_ref().map_or("", |inner| inner.code.as_str());
    let (kind, message) = match u16::from(status) {
        401 if error.message.contains("AKV10032") => (
            FailureKind::AccessDenied,
            format!(
                "the Key Vault {vault} belongs to another tenant than the token: check \
                 \"tenant_id\" or AZURE_TENANT_ID"
            ),
        ),
        401 => (
            FailureKind::AccessDenied,
            format!(
                "the Key Vault {vault} does not take the token: check the tenant, and the clock \
                 of this machine"
            ),
        ),
        403 if error.message.contains("disabled secret") => {
            (FailureKind::AccessDenied, forbidden("SecretDisabled"))
        }
        403 => (FailureKind::AccessDenied, forbidden(inner)),
        429 => return wire::throttled(vault, None),
        408 | 500..=599 => (
            FailureKind::Unavailable,
            format!("the Key Vault {vault} is not able to answer (HTTP {status})"),
        ),
        _ => (
            FailureKind::Configuration,
            format!(
                "{vault} did not take the request (HTTP {status}): check \"vault_url\" and \
                 \"api_version\""
            ),
        ),
    };
    Failure::new(kind, message)
}

/// What Key Vault refuses, from the inner code of its error.
fn forbidden(code: &str) -> String {
    let why = match code {
        "SecretDisabled" => "the secret, or its latest version, is disabled: enable it",
        "SecretNotYetValid" => "the secret is not valid yet",
        "SecretExpired" => "the secret is expired",
        "ForbiddenByFirewall" => "the vault's firewall does not let this machine in",
        "ForbiddenByConnection" => "the vault wants to be asked over its private link",
        _ => {
            "this identity may not read the vault's secrets: give it the role Key Vault Secrets \
             User, or an access policy with Get"
        }
    };
    format!("denied: {why}")
}
