//! The JSON object in `backend_kwargs`, and what went wrong when there is none.

use serde_json::{Map, Value};

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
        Ok(value) if is_false(&value) => Ok(Map::new()),
        Ok(value) => Err(not_an_object(&value)),
        Err(error) => Err(format!(
            "this is no JSON (line {}, column {}){}",
            error.line(),
            error.column(),
            likely_cause(text)
        )),
    }
}

/// Whether Python counts a value as false.
fn is_false(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}

fn not_an_object(value: &Value) -> String {
    let kind = match value {
        Value::String(text) if text.trim_start().starts_with('{') => {
            return "this is a JSON text with an object in it, not an object: take the quotes \
                    around it off"
                .to_owned();
        }
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Number(_) => "a number",
        Value::Null | Value::Bool(_) | Value::Object(_) => "something else",
    };
    format!("this is JSON, but {kind} and not an object")
}

/// What people do wrong, told by how the text looks; with what to do.
fn likely_cause(text: &str) -> &'static str {
    let text = text.trim();
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let is_wrapped_in = |quote| {
        text.len() > 1 && text.starts_with(quote) && text.ends_with(quote) && compact.contains('{')
    };
    if is_wrapped_in('\'') || is_wrapped_in('"') {
        ": the quotes around it are part of the value; a .env file or a Kubernetes manifest is no \
         shell, so take them off"
    } else if compact.contains(r#":"{""#) {
        ": it looks like a JSON key file pasted between quotes; give the file itself, without \
         quotes around it, or write each quote in it as \\\" and each line break as \\n"
    } else if text.contains("-----BEGIN") && text.contains('\n') {
        ": it looks like a key with its line breaks; write each line break in a text as \\n"
    } else if compact.contains(r#"{\""#) {
        ": its quotes are escaped with backslashes, which are part of the value; take them off"
    } else if compact.starts_with("{'") {
        ": it looks like a Python dict; JSON takes double quotes, true, false and null"
    } else if text.contains(['\u{201c}', '\u{201d}']) {
        ": it has typographic quotes; JSON takes plain double quotes"
    } else if compact.contains(":$") {
        ": it refers to a variable that is not set"
    } else if compact.contains(",}") || compact.contains(",]") {
        ": it has a comma before a closing bracket"
    } else if compact.starts_with('{') && !compact.contains('"') {
        ": it has no double quotes at all; a shell may have taken them, so put single quotes \
         around the whole value there"
    } else if !compact.starts_with('{') {
        ": it must start with {"
    } else {
        ""
    }
}
