//! A `.env` file as `docker run --env-file` reads it: a line is `NAME=VALUE`, and nothing in it is special.

use super::{Entry, Malformed, without_mark};
use crate::Secret;

/// The variables of `text`, in their order; a name may come twice.
///
/// # Errors
/// The first line that has no name, or a blank or a tab in it.
pub(in super::super) fn read(text: &str) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    for (index, line) in without_mark(text).split('\n').enumerate() {
        match of_line(line) {
            Ok(Some((name, value))) => entries.push(Entry {
                name: name.to_owned(),
                value: Secret::from(value),
                line: index + 1,
                read_alike: true,
            }),
            Ok(None) => {}
            Err(problem) => return Err(Malformed::at(index + 1, problem)),
        }
    }
    Ok(entries)
}

/// The name and the value of a line, if it has both.
pub(super) fn of_line(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (line, None),
    };
    if name.is_empty() {
        return Err("the variable's name before the '=' is empty; a line is NAME=VALUE");
    }
    if name.contains([' ', '\t']) {
        return Err(
            "the variable's name contains a blank or a tab; a line is NAME=VALUE, without 'export' and \
             without blanks around the '='",
        );
    }
    Ok(value.map(|value| (name, value)))
}
