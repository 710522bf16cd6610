//! `extra`: the raw text, and the JSON in it.

use serde_json::{Map, Number};

use super::{Connection, ConnectionError, Dialect};
use crate::{
    Secret,
    python::json::{self, Object, ParseError, Value},
};

/// How deep `serde_json` itself reads; code that handles its values relies on that limit.
const MAX_SERDE_DEPTH: usize = 127;

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
        Dialect::Core => match parsed {
            Ok(parsed) if !parsed.is_object() => {
                Err(ConnectionError::field("extra", "must be a JSON object"))
            }
            Ok(parsed) => parsed.strict().map(drop).map_err(error),
            Err(problem) => Err(error(problem)),
        },
        Dialect::TaskSdk => match parsed {
            Ok(parsed) if parsed.is_no_query() => {
                let problem =
                    "has an unpaired surrogate in a key or text, which no URI can hold (CODEC-5)";
                Err(ConnectionError::field("extra", problem))
            }
            Ok(_) | Err(ParseError::Syntax) => Ok(()),
            Err(problem) => Err(error(problem)),
        },
    }
}

/// The JSON in `extra`; an empty object if it is absent.
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

/// The members of [`dejson`], in their order; `None` where it is no object.
#[cfg(feature = "clients")]
pub(super) fn members(
    connection: &Connection,
) -> Result<Option<Vec<(String, serde_json::Value)>>, ConnectionError> {
    let Value::Object(members) = dejson(connection)? else {
        return Ok(None);
    };
    let members = members.iter().map(|(key, value)| {
        let value = to_serde_within(value, MAX_SERDE_DEPTH - 1)?;
        Ok(((**key).to_owned(), value))
    });
    members.collect::<Result<_, _>>().map(Some)
}

/// [`dejson`], with those members read as JSON that are text and JSON.
pub(super) fn dejson_nested(connection: &Connection) -> Result<serde_json::Value, ConnectionError> {
    let members = match dejson(connection)? {
        Value::Object(members) => members,
        other => return to_serde(&other),
    };
    let mut map = Map::new();
    for (key, value) in members.iter() {
        let nested = match value {
            Value::String(text) => {
                match json::parse(text, json::MAX_DEPTH).and_then(json::Parsed::strict) {
                    Ok(nested) => to_serde_within(&nested, MAX_SERDE_DEPTH - 1)?,
                    Err(ParseError::Syntax) => to_serde_within(value, MAX_SERDE_DEPTH - 1)?,
                    Err(problem) => return Err(error(problem)),
                }
            }
            value => to_serde_within(value, MAX_SERDE_DEPTH - 1)?,
        };
        map.insert((**key).to_owned(), nested);
    }
    Ok(serde_json::Value::Object(map))
}

/// Member `key`, which must be a text.
pub(super) fn member_str(
    connection: &Connection,
    key: &str,
) -> Result<Option<Secret>, ConnectionError> {
    member(connection, key, "must be a text", |value| match value {
        Value::String(text) => Some(Secret::from(&**text)),
        _ => None,
    })
}

/// Member `key`, which must be a truth value or a text that means one.
pub(super) fn member_bool(
    connection: &Connection,
    key: &str,
) -> Result<Option<bool>, ConnectionError> {
    member(
        connection,
        key,
        "must be true or false",
        |value| match value {
            Value::Bool(value) => Some(*value),
            Value::Int(digits) => truth(digits),
            Value::String(text) => truth(text),
            _ => None,
        },
    )
}

/// Member `key` as `read` reads it; `null` is treated as absent.
fn member<T>(
    connection: &Connection,
    key: &str,
    problem: &'static str,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Result<Option<T>, ConnectionError> {
    let Value::Object(mut members) = dejson(connection)? else {
        return Ok(None);
    };
    match members.take(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match read(&value) {
            Some(value) => Ok(Some(value)),
            None => Err(ConnectionError::Extra {
                key: key.to_owned(),
                problem,
            }),
        },
    }
}

/// A text as a truth value, by the rules of Python's old `strtobool`.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The same value in `serde_json`'s type.
pub(super) fn to_serde(value: &Value<'_>) -> Result<serde_json::Value, ConnectionError> {
    to_serde_within(value, MAX_SERDE_DEPTH)
}

fn to_serde_within(value: &Value<'_>, depth: usize) -> Result<serde_json::Value, ConnectionError> {
    let inner = || {
        let too_deep = "nests deeper than 127 levels (CODEC-8)";
        depth
            .checked_sub(1)
            .ok_or_else(|| ConnectionError::field("extra", too_deep))
    };
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => serde_json::Value::Bool(*value),
        Value::Int(digits) => number(integer(digits))?,
        Value::Float(value) => number(Number::from_f64(*value))?,
        Value::String(text) => serde_json::Value::String((**text).to_owned()),
        Value::Array(items) => {
            let depth = inner()?;
            let items = items.iter().map(|item| to_serde_within(item, depth));
            serde_json::Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let depth = inner()?;
            let mut map = Map::new();
            for (key, value) in members.iter() {
                map.insert((**key).to_owned(), to_serde_within(value, depth)?);
            }
            serde_json::Value::Object(map)
        }
    })
}

fn number(number: Option<Number>) -> Result<serde_json::Value, ConnectionError> {
    let problem = "contains an integer beyond the range of a float (CODEC-7)";
    let number = number.ok_or_else(|| ConnectionError::field("extra", problem))?;
    Ok(serde_json::Value::Number(number))
}

/// The integer, or the nearest float where it has more than 64 bits.
fn integer(digits: &str) -> Option<Number> {
    if let Ok(integer) = digits.parse::<i64>() {
        return Some(Number::from(integer));
    }
    if let Ok(integer) = digits.parse::<u64>() {
        return Some(Number::from(integer));
    }
    Number::from_f64(digits.parse().ok()?)
}
