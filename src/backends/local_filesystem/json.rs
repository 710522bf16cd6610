//! JSON files, as Python's `json.loads` reads them.

use std::rc::Rc;

use memchr::memchr_iter;

use super::{file::Entry, malformed::Malformed, value::Value};
use crate::python::{
    Text,
    json::{self, MAX_DEPTH, ParseError},
    text::position,
};

/// The entries of a JSON file.
pub(super) fn parse(content: &str) -> Result<Vec<Entry>, Malformed> {
    if content.is_empty() {
        return Err(Malformed::at(1, "the file is empty"));
    }
    let document = json::parse_with_any_float(content, MAX_DEPTH).map_err(|(error, at)| {
        let (line, column) = position(content, at);
        let mistake = match error {
            ParseError::Syntax => json::likely_mistake(content),
            _ => "",
        };
        let problem = error.problem();
        Malformed::at(
            line,
            format!("the file {problem} (column {column}){mistake}"),
        )
    })?;
    let json::Value::Object(members) = document else {
        return Err(Malformed::at(1, "the file must hold a JSON object"));
    };
    let mut lines = Lines::of(content);
    let entries = members.iter().map(|(key, value)| Entry {
        key: Rc::new(Value::text(key)),
        value: Rc::new(Value::from(value)),
        line: lines.of_key(key),
    });
    Ok(entries.collect())
}

/// Counts lines from key to key.
struct Lines<'a> {
    content: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(content: &'a str) -> Self {
        Self {
            content,
            at: 0,
            line: 1,
        }
    }

    /// The line of a key, if it is in the content as it is. The keys come in their order there.
    fn of_key(&mut self, key: &Text<'_>) -> Option<usize> {
        let Text::Borrowed(key) = key else {
            return None;
        };
        let at = (key.as_ptr() as usize).checked_sub(self.content.as_ptr() as usize)?;
        let between = self.content.as_bytes().get(self.at..at)?;
        self.line += memchr_iter(b'\n', between).count();
        self.at = at;
        Some(self.line)
    }
}
