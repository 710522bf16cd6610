//! What the supervisor's answers mean. Their texts are never shown: they may hold what was asked, or
//! what a server said.

use super::{
    Answer,
    body::not_msgpack,
    msgpack::{Malformed, Value},
};
use crate::{
    Connection, Dialect, Failure, Fields, Lookup, Secret,
    backend::{CHECK_ID, FailureKind},
};

/// What the supervisor said.
pub(super) enum Said {
    /// No more than that it is done.
    Done,
    /// This, under its type's name.
    Result(Value),
    /// That a connection or a variable does not exist.
    NotFound { what: NotFound, detail: Value },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFound {
    Connection,
    Variable,
}

/// What `answer` says.
///
/// # Errors
/// When it says that the supervisor, or the server behind it, failed or refused; and when it cannot be
/// read.
pub(super) fn read(answer: &Answer) -> Result<Said, Failure> {
    if let Some(error) = &answer.error {
        let error = error.read().map_err(|Malformed| not_msgpack())?;
        return Err(failure(&error));
    }
    let Some(body) = &answer.body else {
        return Ok(Said::Done);
    };
    let said = body.read().map_err(|Malformed| not_msgpack())?;
    if type_of(&said) != Some("ErrorResponse") {
        return Ok(Said::Result(said));
    }
    let what = match said.get("error").and_then(Value::as_text) {
        Some("CONNECTION_NOT_FOUND") => NotFound::Connection,
        Some("VARIABLE_NOT_FOUND") => NotFound::Variable,
        _ => return Err(failure(&said)),
    };
    let detail = said.get("detail").cloned().unwrap_or(Value::Nil);
    Ok(Said::NotFound { what, detail })
}

fn type_of(said: &Value) -> Option<&str> {
    said.get("type").and_then(Value::as_text)
}

/// The failure that an `ErrorResponse` describes.
fn failure(error: &Value) -> Failure {
    let status = error
        .get("detail")
        .and_then(|detail| detail.get("status_code"));
    let status = status.and_then(Value::as_int);
    let code = error.get("error").and_then(Value::as_text);
    match (code, status) {
        (Some("PERMISSION_DENIED"), status)
        | (Some("API_SERVER_ERROR"), status @ Some(401 | 403)) => Failure::new(
            FailureKind::FinalDenial,
            format!(
                "Airflow's API server denied it{}: the task may not, or its token has ended",
                in_words(status)
            ),
        ),
        (Some("API_SERVER_ERROR"), Some(500..)) => Failure::unavailable(format!(
            "Airflow's API server failed{}; the log of the supervisor has more",
            in_words(status)
        )),
        (Some("API_SERVER_ERROR"), Some(_)) => Failure::unavailable(format!(
            "Airflow's API server, or the supervisor, refused the request{}; the log of the \
             supervisor has more",
            in_words(status)
        ))
        .with_transient(false),
        (Some("API_SERVER_ERROR"), None) => Failure::unavailable(
            "the supervisor could not ask Airflow's API server, or not read its answer; the log of \
             the supervisor has more",
        ),
        _ => Failure::unavailable(
            "the supervisor gave an error that this version of airflow-secrets does not know; the log \
             of the supervisor may have more",
        ),
    }
}

fn in_words(status: Option<i128>) -> String {
    status
        .map(|status| format!(" (HTTP {status})"))
        .unwrap_or_default()
}

/// An answer to another question than ours.
fn not_ours(expected: &str) -> Failure {
    Failure::unavailable(format!(
        "the supervisor gave an answer that is not a {expected}"
    ))
    .with_transient(false)
}

/// An answer about another id: the supervisor does not encode ids.
fn other_id() -> Failure {
    Failure::unavailable(
        "the supervisor answered for another id, and that answer was thrown away; it may have \
         changed the id on its way (SUP-2)",
    )
    .with_transient(false)
}

/// Checks that `said` is about `id`, where it names one under `key`.
fn is_about(said: &Value, key: &str, id: &str) -> Result<(), Failure> {
    match said.get(key) {
        Some(Value::Text(named)) if named.as_str() != id => Err(other_id()),
        _ => Ok(()),
    }
}

/// What `said` is, where it is a result of type `expected` about `id`.
fn result(
    said: Said,
    expected: &str,
    missing: NotFound,
    (key, id): (&str, &str),
) -> Result<Option<Value>, Failure> {
    match said {
        Said::Result(value) if type_of(&value) == Some(expected) => {
            let named = value.get(key).and_then(Value::as_text);
            if named == Some(id) {
                Ok(Some(value))
            } else {
                Err(other_id())
            }
        }
        Said::NotFound { what, detail } if what == missing => {
            is_about(&detail, key, id).map(|()| None)
        }
        _ => Err(not_ours(expected)),
    }
}

/// The connection that was asked for as `conn_id`.
pub(super) fn connection(
    said: Said,
    conn_id: &str,
    native_key: &str,
    dialect: Dialect,
) -> Result<Lookup<Connection>, Failure> {
    let id = ("conn_id", conn_id);
    let Some(value) = result(said, "ConnectionResult", NotFound::Connection, id)? else {
        return Ok(Lookup::missing(native_key));
    };
    let text = |field: &str| match value.get(field) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Failure::invalid_value(format!("`{field}` is not a text"))),
    };
    let fields = Fields {
        conn_type: text("conn_type")?.map(str::to_owned),
        description: text("description")?.map(str::to_owned),
        host: text("host")?.map(str::to_owned),
        login: text("login")?.map(str::to_owned),
        password: text("password")?.map(Secret::from),
        schema: text("schema")?.map(str::to_owned),
        port: port(value.get("port"))?,
        extra: text("extra")?.map(Secret::from),
        ..Fields::default()
    };
    let connection = Connection::from_fields(conn_id, fields, dialect)?;
    Ok(Lookup::found(connection, native_key))
}

fn port(port: Option<&Value>) -> Result<Option<u16>, Failure> {
    let port = match port {
        None | Some(Value::Nil) => return Ok(None),
        Some(Value::Int(port)) => u16::try_from(*port).ok(),
        Some(_) => None,
    };
    port.map(Some).ok_or_else(|| {
        Failure::invalid_value("`port` is not a whole number from 0 to 65535 (RES-2)")
    })
}

/// The variable that was asked for as `key`.
pub(super) fn variable(said: Said, key: &str, native_key: &str) -> Result<Lookup<Secret>, Failure> {
    let id = ("key", key);
    match result(said, "VariableResult", NotFound::Variable, id)? {
        None => Ok(Lookup::missing(native_key)),
        Some(value) => match value.get("value") {
            Some(Value::Text(text)) => Ok(Lookup::found(Secret::from(text.as_str()), native_key)),
            None | Some(Value::Nil) => Ok(Lookup::missing_because(
                native_key,
                "the value is null, and Airflow treats a null variable as absent",
            )),
            Some(_) => Err(Failure::invalid_value("`value` is not a text")),
        },
    }
}

/// Whether the supervisor, asked for the connection [`CHECK_ID`], could look.
pub(super) fn check(said: Said, native_key: &str) -> Result<(), Failure> {
    connection(said, CHECK_ID, native_key, Dialect::TaskSdk).map(drop)
}

/// The keys of one page, which has `most` at most.
pub(super) fn keys(said: &Said, most: u64) -> Result<Vec<String>, Failure> {
    let expected = "VariableKeysResult";
    let keys = match said {
        Said::Result(value) if type_of(value) == Some(expected) => value.get("keys"),
        _ => None,
    };
    let Some(Value::List(keys)) = keys else {
        return Err(not_ours(expected));
    };
    if u64::try_from(keys.len()).is_ok_and(|length| length > most) {
        return Err(Failure::unavailable(format!(
            "the supervisor gave {} keys, and was asked for {most} at most",
            keys.len()
        ))
        .with_transient(false));
    }
    let keys = keys.iter().map(|key| key.as_text().map(str::to_owned));
    keys.collect::<Option<_>>()
        .ok_or_else(|| not_ours(expected))
}

/// The failure of a list that goes on after `most` keys.
pub(super) fn keys_without_end(most: u64) -> Failure {
    Failure::unavailable(format!(
        "there are more than {most} keys, which is the most that is read: ask for a longer prefix"
    ))
    .with_transient(false)
}

/// That the supervisor did what it was asked to.
pub(super) fn done(said: &Said) -> Result<(), Failure> {
    match said {
        Said::Done => Ok(()),
        Said::Result(value) if type_of(value) == Some("OKResponse") => Ok(()),
        _ => Err(not_ours("OKResponse")),
    }
}

#[cfg(test)]
#[path = "tests/answer.rs"]
mod tests;
