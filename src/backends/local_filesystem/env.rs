//! `.env` files: one `KEY=value` a line, without quotes or escapes.

use std::{collections::HashMap, rc::Rc};

use super::{file::Entry, malformed::Malformed, value::Value};
use crate::python::text::{is_line_end, is_space};

/// The entries of a `.env` file; each has the list of the values that its key was given.
pub(super) fn parse(content: &str) -> Result<Vec<Entry>, Malformed> {
    let mut keys = Vec::new();
    let mut values = HashMap::<&str, (usize, Vec<Rc<Value>>)>::new();
    for (index, line) in content.split(is_line_end).enumerate() {
        let number = index + 1;
        if line.is_empty() || line.trim_start_matches(is_space).starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            None => {
                return Err(Malformed::at(
                    number,
                    "the line has no `=`; write KEY=value",
                ));
            }
            Some(("", _)) => return Err(Malformed::at(number, "the key before the `=` is empty")),
            Some((_, "")) => return Err(Malformed::at(number, "the value after the `=` is empty")),
            Some(line) => line,
        };
        let (_, values) = values.entry(key).or_insert_with(|| {
            keys.push(key);
            (number, Vec::new())
        });
        values.push(Rc::new(Value::text(value)));
    }
    let entries = keys.into_iter().filter_map(|key| {
        let (line, values) = values.remove(key)?;
        Some(Entry {
            key: Rc::new(Value::text(key)),
            value: Rc::new(Value::List(values)),
            line: Some(line),
        })
    });
    Ok(entries.collect())
}
