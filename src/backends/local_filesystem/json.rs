//! JSON files, as Python's `json.loads` reads them.

use std::rc::Rc;

use super::{
    Entry,
    malformed::{Malformed, line_at},
    value::Value,
};
use crate::connection::python::{
    Text,
    json::{self, MAX_DEPTH},
};

/// The entries of a JSON file.
pub(super) fn parse(content: &str) -> Result<Vec<Entry>, Malformed> {
    if content.is_empty() {
        return Err(Malformed::at(1, "the file is empty"));
    }
    let document = json::parse_located(content, MAX_DEPTH)
        .map_err(|(error, at)| (error, line_at(content.as_bytes(), at)))
        .and_then(|parsed| parsed.strict().map_err(|error| (error, 1)))
        .map_err(|(error, line)| Malformed::at(line, format!("the file {}", error.problem())))?;
    let json::Value::Object(members) = document else {
        return Err(Malformed::at(1, "the file must hold a JSON object"));
    };
    let entries = members.iter().map(|(key, value)| Entry {
        key: Rc::new(Value::text(key)),
        value: Rc::new(Value::from(value)),
        line: offset(content, key).map(|at| line_at(content.as_bytes(), at)),
    });
    Ok(entries.collect())
}

/// Where in `content` a key stands, if it is there as it is.
fn offset(content: &str, key: &Text<'_>) -> Option<usize> {
    match key {
        Text::Borrowed(key) => (key.as_ptr() as usize).checked_sub(content.as_ptr() as usize),
        Text::Owned(_) => None,
    }
}
