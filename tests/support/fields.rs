//! A connection's fields, as the corpora have them.

use airflow_secrets::{Connection, Secret};
use serde_json::{Value, json};

/// The fields, in clear.
pub(crate) fn fields(connection: &Connection) -> Value {
    json!({
        "conn_type": connection.conn_type(),
        "description": connection.description(),
        "host": connection.host(),
        "login": connection.login(),
        "password": connection.password().map(Secret::expose),
        "schema": connection.schema(),
        "port": connection.port(),
        "extra": connection.extra().map(Secret::expose),
    })
}

/// The same with the URI.
#[allow(dead_code)] // Not every corpus has it.
pub(crate) fn fields_and_uri(connection: &Connection) -> Value {
    let mut fields = fields(connection);
    fields["uri"] = connection.get_uri().expose().into();
    fields
}
