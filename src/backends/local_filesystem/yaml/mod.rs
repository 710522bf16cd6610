//! YAML files, as PyYAML's `CSafeLoader` reads them: YAML 1.1, plain data only.
//!
//! `libyaml-safer` is a port of the C library that PyYAML itself stands on, so that both agree on
//! what is YAML. What the scalars mean is settled here; [`Rules::Go`] is another reading, for files of the
//! Astro CLI.

mod compose;
mod construct;
mod flow_tags;
mod go;
mod input;
mod integer;
mod scalar;
mod tag;

use super::{
    file::Entry,
    malformed::{Malformed, line_at},
    value::Value,
};
#[cfg(feature = "kubernetes")]
use {super::to_json, crate::Secret};

/// Whose reading of YAML counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// That of PyYAML.
    Python,
    /// That of Go's `yaml.v3`: the first document alone, with other plain scalars (`go.rs`); an anchor
    /// may come again, and a tag that is unknown means nothing.
    Go,
}

pub(super) use go::integer as go_integer;

/// How deep lists and mappings may nest.
const MAX_DEPTH: usize = 256;

/// How many `%TAG` directives there may be: each is compared with all that came before it.
const MAX_TAG_DIRECTIVES: usize = 64;

/// A YAML text as JSON, for files of others that are YAML, such as kubeconfigs.
///
/// # Errors
/// What is wrong with the text, and in which line.
#[cfg(feature = "kubernetes")]
pub(super) fn as_json(content: &str) -> Result<Secret, String> {
    let in_line = |error: Malformed| format!("line {}: {}", error.line, error.problem);
    let document = compose::compose(content, Rules::Python).map_err(in_line)?;
    let root = construct::construct(document).map_err(in_line)?;
    let json = root.as_deref().map(to_json::dumps).transpose();
    let json = json.map_err(|error| format!("it {}", error.problem()))?;
    Ok(json.unwrap_or_else(|| "null".into()))
}

/// The entries of a YAML file.
pub(super) fn parse(content: &str, rules: Rules) -> Result<Vec<Entry>, Malformed> {
    if content.is_empty() && rules == Rules::Python {
        return Err(Malformed::at(1, "the file is empty"));
    }
    let directives = content.match_indices("\n%TAG").nth(MAX_TAG_DIRECTIVES);
    if let Some((at, _)) = directives {
        let problem =
            format!("the file has more than {MAX_TAG_DIRECTIVES} %TAG directives (YAML-2)");
        return Err(Malformed::at(line_at(content.as_bytes(), at + 1), problem));
    }
    let document = compose::compose(content, rules)?;
    let lines = document.lines_of_keys();
    let root = construct::construct(document)?;
    let dict = match root.as_deref() {
        Some(Value::Dict(dict)) => dict,
        // Comments alone.
        None | Some(Value::Null) if rules == Rules::Go => return Ok(Vec::new()),
        _ => return Err(Malformed::at(1, "the file must hold an object (a mapping)")),
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
