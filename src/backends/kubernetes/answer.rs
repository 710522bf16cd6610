//! What the API server's answers mean. Their texts are never shown: they may contain what was sent.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    Response,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;

use crate::{Failure, Secret, backend::FailureKind};

/// What a list of secrets gave.
#[derive(Debug)]
pub(super) enum Reading {
    /// A secret, or none, for each id.
    Secrets(HashMap<String, Held>),
    /// The API server does not accept the token.
    TokenRefused(Failure),
    /// The answer is longer than any that is read.
    TooLong(Failure),
}

/// The secret that has an id.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) name: String,
    /// `None` where it does not have the data key.
    pub(super) value: Option<Result<Secret, Failure>>,
}

/// What is looked for in a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The label whose value is the id.
    pub(super) label: &'a str,
    pub(super) data_key: &'a str,
    pub(super) namespace: &'a str,
}

/// <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/>.
#[derive(Deserialize)]
struct SecretList<'a> {
    kind: &'a str,
    metadata: Option<ListMetadata>,
    #[serde(borrow)]
    items: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
struct ListMetadata {
    /// Where the rest of the list begins. No API server cuts a list that is asked for without a limit.
    r#continue: Option<String>,
}

#[derive(Deserialize)]
struct Item<'a> {
    metadata: Metadata,
    #[serde(borrow)]
    data: Option<BTreeMap<String, Option<Encoded<'a>>>>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    labels: Option<BTreeMap<String, String>>,
}

/// Base64, not copied.
#[derive(Deserialize)]
struct Encoded<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the answer to a list of secrets.
///
/// # Errors
/// When it is not such a list.
pub(super) fn read(answer: &Response<Bytes>, place: Place<'_>) -> Result<Reading, Failure> {
    match answer.status().as_u16() {
        200 => found(answer.body(), place).map(Reading::Secrets),
        401 => Ok(Reading::TokenRefused(lasting(
            FailureKind::AccessDenied,
            "the API server refused the credentials (HTTP 401): check that the token has not expired and \
             belongs to this cluster",
        ))),
        status => Err(refused(status, answer.headers(), place.namespace)),
    }
}

/// The first secret, by name, of each id.
fn found(body: &[u8], place: Place<'_>) -> Result<HashMap<String, Held>, Failure> {
    let list = serde_json::from_slice::<SecretList<'_>>(body).ok();
    let list = list.filter(|list| list.kind == "SecretList");
    let list = list.ok_or_else(|| not_kubernetes(200))?;
    let rest = list.metadata.and_then(|metadata| metadata.r#continue);
    if rest.is_some_and(|rest| !rest.is_empty()) {
        return Err(lasting(
            FailureKind::Unavailable,
            "the answer is a part of the list of secrets, though all of it was asked for: check the proxy",
        ));
    }
    let mut items = list.items;
    let items = items.get_or_insert_default();
    items.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let mut held = HashMap::new();
    for item in items {
        let labels = item.metadata.labels.as_ref();
        let Some(id) = labels.and_then(|labels| labels.get(place.label)) else {
            continue;
        };
        if let Some(Held { name, .. }) = held.get(id) {
            tracing::warn!(
                "namespace {}: several secrets have the label {}={id}; the first by name, {name}, is used, \
                 and {} is not: remove the label from one of them",
                place.namespace,
                place.label,
                item.metadata.name
            );
            continue;
        }
        let value = item.data.as_ref().and_then(|data| data.get(place.data_key));
        let one = Held {
            name: item.metadata.name.clone(),
            value: value.map(|value| text(value.as_ref())),
        };
        held.insert(id.clone(), one);
    }
    Ok(held)
}

fn text(encoded: Option<&Encoded<'_>>) -> Result<Secret, Failure> {
    let invalid = |what: &str| {
        let message = format!("the value {what}: write it anew");
        lasting(FailureKind::InvalidValue, message)
    };
    let Some(Encoded(encoded)) = encoded else {
        return Err(invalid("is null"));
    };
    let bytes = STANDARD.decode(encoded.as_bytes());
    let bytes = bytes.map_err(|_| invalid("is not base64"))?;
    let text = String::from_utf8(bytes);
    text.map(Secret::from).map_err(|_| invalid("is not UTF-8"))
}

fn lasting(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, message).with_transient(false)
}

/// A failure that may pass. `headers` may say after how long.
fn passing(headers: &HeaderMap, message: impl Into<String>) -> Failure {
    let failure = Failure::unavailable(message);
    let after = headers
        .get(RETRY_AFTER)
        .and_then(|after| after.to_str().ok());
    match after.and_then(|after| after.parse().ok()) {
        Some(seconds) => failure.with_retry_after(Duration::from_secs(seconds)),
        None => failure,
    }
}

fn refused(status: u16, headers: &HeaderMap, namespace: &str) -> Failure {
    match status {
        403 => lasting(
            FailureKind::AccessDenied,
            format!(
                "denied: this account may not list the secrets of namespace {namespace}: give it a Role \
                 with the verb list on secrets, by a RoleBinding in that namespace"
            ),
        ),
        400 => lasting(
            FailureKind::Configuration,
            "the API server refused the request as invalid (HTTP 400): check the labels",
        ),
        404 => lasting(
            FailureKind::Unavailable,
            "the API server has no secrets at this address (HTTP 404): check the server of the kubeconfig",
        ),
        410 => passing(
            headers,
            "the API server no longer holds the state that was asked for (HTTP 410)",
        ),
        429 => passing(headers, "the API server throttles (HTTP 429)"),
        500.. => passing(
            headers,
            format!("the API server cannot answer (HTTP {status})"),
        ),
        _ => not_kubernetes(status),
    }
}

/// The failure for an answer that does not have the form of an API server's.
fn not_kubernetes(status: u16) -> Failure {
    lasting(
        FailureKind::Unavailable,
        format!(
            "the answer is not one of an API server (HTTP {status}): check the address and the proxy"
        ),
    )
}
