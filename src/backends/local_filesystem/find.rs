//! Looks ids up among the entries of a file, as Airflow does: some entries fail the whole file.

use std::collections::{HashMap, HashSet};

use super::{
    connection::{self, Refusal},
    file::{self, Entry, File, Format},
    to_json,
    value::Value,
};
use crate::{Connection, Failure, Secret};

/// What a file gives for the ids that it defines.
pub(super) type Found<T> = HashMap<String, Result<T, Failure>>;

/// Looks ids up in a file.
pub(super) type Find<T> = fn(&File, &[String]) -> Result<Found<T>, Refused>;

/// An entry that fails the whole file, by its index, and what is wrong with it.
pub(super) struct Refused {
    pub(super) index: usize,
    pub(super) problem: String,
}

/// What the file at `path` gives for each of `ids`, with `find`. `otherwise` is its format where its
/// suffix says none.
pub(super) fn all<T: Clone>(
    path: &str,
    otherwise: Option<Format>,
    ids: &[String],
    find: Find<T>,
) -> Vec<Result<Option<T>, Failure>> {
    let file = match file::read(path, otherwise) {
        Ok(file) => file,
        Err(failure) => return ids.iter().map(|_| Err(failure.clone())).collect(),
    };
    match find(&file, ids) {
        Ok(found) => ids
            .iter()
            .map(|id| found.get(id).cloned().transpose())
            .collect(),
        Err(Refused { index, problem }) => {
            let entry = file.entries.get(index);
            let of_another = || {
                let line = entry.and_then(|entry| entry.line);
                let problem = format!("entry {} {problem}", index + 1);
                file::unknown(path, line, &problem)
            };
            let answers = ids.iter().map(|id| match entry {
                Some(entry) if entry.name() == Some(id) => Err(of_entry(path, entry, id, &problem)),
                _ => Err(of_another()),
            });
            answers.collect()
        }
    }
}

/// The connections; every one in the file must be one that Airflow accepts.
pub(super) fn connections(file: &File, ids: &[String]) -> Result<Found<Connection>, Refused> {
    connections_by(file, ids, connection::create)
}

/// The connections, each as `create` makes it of its id, key and value.
pub(super) fn connections_by(
    file: &File,
    ids: &[String],
    create: impl Fn(&str, &Value, &Value) -> Result<Connection, Refusal>,
) -> Result<Found<Connection>, Refused> {
    let wanted = ids.iter().map(String::as_str).collect::<HashSet<_>>();
    let mut found = HashMap::new();
    for (index, entry) in file.entries.iter().enumerate() {
        let refused = |problem: String| Refused { index, problem };
        let value = match &*entry.value {
            Value::List(values) => match values.as_slice() {
                [] => continue,
                [value] => value,
                _ => return Err(refused("is defined more than once; leave one".to_owned())),
            },
            _ => &entry.value,
        };
        let id = entry.name().filter(|name| wanted.contains(name));
        let conn_id = id.unwrap_or_default();
        let connection = match create(conn_id, &entry.key, value) {
            Ok(connection) => Ok(connection),
            Err(Refusal::Entry(problem)) => Err(of_entry(&file.path, entry, conn_id, &problem)),
            Err(Refusal::File(problem)) => return Err(refused(problem)),
        };
        if let Some(id) = id {
            found.insert(id.to_owned(), connection);
        }
    }
    Ok(found)
}

/// The variables.
pub(super) fn variables(file: &File, ids: &[String]) -> Result<Found<Secret>, Refused> {
    if file.format == Format::Env {
        return configs(file, ids);
    }
    let values = file.entries.iter().map(|entry| (entry, &*entry.value));
    Ok(texts(file, ids, values, Source::File))
}

/// The configuration entries, or the values in their lists; every list must have one.
pub(super) fn configs(file: &File, ids: &[String]) -> Result<Found<Secret>, Refused> {
    let mut values = Vec::with_capacity(file.entries.len());
    for (index, entry) in file.entries.iter().enumerate() {
        let value = match &*entry.value {
            Value::List(values) => {
                let [value] = values.as_slice() else {
                    let problem = "must have one value".to_owned();
                    return Err(Refused { index, problem });
                };
                value
            }
            _ => &entry.value,
        };
        values.push((entry, &**value));
    }
    Ok(texts(file, ids, values.into_iter(), Source::File))
}

/// Where Airflow reads a value from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The file: `null` is missing.
    File,
    /// A database that the file was imported into, as JSON in Python's manner: `null` is `null`, and `NaN`
    /// is `NaN`.
    Import,
}

/// The text of each value that is asked for: its own, JSON for a value that is not text.
pub(super) fn texts<'f>(
    file: &File,
    ids: &[String],
    values: impl Iterator<Item = (&'f Entry, &'f Value)>,
    source: Source,
) -> Found<Secret> {
    let wanted = ids.iter().map(String::as_str).collect::<HashSet<_>>();
    let found = values.filter_map(|(entry, value)| {
        let id = entry.name().filter(|name| wanted.contains(name))?;
        let text = match value {
            Value::Null if source == Source::File => return None,
            Value::Null => Ok(Secret::from("null")),
            Value::Float(number) if source == Source::Import && !number.is_finite() => {
                Ok(Secret::from(to_json::not_finite(*number)))
            }
            Value::Text(text) => Ok(Secret::from(text.as_str())),
            value => to_json::dumps(value)
                .map_err(|error| of_entry(&file.path, entry, id, &error.problem())),
        };
        Some((id.to_owned(), text))
    });
    found.collect()
}

/// What is wrong with the entry `id` of the file at `path`.
pub(super) fn of_entry(path: &str, entry: &Entry, id: &str, problem: &str) -> Failure {
    of_line(path, entry.line, id, problem)
}

/// What is wrong with the entry `id`, which begins in `line` of the file at `path`.
pub(super) fn of_line(path: &str, line: Option<usize>, id: &str, problem: &str) -> Failure {
    let place = file::place(path, line);
    Failure::invalid_value(format!("{place}: {id:?} {problem}"))
}
