//! `extra`: the raw text, and the JSON in it.

use serde_json::{Map, Number};

use super::{
    Connection, ConnectionError, Dialect,
    python::json::{self, Object, ParseError, Value},
};
use crate::Secret;

fn error(error: ParseError) -> ConnectionError {
    ConnectionError::field("extra", error.problem())
}

/// Checks that `extra` is what Airflow takes: for the core a JSON object, for the Task SDK
/// whatever can be written as a URI. The empty text passes.
pub(super) fn check(extra: &str, dialect: Dialect) -> Result<(), ConnectionError> {
    if extra.is_empty() {
        return Ok(());
    }
    let parsed = json::parse(extra, json::MAX_DEPTH);
    match dialect {
        Dialect::Core => match parsed.and_then(json::Parsed::strict) {
            Ok(Value::Object(_)) => Ok(()),
            Ok(_) => Err(ConnectionError::field("extra", "must be a JSON object")),
            Err(problem) => Err(error(problem)),
        },
        Dialect::TaskSdk => match parsed {
            Ok(parsed) if parsed.is_no_query() => Err(error(ParseError::NotStrict)),
            Ok(_) | Err(ParseError::Syntax) => Ok(()),
            Err(problem) => Err(error(problem)),
        },
    }
}

/// The JSON in `extra`; an empty object where there is none.
pub(super) fn dejson(connection: &Connection) -> Result<Value<'_>, ConnectionError> {
    let empty = Value::Object(Object::default());
    let extra = connection.extra().map(Secret::expose);
    let Some(extra) = extra.filter(|extra| !extra.is_empty()) else {
        return Ok(empty);
    };
    match json::parse(extra, json::MAX_DEPTH).and_then(json::Parsed::strict) {
        Ok(value) => Ok(value),
        Err(ParseError::Syntax) => Ok(empty),
        Err(problem) => Err(error(problem)),
    }
}

/// The same value in `serde_json`'s type.
pub(super) fn to_serde(value: &Value<'_>) -> Result<serde_json::Value, ConnectionError> {
    let out_of_range =
        || ConnectionError::field("extra", "holds a number that serde_json cannot hold");
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => serde_json::Value::Bool(*value),
        Value::Int(digits) => {
            let number = digits.parse::<Number>().map_err(|_| out_of_range())?;
            serde_json::Value::Number(number)
        }
        Value::Float(value) => {
            let number = Number::from_f64(*value).ok_or_else(out_of_range)?;
            serde_json::Value::Number(number)
        }
        Value::String(text) => serde_json::Value::String((**text).to_owned()),
        Value::Array(items) => {
            serde_json::Value::Array(items.iter().map(to_serde).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let mut map = Map::new();
            for (key, value) in members.iter() {
                map.insert((**key).to_owned(), to_serde(value)?);
            }
            serde_json::Value::Object(map)
        }
    })
}
