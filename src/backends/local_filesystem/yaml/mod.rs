//! YAML files, as PyYAML's `CSafeLoader` reads them: YAML 1.1, plain data only.
//!
//! `libyaml-safer` is a port of the C library that PyYAML itself stands on, so that both agree on
//! what is YAML. What the scalars mean is settled here.

mod compose;
mod construct;
mod input;
mod integer;
mod scalar;
mod tag;

use super::{Entry, malformed::Malformed, value::Value};

/// How deep lists and mappings may nest.
const MAX_DEPTH: usize = 256;

/// The entries of a YAML file.
pub(super) fn parse(content: &str) -> Result<Vec<Entry>, Malformed> {
    if content.is_empty() {
        return Err(Malformed::at(1, "the file is empty"));
    }
    let document = compose::compose(content)?;
    let lines = document.lines_of_keys();
    let root = construct::construct(document)?;
    let Some(Value::Dict(dict)) = root.as_deref() else {
        return Err(Malformed::at(1, "the file must hold an object (a mapping)"));
    };
    let entries = dict.iter().map(|(key, value)| Entry {
        key: key.clone(),
        value: value.clone(),
        line: match &**key {
            Value::Text(name) => lines.get(name.as_str()).copied(),
            _ => None,
        },
    });
    Ok(entries.collect())
}
