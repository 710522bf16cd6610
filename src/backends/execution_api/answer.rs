//! What the Execution API's answers mean. Their texts are never shown: they may contain what was sent.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;

use crate::{Connection, Dialect, Failure, Fields, Secret, backend::FailureKind};

/// Why a variable without a value is missing.
const NULL: &str = "its value is null, which Airflow treats as absent";

/// What a request is about, as messages name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The API with its address.
    pub(super) whom: &'a str,
    /// The version that was asked for.
    pub(super) version: &'a str,
    /// The source of the token.
    pub(super) token: &'a str,
    /// How long ago the token ended, as far as it says itself.
    pub(super) ended: Option<Duration>,
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading<T> {
    Found(T),
    Missing(Option<&'static str>),
}

#[derive(Deserialize)]
struct ConnectionAnswer {
    conn_id: String,
    conn_type: Option<String>,
    host: Option<String>,
    schema: Option<String>,
    login: Option<String>,
    password: Option<String>,
    port: Option<i64>,
    extra: Option<String>,
}

#[derive(Deserialize)]
struct VariableAnswer {
    key: String,
    value: Option<String>,
}

/// A part of the list of keys.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct KeysAnswer {
    pub(super) keys: Vec<String>,
    pub(super) total_entries: usize,
}

/// An error of the server's: the reason is an object, a text or, for an invalid request, a list.
#[derive(Deserialize)]
struct Problem {
    detail: Value,
}

impl Problem {
    fn is_not_found(&self) -> bool {
        self.detail.get("reason").and_then(Value::as_str) == Some("not_found")
    }
}

fn lasting(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, message).with_transient(false)
}

/// Whether the token, or what it may do, was refused.
pub(super) fn is_denial(answer: &Response<Bytes>) -> bool {
    matches!(answer.status().as_u16(), 401 | 403)
}

/// The failure of an answer that may be another one when it is asked for again; `None` for any other.
pub(super) fn passing(answer: &Response<Bytes>, asked: Asked<'_>) -> Option<Failure> {
    let status = answer.status().as_u16();
    (status >= 500).then(|| {
        let whom = asked.whom;
        unavailable(
            answer,
            format!("{whom} cannot answer (HTTP {status}): see the API server's log"),
        )
    })
}

/// Reads the answer to a read of connection `conn_id`.
///
/// # Errors
/// When it is neither the connection nor *not found*.
pub(super) fn connection(
    answer: &Response<Bytes>,
    asked: Asked<'_>,
    conn_id: &str,
    dialect: Dialect,
) -> Result<Reading<Connection>, Failure> {
    let Some(found) = read::<ConnectionAnswer>(answer, asked)? else {
        return Ok(Reading::Missing(None));
    };
    let fields = Fields {
        password: found.password.map(Secret::from),
        extra: found.extra.map(Secret::from),
        conn_type: found.conn_type,
        host: found.host,
        schema: found.schema,
        login: found.login,
        port: port(found.port)?,
        ..Fields::default()
    };
    if found.conn_id != conn_id {
        return Err(of_another(asked));
    }
    Ok(Reading::Found(Connection::from_fields(
        conn_id, fields, dialect,
    )?))
}

/// Reads the answer to a read of variable `key`.
///
/// # Errors
/// When it is neither the variable nor *not found*.
pub(super) fn variable(
    answer: &Response<Bytes>,
    asked: Asked<'_>,
    key: &str,
) -> Result<Reading<Secret>, Failure> {
    let Some(found) = read::<VariableAnswer>(answer, asked)? else {
        return Ok(Reading::Missing(None));
    };
    let value = found.value.map(Secret::from);
    if found.key != key {
        return Err(of_another(asked));
    }
    Ok(value.map_or(Reading::Missing(Some(NULL)), Reading::Found))
}

/// Reads a part of the list of keys, which has `most` at most.
///
/// # Errors
/// When it is none.
pub(super) fn keys(
    answer: &Response<Bytes>,
    asked: Asked<'_>,
    most: usize,
) -> Result<KeysAnswer, Failure> {
    let part = read(answer, asked)?.filter(|part: &KeysAnswer| part.keys.len() <= most);
    part.ok_or_else(|| not_its_own(answer, asked))
}

/// The failure of a list that goes on after `most` keys.
pub(super) fn keys_without_end(most: usize) -> Failure {
    lasting(
        FailureKind::Unavailable,
        format!(
            "there are more than {most} keys, which is the most that is read: ask for a longer prefix"
        ),
    )
}

/// Reads the answer to a change, which is `status` where it was made.
///
/// # Errors
/// When it was not made.
pub(super) fn done(
    answer: &Response<Bytes>,
    asked: Asked<'_>,
    status: StatusCode,
) -> Result<(), Failure> {
    if answer.status() == status {
        return Ok(());
    }
    Err(refused(answer, asked))
}

/// Reads the answer to the start of a task instance: what the server tells of its run, a JSON object.
///
/// # Errors
/// When it was not started.
pub(super) fn run(answer: &Response<Bytes>, asked: Asked<'_>) -> Result<Secret, Failure> {
    let problem = serde_json::from_slice::<Problem>(answer.body()).ok();
    match (answer.status().as_u16(), problem) {
        (200, _) => {
            let text = std::str::from_utf8(answer.body()).ok();
            let text = text.filter(|text| {
                serde_json::from_str::<serde_json::Map<String, Value>>(text).is_ok()
            });
            text.map(Secret::from)
                .ok_or_else(|| not_its_own(answer, asked))
        }
        (404, Some(problem)) if problem.is_not_found() => Err(lasting(
            FailureKind::InvalidValue,
            "the task instance does not exist: check its id",
        )),
        (409, Some(_)) => Err(lasting(
            FailureKind::InvalidValue,
            "the task instance is not queued: another process runs it, or it has ended",
        )),
        _ => Err(refused(answer, asked)),
    }
}

/// What an answer of status 200 holds; `None` for *not found*.
fn read<T: serde::de::DeserializeOwned>(
    answer: &Response<Bytes>,
    asked: Asked<'_>,
) -> Result<Option<T>, Failure> {
    match answer.status().as_u16() {
        200 => {
            let found = serde_json::from_slice(answer.body());
            found.map(Some).map_err(|_| not_its_own(answer, asked))
        }
        404 if serde_json::from_slice(answer.body())
            .is_ok_and(|problem: Problem| problem.is_not_found()) =>
        {
            Ok(None)
        }
        _ => Err(refused(answer, asked)),
    }
}

fn port(port: Option<i64>) -> Result<Option<u16>, Failure> {
    let port = port.map(u16::try_from).transpose();
    port.map_err(|_| {
        Failure::invalid_value("`port` is not a whole number from 0 to 65535 (CODEC-1)")
    })
}

/// The failure for an answer about another id than the one that was asked for.
fn of_another(asked: Asked<'_>) -> Failure {
    lasting(
        FailureKind::Unavailable,
        format!(
            "{} answered about another id: a proxy before it changes paths (EXEC-2)",
            asked.whom
        ),
    )
}

/// The failure for an answer that is no success and no *not found*.
fn refused(answer: &Response<Bytes>, asked: Asked<'_>) -> Failure {
    let problem = serde_json::from_slice::<Problem>(answer.body()).ok();
    let (status, whom) = (answer.status().as_u16(), asked.whom);
    match (status, problem) {
        (401 | 403, Some(Problem { detail })) => {
            lasting(FailureKind::FinalDenial, denied(status, &detail, asked))
        }
        // Airflow takes JSON of any shape as a final denial.
        (401 | 403, None) if serde_json::from_slice::<Value>(answer.body()).is_ok() => lasting(
            FailureKind::FinalDenial,
            format!("denied (HTTP {status}), but not by Airflow: check a gateway before {whom}"),
        ),
        (401 | 403, None) => lasting(
            FailureKind::AccessDenied,
            format!(
                "denied, but not by Airflow: a proxy or gateway before {whom} refused the request \
                 (HTTP {status}); check the URL and the proxy"
            ),
        ),
        (404, Some(_)) => lasting(
            FailureKind::Unavailable,
            format!(
                "{whom} does not know the path (HTTP 404): check the URL, which ends in \
                 \"/execution/\", and that the server knows Airflow-API-Version {}",
                asked.version
            ),
        ),
        (422, Some(_)) => lasting(
            FailureKind::Unavailable,
            format!("{whom} refused the request as invalid (HTTP 422): check its Airflow version"),
        ),
        (429, _) => unavailable(answer, format!("{whom} throttles (HTTP 429)")),
        (500.., _) => passing(answer, asked).unwrap_or_else(|| not_its_own(answer, asked)),
        (301 | 302 | 303 | 307 | 308, _) => lasting(
            FailureKind::Unavailable,
            format!(
                "{whom} redirects (HTTP {status}), where the token is not sent: set the URL to the \
                 address that answers"
            ),
        ),
        _ => not_its_own(answer, asked),
    }
}

/// What the server denied, from the words of its own message where these are known.
fn denied(status: u16, detail: &Value, asked: Asked<'_>) -> String {
    let Asked { whom, token, .. } = asked;
    let text = detail.as_str().unwrap_or_default();
    if status == 401 {
        return format!("denied: {whom} got no token: check a proxy before it");
    }
    if text.starts_with("Token type 'workload'") {
        return format!(
            "denied: {token} is that of a workload, which may only start its task: exchange it with \
             `ExecutionApiBackend::run_task_instance`, or give the token of a task that runs"
        );
    }
    if text.starts_with("Token subject does not match") {
        return format!("denied: {token} is that of another task instance");
    }
    if text.starts_with("Invalid auth token") || text.starts_with("Invalid token scope") {
        return match asked.ended {
            Some(ended) => {
                format!(
                    "denied: {token} ended {} s ago: give a new one",
                    ended.as_secs()
                )
            }
            None => format!(
                "denied: {whom} does not accept {token}: check that it is this deployment's, and the \
                 clocks"
            ),
        };
    }
    format!("denied: {whom} does not let this task use it")
}

/// A failure that may pass; the server may say after how long.
fn unavailable(answer: &Response<Bytes>, message: String) -> Failure {
    let failure = Failure::unavailable(message);
    match retry_after(answer) {
        Some(pause) => failure.with_retry_after(pause),
        None => failure,
    }
}

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let after = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = after.parse().ok().map(Duration::from_secs);
    let until = || httpdate::parse_http_date(after).ok();
    seconds.or_else(|| until()?.duration_since(SystemTime::now()).ok())
}

/// The failure for an answer that the Execution API does not give.
fn not_its_own(answer: &Response<Bytes>, asked: Asked<'_>) -> Failure {
    lasting(
        FailureKind::Unavailable,
        format!(
            "the answer is not one of the Execution API's (HTTP {}): check that {} is Airflow's, and \
             not a proxy, gateway or login page before it",
            answer.status().as_u16(),
            asked.whom
        ),
    )
}
