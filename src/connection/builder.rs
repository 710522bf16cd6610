//! A connection put together field by field.

use super::{Connection, ConnectionError, Dialect, Fields};
use crate::Secret;

/// Puts a [`Connection`] together field by field: Airflow's `Connection(conn_id=…, host=…, …)`.
///
/// ```
/// use airflow_secrets::Connection;
///
/// let connection = Connection::builder("warehouse")
///     .conn_type("postgres")
///     .host("db.example.com")
///     .port(5432)
///     .login("app")
///     .password("p/w@rd")
///     .schema("orders")
///     .extra(r#"{"sslmode": "require"}"#)
///     .build()?;
/// assert_eq!(
///     connection.get_uri().expose(),
///     "postgres://app:p%2Fw%40rd@db.example.com:5432/orders?sslmode=require",
/// );
/// # Ok::<(), airflow_secrets::ConnectionError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectionBuilder {
    conn_id: String,
    fields: Fields,
    dialect: Dialect,
}

impl ConnectionBuilder {
    pub(super) fn new(conn_id: &str) -> Self {
        Self {
            conn_id: conn_id.to_owned(),
            fields: Fields::default(),
            dialect: Dialect::Core,
        }
    }

    /// The type, such as `postgres`, which names the hook.
    pub fn conn_type(mut self, conn_type: impl Into<String>) -> Self {
        self.fields.conn_type = Some(conn_type.into());
        self
    }

    /// A description for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.fields.description = Some(description.into());
        self
    }

    /// The host, which may have a protocol before it (`https://example.com`) or be a path.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.fields.host = Some(host.into());
        self
    }

    /// The user name.
    pub fn login(mut self, login: impl Into<String>) -> Self {
        self.fields.login = Some(login.into());
        self
    }

    /// The password.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.fields.password = Some(password.into());
        self
    }

    /// The schema, or for most databases the name of the database.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.fields.schema = Some(schema.into());
        self
    }

    /// The port.
    pub fn port(mut self, port: u16) -> Self {
        self.fields.port = Some(port);
        self
    }

    /// All other settings: a JSON object, as text.
    pub fn extra(mut self, extra: impl Into<Secret>) -> Self {
        self.fields.extra = Some(extra.into());
        self
    }

    /// The dialect that checks the fields. Default: [`Dialect::Core`].
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The connection.
    ///
    /// # Errors
    /// As [`Connection::from_fields`].
    pub fn build(self) -> Result<Connection, ConnectionError> {
        Connection::from_fields(&self.conn_id, self.fields, self.dialect)
    }
}
