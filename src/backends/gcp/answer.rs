//! What Secret Manager's answers mean, and what went wrong where there is none. The texts of
//! answers are never shown: they are someone else's words, and may hold what we sent.

use std::{
    error::Error as StdError,
    time::{Duration, SystemTime},
};

use google_cloud_auth::errors::CredentialsError;
use google_cloud_gax::error::{
    Error,
    rpc::{Code, Status, StatusDetails},
};
use google_cloud_secretmanager_v1::model::AccessSecretVersionResponse;
use http::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::{Failure, FailureKind, Secret, backends::retry::Trouble};

/// How far two clocks may be apart; Google takes no token beyond about that.
const TOLERATED_SKEW: Duration = Duration::from_secs(300);

/// What a read came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Found(Secret),
    /// As good as not there, as in Airflow.
    Missing(Missing),
}

/// How a secret is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Absent,
    Denied,
    ServiceDisabled,
    InvalidArgument,
}

impl Missing {
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Absent => None,
            Self::Denied => Some(
                "permission denied: without secretmanager.versions.access (the role Secret \
                 Manager Secret Accessor) there is no telling whether it exists",
            ),
            Self::ServiceDisabled => {
                Some("permission denied: the Secret Manager API is not enabled in this project")
            }
            Self::InvalidArgument => {
                Some("invalid argument: no secret can have this name, or no project this id")
            }
        }
    }
}

fn lasting(kind: FailureKind, message: impl Into<String>) -> Trouble {
    Trouble::lasting(Failure::new(kind, message))
}

fn transient(message: impl Into<String>) -> Trouble {
    Trouble::transient(Failure::unavailable(message))
}

/// Reads what was answered to a read of a version.
///
/// # Errors
/// When it is no secret's text, and not that there is none.
pub(super) fn read(answer: Result<AccessSecretVersionResponse, Error>) -> Result<Reading, Trouble> {
    let payload = match answer {
        Ok(response) => response.payload.unwrap_or_default(),
        Err(error) => return not_read(&error),
    };
    let sum = i64::from(crc32c::crc32c(&payload.data));
    if payload.data_crc32c.is_some_and(|sent| sent != sum) {
        return Err(transient(
            "the payload was damaged on its way: its checksum is another",
        ));
    }
    match std::str::from_utf8(&payload.data) {
        Ok(text) => Ok(Reading::Found(text.into())),
        Err(_) => Err(lasting(
            FailureKind::InvalidValue,
            "the payload is not UTF-8",
        )),
    }
}

fn not_read(error: &Error) -> Result<Reading, Trouble> {
    if error.is_authentication() {
        return Err(no_token(error));
    }
    let Some(http_status) = error.http_status_code() else {
        return Err(no_answer(error));
    };
    let Some(status) = error.status().filter(|status| status.code != Code::Unknown) else {
        return Err(not_google(http_status, error));
    };
    let missing = match status.code {
        Code::NotFound => Missing::Absent,
        Code::PermissionDenied if is_disabled(status) => Missing::ServiceDisabled,
        Code::PermissionDenied => Missing::Denied,
        Code::InvalidArgument => Missing::InvalidArgument,
        _ => return Err(refused(status, error)),
    };
    Ok(Reading::Missing(missing))
}

/// Whether the project has never used Secret Manager.
fn is_disabled(status: &Status) -> bool {
    status.details.iter().any(|detail| {
        matches!(detail, StatusDetails::ErrorInfo(info) if info.reason == "SERVICE_DISABLED")
    })
}

fn refused(status: &Status, error: &Error) -> Trouble {
    let code = status.code.name();
    match status.code {
        Code::FailedPrecondition => {
            let state = ["DISABLED", "DESTROYED"]
                .into_iter()
                .find(|state| status.message.contains(state))
                .map_or("disabled or destroyed".to_owned(), str::to_lowercase);
            lasting(
                FailureKind::InvalidValue,
                format!("its latest version is {state}: enable it, or add a version"),
            )
        }
        Code::Unauthenticated => lasting(FailureKind::AccessDenied, unauthenticated(error)),
        Code::ResourceExhausted => Trouble {
            retry_after: error.http_headers().and_then(retry_after),
            ..transient("Secret Manager throttles: a quota is used up")
        },
        Code::Unavailable | Code::Internal | Code::DeadlineExceeded | Code::Aborted => Trouble {
            retry_after: error.http_headers().and_then(retry_after),
            ..transient(format!("Secret Manager is not able to answer ({code})"))
        },
        _ => lasting(
            FailureKind::Unavailable,
            format!("Secret Manager did not take the request ({code})"),
        ),
    }
}

fn unauthenticated(error: &Error) -> String {
    let skew = error.http_headers().and_then(clock_skew);
    match skew {
        Some(skew) => format!(
            "the credentials are not taken: this machine's clock is {} minutes {} Google's",
            skew.by.as_secs() / 60,
            if skew.is_ahead { "ahead of" } else { "behind" },
        ),
        None => "the credentials are not taken: the key may be deleted or disabled, or not be of \
                 the account that the file names"
            .to_owned(),
    }
}

struct Skew {
    by: Duration,
    is_ahead: bool,
}

/// How far our clock is from the one that wrote the answer, where that is too far.
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

/// An answer without Google's own words: a proxy's, or one from a service that is overloaded.
fn not_google(http_status: u16, error: &Error) -> Trouble {
    match http_status {
        429 | 500.. => Trouble {
            retry_after: error.http_headers().and_then(retry_after),
            ..transient(format!(
                "Secret Manager is not able to answer (HTTP {http_status})"
            ))
        },
        401 => lasting(FailureKind::AccessDenied, unauthenticated(error)),
        _ => lasting(
            FailureKind::Configuration,
            format!(
                "the answer is not one of Secret Manager's (HTTP {http_status}): check the \
                 endpoint, and what stands before it"
            ),
        ),
    }
}

/// An attempt had its time.
pub(super) fn not_in_time(awaited: &str) -> Trouble {
    transient(format!("no {awaited} in time"))
}

/// Nothing came back that could be read.
fn no_answer(error: &Error) -> Trouble {
    if error.is_deserialization() {
        return lasting(
            FailureKind::Unavailable,
            "the answer is not one of Secret Manager's: check the endpoint, and what stands \
             before it",
        );
    }
    let cause = root_cause(error);
    if let Some(message) = no_trust("Secret Manager", &cause) {
        return lasting(FailureKind::Unavailable, message);
    }
    if error.is_timeout() {
        return not_in_time("answer from Secret Manager");
    }
    transient(format!("no answer from Secret Manager: {cause}"))
}

/// What to say where `cause` is a certificate of `whom`.
fn no_trust(whom: &str, cause: &str) -> Option<String> {
    let is_certificate = cause.to_lowercase().contains("certificate");
    is_certificate.then(|| {
        format!(
            "no trust between us and {whom} ({cause}): check the machine's authorities, or \
             SSL_CERT_FILE"
        )
    })
}

/// There is no token to ask with.
fn no_token(error: &Error) -> Trouble {
    let credentials = source_of::<CredentialsError>(error);
    let is_transient = credentials.is_some_and(CredentialsError::is_transient);
    let status = http_status(error);
    if !is_transient {
        let answer = status.map_or(String::new(), |status| format!(" (HTTP {status})"));
        return lasting(
            FailureKind::AccessDenied,
            format!(
                "there is no token to be had with these credentials{answer}: check that they are \
                 still valid, that the account may be impersonated, and this machine's clock"
            ),
        );
    }
    let cause = root_cause(error);
    let cause = match (status, no_trust("Google's token service", &cause)) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, Some(no_trust)) => no_trust,
        (None, None) => cause,
    };
    // Google's library has tried again already.
    lasting(
        FailureKind::Unavailable,
        format!("there is no token to be had now: {cause}"),
    )
}

/// The HTTP status that lies below `error`.
fn http_status(error: &Error) -> Option<u16> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let of_gax = error
            .downcast_ref::<Error>()
            .and_then(Error::http_status_code);
        let of_reqwest = || {
            let error = error.downcast_ref::<reqwest::Error>()?;
            error.status().map(|status| status.as_u16())
        };
        if let Some(status) = of_gax.or_else(of_reqwest) {
            return Some(status);
        }
        cause = error.source();
    }
    None
}

fn source_of<T: StdError + 'static>(error: &Error) -> Option<&T> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// What lies at the bottom of `error`, in the words of the system or of TLS. A text of Google's
/// library itself may hold an answer, and is not shown.
fn root_cause(error: &Error) -> String {
    let mut cause = error.source();
    let mut words = None;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            words = Some(error.to_string());
        }
        cause = error.source();
    }
    words.unwrap_or_else(|| "the connection failed".to_owned())
}
