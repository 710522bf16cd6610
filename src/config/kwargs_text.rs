//! The JSON object in `backend_kwargs`, and what is wrong with a text that is not one.

use serde_json::{Map, Value};

use crate::python::{json::likely_mistake, truth::is_truthy};

/// The object in a JSON text; no text, and what Python counts as false, is an empty one.
///
/// # Errors
/// What is wrong and what to do. Never a piece of the text, which holds secrets.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(value) if !is_truthy(&value) => Ok(Map::new()),
        Ok(value) => Err(not_an_object(&value)),
        Err(error) => Err(format!(
            "it is not valid JSON (line {}, column {}){}",
            error.line(),
            error.column(),
            likely_mistake(text)
        )),
    }
}

fn not_an_object(value: &Value) -> String {
    let kind = match value {
        Value::String(text) if text.trim_start().starts_with('{') => {
            return "it is a JSON text with an object in it, not an object: remove the quotes \
                    around it"
                .to_owned();
        }
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Number(_) => "a number",
        Value::Null | Value::Bool(_) | Value::Object(_) => "something else",
    };
    format!("it is JSON, but {kind}; it must be an object")
}
