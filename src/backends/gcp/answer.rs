//! What Secret Manager's answers mean. Their texts are never shown: they may contain what was sent.

use std::time::{Duration, SystemTime};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{
    Response,
    header::{DATE, HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{Failure, Secret, backend::FailureKind};

/// How far two clocks may be apart. Google refuses tokens beyond about that.
const TOLERATED_SKEW: Duration = Duration::from_secs(300);

/// The base64 of JSON, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What reading a secret gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Found(Secret),
    Missing,
    /// Google does not accept the token.
    TokenRefused(Failure),
}

/// Why a secret is missing: Google's answer is the same for both.
pub(super) const MISSING: &str = "the secret does not exist, or has no enabled version";

/// A version of a secret:
/// <https://cloud.google.com/secret-manager/docs/reference/rest/v1/AccessSecretVersionResponse>.
#[derive(Deserialize)]
struct Version {
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    /// Left out where it is empty.
    #[serde(default)]
    data: String,
    /// A number as text.
    data_crc32c: Option<Value>,
}

/// An error of Google's: <https://google.aip.dev/193>.
#[derive(Deserialize)]
struct Envelope {
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Value>,
}

impl Problem {
    /// The reason that Google gives for a program to read.
    fn reason(&self) -> &str {
        self.details
            .iter()
            .find_map(|detail| detail.get("reason")?.as_str())
            .unwrap_or_default()
    }
}

fn lasting(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, message).with_transient(false)
}

/// A failure that may pass. `headers` may say after how long.
fn passing(headers: &HeaderMap, message: impl Into<String>) -> Failure {
    let failure = Failure::unavailable(message);
    match retry_after(headers) {
        Some(pause) => failure.with_retry_after(pause),
        None => failure,
    }
}

/// Reads the answer to a read of a version.
///
/// # Errors
/// When it is neither a secret's text nor *not found*.
pub(super) fn read(answer: &Response<Bytes>) -> Result<Reading, Failure> {
    let status = answer.status().as_u16();
    if status == 200 {
        return found(answer.body()).map(Reading::Found);
    }
    let headers = answer.headers();
    let Ok(Envelope { error }) = serde_json::from_slice(answer.body()) else {
        return Err(not_google(status, headers));
    };
    match (status, error.status.as_str()) {
        (404, "NOT_FOUND") => Ok(Reading::Missing),
        (401, "UNAUTHENTICATED") => {
            let failure = lasting(FailureKind::AccessDenied, unauthenticated(headers));
            Ok(Reading::TokenRefused(failure))
        }
        _ => Err(refused(status, &error, headers)),
    }
}

fn found(body: &[u8]) -> Result<Secret, Failure> {
    let Ok(Version { payload }) = serde_json::from_slice(body) else {
        return Err(not_google(200, &HeaderMap::new()));
    };
    let data = BASE64.decode(Secret::from(payload.data).expose());
    let data = data.map_err(|_| not_google(200, &HeaderMap::new()))?;
    let sum = match &payload.data_crc32c {
        Some(Value::String(sum)) => sum.parse().ok(),
        Some(sum) => sum.as_u64(),
        None => None,
    };
    if sum.is_some_and(|sum| sum != u64::from(crc32c::crc32c(&data))) {
        return Err(Failure::unavailable(
            "the payload was damaged on its way: its checksum does not match (GCP-20)",
        ));
    }
    let text = String::from_utf8(data);
    text.map(Secret::from)
        .map_err(|_| lasting(FailureKind::InvalidValue, "the payload is not UTF-8"))
}

fn refused(http_status: u16, problem: &Problem, headers: &HeaderMap) -> Failure {
    match problem.status.as_str() {
        "PERMISSION_DENIED" => lasting(FailureKind::AccessDenied, denied(problem.reason())),
        "FAILED_PRECONDITION" => failed_precondition(&problem.message),
        "RESOURCE_EXHAUSTED" => passing(headers, "Secret Manager throttles: a quota is used up"),
        "INVALID_ARGUMENT" => lasting(
            FailureKind::Configuration,
            "Secret Manager refused the request as invalid: check \"project_id\" and the location",
        ),
        code @ ("UNAVAILABLE" | "INTERNAL" | "DEADLINE_EXCEEDED" | "ABORTED") => {
            passing(headers, format!("Secret Manager cannot answer ({code})"))
        }
        code @ ("NOT_FOUND" | "UNAUTHENTICATED" | "UNIMPLEMENTED" | "OUT_OF_RANGE"
        | "CANCELLED" | "ALREADY_EXISTS" | "DATA_LOSS" | "UNKNOWN") => lasting(
            FailureKind::Unavailable,
            format!("Secret Manager refused the request (HTTP {http_status}, {code})"),
        ),
        _ => not_google(http_status, headers),
    }
}

fn denied(reason: &str) -> &'static str {
    match reason {
        "SERVICE_DISABLED" => {
            "denied: the Secret Manager API is not enabled in this project: enable it"
        }
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => {
            "denied: the token's scopes do not include cloud-platform: check \"gcp_scopes\", or the \
             access scopes of the machine"
        }
        "CONSUMER_INVALID" | "RESOURCE_PROJECT_INVALID" => {
            "denied: there is no such project: check \"project_id\""
        }
        "SECURITY_POLICY_VIOLATED" => {
            "denied: a perimeter of VPC Service Controls blocks the request"
        }
        _ => {
            "denied: this account may not read the secret, which may not exist: give it the role \
             Secret Manager Secret Accessor (secretmanager.versions.access)"
        }
    }
}

/// The precondition, from the words of Google's message where these are known.
fn failed_precondition(message: &str) -> Failure {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    for (words, state) in [
        ("DISABLED state", "disabled"),
        ("DESTROYED state", "destroyed"),
    ] {
        if has(&[words]) {
            let message = format!("its latest version is {state}: enable it, or add a version");
            return lasting(FailureKind::InvalidValue, message);
        }
    }
    if has(&["KMS", "cryptoKey", "CMEK"]) {
        return lasting(
            FailureKind::AccessDenied,
            "denied by the encryption key: check that the key in Cloud KMS is enabled, and that \
             Secret Manager's service agent may decrypt with it",
        );
    }
    if has(&["constraint", "olicy", "VPC Service Controls"]) {
        return lasting(
            FailureKind::AccessDenied,
            "denied by a policy of the organization: check its constraints",
        );
    }
    lasting(
        FailureKind::Unavailable,
        "Secret Manager cannot give the secret in its present state (FAILED_PRECONDITION): check its \
         versions, its encryption key and the organization's policies",
    )
}

fn unauthenticated(headers: &HeaderMap) -> String {
    match clock_skew(headers) {
        Some(skew) => format!(
            "Google refused the token: this machine's clock is {} minutes {} Google's",
            skew.by.as_secs() / 60,
            if skew.is_ahead { "ahead of" } else { "behind" },
        ),
        None => {
            "Google refused the token: check that the key is neither deleted nor disabled, and \
                 belongs to the account that the credential file names"
                .to_owned()
        }
    }
}

struct Skew {
    by: Duration,
    is_ahead: bool,
}

/// How far this machine's clock is from the one that wrote the answer, where that is too far.
fn clock_skew(headers: &HeaderMap) -> Option<Skew> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let (theirs, ours) = (httpdate::parse_http_date(date).ok()?, SystemTime::now());
    let skew = match ours.duration_since(theirs) {
        Ok(by) => Skew { by, is_ahead: true },
        Err(error) => Skew {
            by: error.duration(),
            is_ahead: false,
        },
    };
    Some(skew).filter(|skew| skew.by > TOLERATED_SKEW)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let after = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = after.parse().ok().map(Duration::from_secs);
    let until = || httpdate::parse_http_date(after).ok();
    seconds.or_else(|| until()?.duration_since(SystemTime::now()).ok())
}

/// The failure for an answer that does not have Google's form: that of a proxy, or of a service that is
/// overloaded.
fn not_google(http_status: u16, headers: &HeaderMap) -> Failure {
    match http_status {
        429 | 500.. => passing(
            headers,
            format!("Secret Manager cannot answer (HTTP {http_status})"),
        ),
        401 => lasting(FailureKind::AccessDenied, unauthenticated(headers)),
        _ => lasting(
            FailureKind::Unavailable,
            format!(
                "the answer is not one of Secret Manager's (HTTP {http_status}): check the endpoint \
                 and the proxy"
            ),
        ),
    }
}
