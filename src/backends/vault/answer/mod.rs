//! What Vault's answers mean. Their texts are matched here and never shown: no message contains a
//! response body.

pub(super) mod document;

use std::{borrow::Cow, collections::HashMap};

use http::StatusCode;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

use self::document::Document;
use crate::{Failure, Secret};

/// Which version of the KV secrets engine is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KvVersion {
    /// KV version 1: no versions, one document a path.
    V1,
    /// KV version 2: versioned documents, read below `data/`.
    #[default]
    V2,
}

/// The members of every answer that are read here.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    errors: Option<Vec<String>>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Whether an error or a warning says `text`.
    fn says(&self, text: &str) -> bool {
        let errors = self.errors.iter().flatten();
        let warnings = self.warnings.iter().flatten();
        errors.chain(warnings).any(|line| line.contains(text))
    }
}

/// Whether `body` is an error of Vault's, and not of a proxy or gateway before it.
pub(super) fn is_error(body: &[u8]) -> bool {
    Envelope::read(body).is_some_and(|envelope| envelope.errors.is_some())
}

/// Whether one of the errors or warnings in `body` says `text`.
pub(super) fn says(body: &[u8], text: &str) -> bool {
    Envelope::read(body).is_some_and(|envelope| envelope.says(text))
}

/// Why Vault refused a request with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// The token is unknown, revoked, expired or used up.
    Token,
    /// The token's policies do not allow the path.
    Path,
    /// The answer does not tell.
    Unknown,
    /// The answer is not one of Vault's.
    NotVaults,
}

/// Reads the answer of a 403.
pub(super) fn denial(body: &[u8]) -> Denial {
    let Some(errors) = Envelope::read(body).and_then(|envelope| envelope.errors) else {
        return Denial::NotVaults;
    };
    let any = |is_it: fn(&str) -> bool| errors.iter().any(|error| is_it(error));
    if any(|error| error == "permission denied" || error.contains("invalid token")) {
        return Denial::Token;
    }
    if any(|error| error.contains("1 error occurred") && error.contains("permission denied")) {
        return Denial::Path;
    }
    Denial::Unknown
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Document(Document),
    Missing(Missing),
}

/// How a document is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is none; the answer says no more.
    Absent,
    /// Its latest version is deleted.
    Deleted,
    /// Its latest version is destroyed.
    Destroyed,
    /// No engine is mounted at the path.
    NoMount,
    /// The namespace does not exist.
    NoNamespace,
    /// The mount is version 2 and was read as version 1.
    MountIsV2,
    /// The mount is version 1 and was read as version 2.
    MountIsV1,
}

impl Missing {
    /// Whether a wrong path in a setting results in this.
    pub(super) fn may_be_a_mistake(self) -> bool {
        matches!(self, Self::Absent | Self::NoMount)
    }

    /// Whether a setting must be wrong, so that no document can be found.
    pub(super) fn is_of_settings(self) -> bool {
        matches!(
            self,
            Self::NoMount | Self::NoNamespace | Self::MountIsV1 | Self::MountIsV2
        )
    }

    pub(super) fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Absent => return None,
            Self::Deleted => "its latest version is deleted",
            Self::Destroyed => "its latest version is destroyed",
            Self::NoMount => "no secrets engine is mounted there: check \"mount_point\"",
            Self::NoNamespace => "the namespace does not exist: check \"namespace\"",
            Self::MountIsV2 => {
                "the mount is KV version 2 and is read as version 1: set \"kv_engine_version\" to 2"
            }
            Self::MountIsV1 => {
                "the mount is KV version 1 and is read as version 2: set \"kv_engine_version\" to 1"
            }
        })
    }
}

/// Reads the answer to a `GET` of a document: 200 or 404.
///
/// # Errors
/// When it is not what Vault answers to such a request. A 404 of Vault's has `errors`, `warnings` or
/// the `data` of a deleted version; that of a proxy or gateway does not say that the document is missing.
pub(super) fn reading(
    version: KvVersion,
    status: StatusCode,
    body: &[u8],
) -> Result<Reading, Failure> {
    let envelope = Envelope::read(body).ok_or_else(not_vault)?;
    if status == StatusCode::NOT_FOUND {
        return missing(version, &envelope)
            .map(Reading::Missing)
            .ok_or_else(not_vault);
    }
    let data = envelope.data.ok_or_else(not_vault)?;
    let document = match version {
        KvVersion::V1 => Some(data),
        KvVersion::V2 => document_of_v2(data)?,
    };
    match document {
        Some(document) => Document::new(document.get())
            .map(Reading::Document)
            .ok_or_else(|| invalid("the document is not a JSON object")),
        None => Ok(Reading::Missing(Missing::Absent)),
    }
}

/// What KV version 2 keeps about a document.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    destroyed: bool,
}

/// A document as KV version 2 gives it: `data` is `null` where the version is deleted. Vault always
/// sends `metadata`; like Airflow, we read a document without.
#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: Option<Metadata>,
}

fn document_of_v2(data: &RawValue) -> Result<Option<&RawValue>, Failure> {
    match serde_json::from_str::<Versioned<'_>>(data.get()) {
        Ok(Versioned { data, metadata }) if data.is_some() || metadata.is_some() => Ok(data),
        _ => Err(invalid(
            "the answer is not a KV version 2 document: the mount seems to be KV version 1; set \
             \"kv_engine_version\" to 1",
        )),
    }
}

/// How a document is missing, from a 404; `None` where the answer is not one of Vault's.
fn missing(version: KvVersion, envelope: &Envelope<'_>) -> Option<Missing> {
    if envelope.says("no handler for route") || envelope.says("route entry not found") {
        return Some(Missing::NoMount);
    }
    if envelope.says("namespace not found") {
        return Some(Missing::NoNamespace);
    }
    if version == KvVersion::V1 && envelope.says("versioned K/V") {
        return Some(Missing::MountIsV2);
    }
    let deleted = envelope.data.and_then(|data| {
        serde_json::from_str::<Versioned<'_>>(data.get())
            .ok()?
            .metadata
    });
    match deleted {
        Some(metadata) if metadata.destroyed => Some(Missing::Destroyed),
        Some(_) => Some(Missing::Deleted),
        None if envelope.errors.is_some() || envelope.warnings.is_some() => Some(Missing::Absent),
        None => None,
    }
}

/// The KV version of a mount, from the answer to `sys/internal/ui/mounts/…`.
pub(super) fn mount_version(body: &[u8]) -> Option<KvVersion> {
    #[derive(Deserialize)]
    struct Mount<'a> {
        #[serde(borrow, rename = "type")]
        engine: Cow<'a, str>,
        #[serde(default)]
        options: Option<HashMap<String, String>>,
    }
    let mount = serde_json::from_str::<Mount<'_>>(Envelope::read(body)?.data?.get()).ok()?;
    let version = mount.options.unwrap_or_default().remove("version");
    match (mount.engine.as_ref(), version.as_deref()) {
        ("kv", Some("2")) => Some(KvVersion::V2),
        ("kv" | "generic", _) => Some(KvVersion::V1),
        _ => None,
    }
}

/// The token and its lease, from the answer to a login or a renewal.
#[derive(Deserialize)]
pub(super) struct Auth {
    /// Empty where Vault gives none.
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) client_token: String,
    /// In seconds; 0 means that it does not end.
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
    /// How many requests the token may be used for; 0 means any number.
    #[serde(default)]
    pub(super) num_uses: u64,
    /// What else Vault asks for before it gives a token.
    #[serde(default)]
    mfa_requirement: Option<IgnoredAny>,
}

fn or_empty<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    Option::deserialize(text).map(Option::unwrap_or_default)
}

/// Reads the answer to a login or a renewal.
///
/// # Errors
/// When it contains no token.
pub(super) fn auth(body: &[u8]) -> Result<Auth, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        auth: Option<Auth>,
        #[serde(default)]
        wrap_info: Option<IgnoredAny>,
    }
    let envelope = serde_json::from_slice::<Envelope>(body).map_err(|_| not_vault())?;
    let Some(auth) = envelope.auth else {
        return Err(match envelope.wrap_info {
            Some(_) => Failure::access_denied(
                "Vault wrapped the token: a policy demands response wrapping for this login, which is \
                 not offered",
            ),
            None => not_vault(),
        });
    };
    match auth {
        auth if !auth.client_token.is_empty() => Ok(auth),
        auth if auth.mfa_requirement.is_some() => Err(Failure::access_denied(
            "Vault gave no token: it requires multi-factor authentication (MFA) for this login; use a \
             login that Vault does not require MFA for, such as \"approle\"",
        )),
        _ => Err(Failure::access_denied(
            "Vault gave an empty token: check the login method and its role",
        )),
    }
}

/// The `secret_id` in the answer to the unwrapping of a wrapping token.
pub(super) fn unwrapped_secret_id(body: &[u8]) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Data {
        secret_id: String,
    }
    let data = serde_json::from_str::<Data>(Envelope::read(body)?.data?.get()).ok()?;
    Some(data.secret_id.into())
}

fn invalid(message: &str) -> Failure {
    Failure::invalid_value(message)
}

pub(super) fn not_vault() -> Failure {
    Failure::unavailable(
        "the answer is not one of Vault's: check that \"url\" is Vault's, and not that of a \
         proxy, gateway or login page before it (VAULT-23)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_403_is_the_tokens_fault_or_the_paths_by_its_errors() {
        for (body, expected) in [
            (r#"{"errors":["permission denied"]}"#, Denial::Token),
            (
                r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#,
                Denial::Token,
            ),
            (
                r#"{"errors":["permission denied", "invalid token"]}"#,
                Denial::Token,
            ),
            (
                r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#,
                Denial::Path,
            ),
            (r#"{"errors":[]}"#, Denial::Unknown),
            (
                r#"{"errors":["preflight capability check returned 403"]}"#,
                Denial::Unknown,
            ),
            (r#"{"message":"permission denied"}"#, Denial::NotVaults),
            ("<html>403</html>", Denial::NotVaults),
            ("", Denial::NotVaults),
        ] {
            assert_eq!(denial(body.as_bytes()), expected, "{body}");
        }
    }
}
