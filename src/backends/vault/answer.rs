//! What Vault's answers mean. Their texts are matched here and never shown: a message of ours
//! never holds a response body.

use std::{borrow::Cow, collections::HashMap};

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::Document;
use crate::{Failure, Secret};

/// Which version of the KV secrets engine is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvVersion {
    /// KV version 1: no versions, one document a path.
    V1,
    /// KV version 2: versioned documents, read below `data/`.
    #[default]
    V2,
}

/// What Vault wraps around everything. Fields that are not read here are passed over.
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

/// Whether one of the errors in `body` says `text`.
pub(super) fn says(body: &[u8], text: &str) -> bool {
    Envelope::read(body).is_some_and(|envelope| envelope.says(text))
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
    /// Nothing there, and no more is said.
    Absent,
    /// It was there once.
    Deleted,
    /// It was there once and cannot be brought back.
    Destroyed,
    /// No engine is mounted there.
    NoMount,
    /// There is no such namespace.
    NoNamespace,
    /// The mount is version 2 and was read as version 1.
    MountIsV2,
    /// The mount is version 1 and was read as version 2.
    MountIsV1,
}

impl Missing {
    pub(super) fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Absent => return None,
            Self::Deleted => "its latest version is deleted",
            Self::Destroyed => "its latest version is destroyed",
            Self::NoMount => "no secrets engine is mounted there: check \"mount_point\"",
            Self::NoNamespace => "there is no such namespace: check \"namespace\"",
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
/// When it is not what Vault answers to such a request.
pub(super) fn reading(
    version: KvVersion,
    status: StatusCode,
    body: &[u8],
) -> Result<Reading, Failure> {
    let envelope = Envelope::read(body).ok_or_else(not_vault)?;
    if status == StatusCode::NOT_FOUND {
        return Ok(Reading::Missing(missing(version, &envelope)));
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

/// A document as KV version 2 gives it: `data` is `null` where the version is deleted.
#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: Metadata,
}

fn document_of_v2(data: &RawValue) -> Result<Option<&RawValue>, Failure> {
    match serde_json::from_str::<Versioned<'_>>(data.get()) {
        Ok(versioned) => Ok(versioned.data),
        Err(_) => Err(invalid(
            "this is no KV version 2 document: the mount is read as version 2 and seems to be \
             version 1; set \"kv_engine_version\" to 1",
        )),
    }
}

fn missing(version: KvVersion, envelope: &Envelope<'_>) -> Missing {
    if envelope.says("no handler for route") || envelope.says("route entry not found") {
        return Missing::NoMount;
    }
    if envelope.says("namespace not found") {
        return Missing::NoNamespace;
    }
    if version == KvVersion::V1 && envelope.says("versioned K/V") {
        return Missing::MountIsV2;
    }
    let versioned = envelope
        .data
        .and_then(|data| serde_json::from_str::<Versioned<'_>>(data.get()).ok());
    match versioned {
        Some(versioned) if versioned.metadata.destroyed => Missing::Destroyed,
        Some(_) => Missing::Deleted,
        None => Missing::Absent,
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
    pub(super) client_token: String,
    /// In seconds; 0 is for ever.
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
    /// How many requests the token is good for; 0 is any number.
    #[serde(default)]
    pub(super) num_uses: u64,
}

/// Reads the answer to a login or a renewal.
///
/// # Errors
/// When there is no token in it.
pub(super) fn auth(body: &[u8]) -> Result<Auth, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        auth: Auth,
    }
    let envelope = serde_json::from_slice::<Envelope>(body).map_err(|_| not_vault())?;
    Ok(envelope.auth)
}

/// The `secret_id` that a wrapping token held, from the answer to its unwrapping.
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

fn not_vault() -> Failure {
    Failure::unavailable(
        "the answer is not one of Vault's: check that \"url\" is Vault's, and not that of a \
         proxy or a login page before it",
    )
}
