//! What `airflow connections export` and `airflow variables export` write, as Airflow's import reads it.

use crate::{
    Connection, Dialect, Secret,
    backends::local_filesystem::{
        connection::{self, Refusal},
        file::{File, Format},
        find::{self, Found, Refused},
        value::Value,
    },
};

/// The connections of an exported file.
pub(super) fn connections(file: &File, ids: &[String]) -> Result<Found<Connection>, Refused> {
    find::connections_by(file, ids, |conn_id, key, value| match value {
        // `--serialization-format json`.
        Value::Text(json) if file.format == Format::Env && json.starts_with('{') => {
            Connection::from_json(conn_id, json, Dialect::Core)
                .map_err(|error| Refusal::Entry(error.to_string()))
        }
        _ => connection::create(conn_id, key, value),
    })
}

/// The variables of an exported file.
pub(super) fn variables(file: &File, ids: &[String]) -> Result<Found<Secret>, Refused> {
    if file.format == Format::Env {
        return find::configs(file, ids);
    }
    let values = file.entries.iter().map(|entry| {
        let value = match &*entry.value {
            Value::Dict(dict) => dict.get("value").unwrap_or(&entry.value),
            _ => &entry.value,
        };
        (entry, &**value)
    });
    Ok(find::texts(file, ids, values, find::Source::Import))
}
