//! `json.dumps(value)`.

use std::borrow::Cow;

use super::{
    repr::{self, TooLong},
    value::Value,
};
use crate::{
    Secret,
    connection::python::{Text, Written, json},
};

/// How many values one text may be written from; aliases can make a small file stand for more.
const MAX_VALUES: usize = 1_000_000;

/// Why a value cannot be written.
pub(super) enum Error {
    /// It holds what JSON has not, such as a date or a set.
    NotJson,
    /// It is too large.
    TooLong(TooLong),
}

/// `json.dumps(value)`.
pub(super) fn dumps(value: &Value) -> Result<Secret, Error> {
    let mut budget = MAX_VALUES;
    let value = convert(value, &mut budget)?;
    Ok(value.to_secret())
}

fn convert<'a>(value: &'a Value, budget: &mut usize) -> Result<json::Value<'a>, Error> {
    *budget = budget.checked_sub(1).ok_or(Error::TooLong(TooLong))?;
    Ok(match value {
        Value::Null => json::Value::Null,
        Value::Bool(value) => json::Value::Bool(*value),
        Value::Int(digits) => json::Value::Int(Cow::Borrowed(digits)),
        // Python writes it, and then reads it again; here, where NaN is no JSON, it ends the same
        // way for the text as for the number.
        Value::Float(value) => json::Value::Float(*value),
        Value::Text(text) => json::Value::String(Text::Borrowed(text)),
        Value::List(items) => json::Value::Array(
            items
                .iter()
                .map(|item| convert(item, budget))
                .collect::<Result<_, _>>()?,
        ),
        Value::Pair(first, second) => {
            json::Value::Array(vec![convert(first, budget)?, convert(second, budget)?])
        }
        Value::Dict(dict) => {
            let members = dict
                .iter()
                .map(|(key, value)| Ok((key_text(key)?, convert(value, budget)?)));
            json::Value::Object(json::Object::unchecked(members.collect::<Result<_, _>>()?))
        }
        Value::Bytes(_) | Value::Date(_) | Value::DateTime(_) | Value::Set(_) => {
            return Err(Error::NotJson);
        }
    })
}

/// What Python writes for a key that is no text.
fn key_text(key: &Value) -> Result<Text<'_>, Error> {
    Ok(match key {
        Value::Text(text) => Text::Borrowed(text),
        Value::Int(digits) => Text::Borrowed(digits),
        Value::Null => Text::Borrowed("null"),
        Value::Bool(true) => Text::Borrowed("true"),
        Value::Bool(false) => Text::Borrowed("false"),
        Value::Float(value) => Text::from(float_key(*value)),
        _ => return Err(Error::NotJson),
    })
}

fn float_key(value: f64) -> String {
    match value {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        value if value.is_nan() => "NaN".to_owned(),
        value => repr::float(value),
    }
}
