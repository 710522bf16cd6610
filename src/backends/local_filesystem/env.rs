//! `.env` files: `KEY=value`, a line each, taken as they are.

use std::{collections::HashMap, rc::Rc};

use super::{Entry, malformed::Malformed, value::Value};

/// The entries of a `.env` file; each holds the list of the values its key was given.
pub(super) fn parse(content: &str) -> Result<Vec<Entry>, Malformed> {
    let mut keys = Vec::new();
    let mut values = HashMap::<&str, (usize, Vec<Rc<Value>>)>::new();
    for (index, line) in content.split(is_line_end).enumerate() {
        let number = index + 1;
        if line.is_empty() || line.trim_start_matches(is_blank).starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            None => {
                return Err(Malformed::at(
                    number,
                    "the line has no `=`; write KEY=value",
                ));
            }
            Some(("", _)) => return Err(Malformed::at(number, "there is no key before the `=`")),
            Some((_, "")) => return Err(Malformed::at(number, "there is no value after the `=`")),
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

/// What ends a line for Python's `str.splitlines`, once reading the file has made `\n` of `\r`.
fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// White space in a Python pattern.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
