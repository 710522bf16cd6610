//! What Key Vault's answers mean. Their codes are matched here and their texts never shown: a
//! message of ours never holds a response body.

use azure_core::{
    Error,
    error::ErrorKind,
    http::{RawResponse, StatusCode},
};
use azure_security_keyvault_secrets::models::Secret as VaultSecret;
use serde::Deserialize;

use super::client::wire;
use crate::{Failure, Secret, backend::FailureKind, backends::causes::cause};

/// What reading a secret gave.
pub(super) enum Reading {
    Found(Secret),
    /// The vault has no such secret; the reason, if there is one to tell.
    Missing(Option<&'static str>),
}

/// Why reading gave no secret.
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

/// The value of the secret that Key Vault gave.
///
/// # Errors
/// When the answer is not a secret. One without a value is treated as missing.
pub(super) fn read(secret: azure_core::Result<VaultSecret>) -> Result<Reading, Failure> {
    match secret {
        Ok(VaultSecret {
            value: Some(value), ..
        }) => Ok(Reading::Found(value.into())),
        Ok(VaultSecret { id: Some(_), .. }) => Ok(Reading::Missing(Some("it has no value"))),
        _ => Err(not_key_vault(200)),
    }
}

/// The failure for an answer that does not have Key Vault's form: that of a proxy or a gateway.
fn not_key_vault(status: u16) -> Failure {
    Failure::unavailable(format!(
        "the answer is not one of Key Vault's (HTTP {status}): check \"vault_url\" and the proxy \
         (AZURE-20)"
    ))
    .with_transient(false)
}

/// What `error`, which reading a secret of `vault` ended with, means.
pub(super) fn classify(error: &Error, vault: &str) -> Problem {
    if let Some(failure) = own_failure(error) {
        return Problem::Failed(failure);
    }
    match error.kind() {
        ErrorKind::HttpResponse {
            status,
            raw_response,
            ..
        } => refused(*status, raw_response.as_deref(), vault),
        _ if has_lost_its_token(error) => Problem::Failed(Failure::unavailable(format!(
            "the Key Vault {vault} asks for a new token at each request, and refuses the token that it \
             is given"
        ))),
        ErrorKind::Io | ErrorKind::Connection => Problem::Failed(Failure::unavailable(format!(
            "the answer of the Key Vault {vault} broke off"
        ))),
        // All that is left is an invalid challenge, or one that names another audience.
        _ => Problem::Failed(Failure::configuration(format!(
            "the challenge of {vault} is invalid, or names another audience: check \"vault_url\", or \
             set \"verify_challenge_resource\" to false if the vault is reached by a private name"
        ))),
    }
}

/// Whether the SDK had a token and lost it before it was sent: each challenge makes the SDK drop its
/// one token, which another lookup may just have fetched.
pub(super) fn has_lost_its_token(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Credential) && own_failure(error).is_none()
}

/// The failure of ours that the SDK carried along.
pub(super) fn own_failure(error: &Error) -> Option<Failure> {
    cause::<Failure>(error).cloned()
}

fn refused(status: StatusCode, response: Option<&RawResponse>, vault: &str) -> Problem {
    let body = response.map(|response| response.body().as_ref());
    let envelope = body.and_then(|body| serde_json::from_slice::<Envelope>(body).ok());
    let error = envelope.unwrap_or_default().error;
    match u16::from(status) {
        404 if error.code == "SecretNotFound" => Problem::NotFound,
        status => Problem::Failed(failure(status, &error, vault)),
    }
}

fn failure(status: u16, error: &Problems, vault: &str) -> Failure {
    let inner = error.inner.as_ref().map_or("", |inner| inner.code.as_str());
    let (kind, message) = match status {
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
                "the Key Vault {vault} refused the token: check the tenant and the clock of this machine"
            ),
        ),
        300..=399 | 402..=499 if error.code.is_empty() && !matches!(status, 408 | 429) => {
            return not_key_vault(status);
        }
        403 if error.message.contains("disabled secret") => {
            (FailureKind::AccessDenied, forbidden("SecretDisabled"))
        }
        403 => (FailureKind::AccessDenied, forbidden(inner)),
        404 => (
            FailureKind::Unavailable,
            format!(
                "the Key Vault {vault} refused the request (HTTP 404): check \"vault_url\" and the \
                 proxy (AZURE-20)"
            ),
        ),
        429 => return wire::throttled(vault, None),
        408 | 500..=599 => (
            FailureKind::Unavailable,
            format!("the Key Vault {vault} cannot answer (HTTP {status})"),
        ),
        _ => (
            FailureKind::Configuration,
            format!(
                "{vault} refused the request (HTTP {status}): check \"vault_url\" and \
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
        "ForbiddenByFirewall" => "the vault's firewall blocks this machine",
        "ForbiddenByConnection" => "the vault accepts requests over its private link only",
        _ => {
            "this identity may not read the vault's secrets: give it the role Key Vault Secrets \
             User, or an access policy with Get"
        }
    };
    format!("denied: {why}")
}
