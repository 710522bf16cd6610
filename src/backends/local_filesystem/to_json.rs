//! `json.dumps(value)`.

use std::borrow::Cow;

use super::value::{Unsupported, Value};
use crate::{
    Secret,
    python::{Text, Written, json, number},
};

/// How long one text may be. With aliases, a small file can describe a text of any length.
const MAX_LENGTH: usize = 16 * 1024 * 1024;

/// What a value counts for besides the length of its text: so there are a million at most.
const COST: usize = 16;

/// Why a value cannot be written.
#[derive(Clone, Copy)]
pub(super) enum DumpError {
    NotJson,
    Unsupported(Unsupported),
    TooLong,
}

impl DumpError {
    /// What is wrong with whatever holds the value.
    pub(super) fn problem(self) -> String {
        match self {
            Self::NotJson => {
                "contains NaN or an infinite number, which JSON cannot express (FILE-1)".to_owned()
            }
            Self::Unsupported(what) => format!("contains {}", what.problem()),
            Self::TooLong => "is longer than 16 MiB when it is written out (YAML-2)".to_owned(),
        }
    }
}

/// `json.dumps(value)`.
///
/// # Errors
/// When JSON has no such value, or it is too long.
pub(super) fn dumps(value: &Value) -> Result<Secret, DumpError> {
    let mut budget = MAX_LENGTH;
    Ok(convert(value, &mut budget)?.to_secret())
}

fn convert<'a>(value: &'a Value, budget: &mut usize) -> Result<json::Value<'a>, DumpError> {
    spend(budget, "")?;
    Ok(match value {
        Value::Null => json::Value::Null,
        Value::Bool(value) => json::Value::Bool(*value),
        Value::Int(digits) => {
            spend(budget, digits)?;
            json::Value::Int(Cow::Borrowed(digits))
        }
        Value::Float(value) if !value.is_finite() => return Err(DumpError::NotJson),
        Value::Float(value) => json::Value::Float(*value),
        Value::Text(text) => {
            spend(budget, text)?;
            json::Value::String(Text::Borrowed(text))
        }
        Value::List(items) => json::Value::Array(
            items
                .iter()
                .map(|item| convert(item, budget))
                .collect::<Result<_, _>>()?,
        ),
        Value::Dict(dict) => {
            let members = dict.iter().map(|(key, value)| {
                let key = key_text(key)?;
                spend(budget, &key)?;
                Ok((key, convert(value, budget)?))
            });
            json::Value::Object(json::Object::unchecked(members.collect::<Result<_, _>>()?))
        }
        Value::Unsupported(what) => return Err(DumpError::Unsupported(*what)),
    })
}

fn spend(budget: &mut usize, text: &str) -> Result<(), DumpError> {
    let rest = budget.checked_sub(COST + text.len());
    *budget = rest.ok_or(DumpError::TooLong)?;
    Ok(())
}

/// What Python writes for NaN or an infinity.
pub(super) fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// What Python writes for a key that is not text.
fn key_text(key: &Value) -> Result<Text<'_>, DumpError> {
    Ok(match key {
        Value::Text(text) => Text::Borrowed(text),
        Value::Int(digits) => Text::Borrowed(digits),
        Value::Null => Text::Borrowed("null"),
        Value::Bool(true) => Text::Borrowed("true"),
        Value::Bool(false) => Text::Borrowed("false"),
        Value::Float(value) if value.is_finite() => Text::from(number::repr(*value)),
        Value::Float(value) => Text::Borrowed(not_finite(*value)),
        Value::Unsupported(what) => return Err(DumpError::Unsupported(*what)),
        // Python cannot hash it: it is never a key.
        Value::List(_) | Value::Dict(_) => return Err(DumpError::NotJson),
    })
}
