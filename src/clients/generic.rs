//! Any other kind of connection: its parts, typed.

use serde_json::Value;

use super::{
    error::ClientError,
    extra::{Made, field, secret_field},
    macros::client,
};
use crate::{Connection, Secret};

/// The parts of a connection of any kind: [`Connection::generic`].
#[derive(Debug, Clone, PartialEq)]
pub struct Generic {
    pub(super) made: Made,
}

client!(Generic, generic);

impl Generic {
    /// The host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.made.params.text("host")
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let port = self.made.params.get("port")?.as_u64()?;
        u16::try_from(port).ok()
    }

    /// The user.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.made.params.text("login")
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        self.made.params.secret("password")
    }

    /// The schema, or the database.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.made.params.text("schema")
    }

    /// Member `key` of `extra`.
    #[must_use]
    pub fn extra(&self, key: &str) -> Option<&Value> {
        self.made.params.get("extra")?.get(key)
    }
}

pub(super) fn read(connection: &Connection) -> Result<Generic, ClientError> {
    let mut made = Made::new(
        connection,
        "generic",
        &[connection.conn_type().unwrap_or("")],
    );
    let extra = made.extra(connection)?;
    made.params.set("conn_type", field(connection.conn_type()));
    made.params.set("host", field(connection.host()));
    made.params.set_some("port", connection.port());
    made.params.set("login", field(connection.login()));
    made.params
        .set("password", secret_field(connection.password()));
    made.params.set("schema", field(connection.schema()));
    let extra = extra
        .iter()
        .map(|(key, value)| (key.to_owned(), value.clone()));
    made.params.set("extra", Value::Object(extra.collect()));
    Ok(Generic { made })
}
