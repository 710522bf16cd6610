//! [`Connection`]: the typed connection, and its codec in Airflow's two dialects.

mod error;
mod extra;
mod json;
pub(crate) mod python;
mod uri;

use std::fmt;

pub use error::ConnectionError;

use crate::{REDACTED, Secret};

/// Which of Airflow's two readings of the same text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// `airflow.models.Connection`: the scheduler, the API server, all of Airflow 2. A URI's
    /// query values are read as JSON where they are JSON; `extra` must be a JSON object; an empty
    /// password is none.
    #[default]
    Core,
    /// `airflow.sdk.Connection`: an Airflow 3 task. Query values stay text; any `extra` passes.
    TaskSdk,
}

/// A connection as Airflow holds it.
///
/// `password` and `extra` are [`Secret`]s; `Debug` shows them as `***`.
///
/// Text is read as Airflow 3.3.2 reads it on Python 3.11, and written as it writes it; where the
/// two differ on purpose is in `docs/differences.md`. Whatever a `Connection` holds can be
/// written as a URI.
///
/// ```
/// use airflow_secrets::{Connection, Dialect};
///
/// let uri = "postgresql://user:p%2Fw%40rd@db.example.com:5432/schema?sslmode=require";
/// let connection = Connection::from_uri("warehouse", uri, Dialect::Core)?;
///
/// assert_eq!(connection.conn_type(), Some("postgres"));
/// assert_eq!(connection.host(), Some("db.example.com"));
/// assert_eq!(connection.port(), Some(5432));
/// assert_eq!(connection.password().map(|secret| secret.expose()), Some("p/w@rd"));
/// assert_eq!(connection.extra_dejson()?["sslmode"], "require");
/// # Ok::<(), airflow_secrets::ConnectionError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    conn_id: String,
    fields: Fields,
}

/// The fields of a connection, for [`Connection::from_fields`]. `None` is Airflow's `None`, which
/// is not the empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// The type, such as `postgres`, which names the hook.
    pub conn_type: Option<String>,
    /// What people say about it.
    pub description: Option<String>,
    /// The host, which may have a protocol before it (`https://example.com`) or be a path.
    pub host: Option<String>,
    /// The user name.
    pub login: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The schema, or for most databases the name of the database.
    pub schema: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// What else there is: by custom a JSON object, as text.
    pub extra: Option<Secret>,
}

impl Connection {
    /// Reads a connection URI: `Connection(conn_id=…, uri=…)` (core), `Connection.from_uri` (Task
    /// SDK). In the core, an empty URI is a connection with no field set.
    ///
    /// # Errors
    /// [`ConnectionError::Uri`] for what Airflow refuses as a URI; [`ConnectionError::Field`] for
    /// an `extra` that `dialect` refuses.
    pub fn from_uri(conn_id: &str, uri: &str, dialect: Dialect) -> Result<Self, ConnectionError> {
        Ok(Self::new(conn_id, uri::from_uri(uri, dialect)?))
    }

    /// Reads a JSON object: `Connection.from_json`. Its keys are the fields' names, or `uri` alone.
    ///
    /// # Errors
    /// [`ConnectionError::Json`] for what is no such object; [`ConnectionError::Field`] for a field
    /// with a value it cannot have; [`ConnectionError::Uri`] for the value of `uri`.
    pub fn from_json(conn_id: &str, json: &str, dialect: Dialect) -> Result<Self, ConnectionError> {
        Ok(Self::new(conn_id, json::from_json(json, dialect)?))
    }

    /// Reads what a secrets backend holds, as `BaseSecretsBackend.deserialize_connection` does:
    /// without the white space around it, a JSON object if it starts with `{`, else a URI.
    ///
    /// # Errors
    /// [`ConnectionError::Blank`] when there is nothing but white space; else as
    /// [`from_json`](Self::from_json) and [`from_uri`](Self::from_uri).
    pub fn from_value(
        conn_id: &str,
        value: &str,
        dialect: Dialect,
    ) -> Result<Self, ConnectionError> {
        match python::text::strip(value) {
            "" => Err(ConnectionError::Blank),
            json if json.starts_with('{') => Self::from_json(conn_id, json, dialect),
            uri => Self::from_uri(conn_id, uri, dialect),
        }
    }

    /// The connection with these fields: `Connection(conn_id=…, host=…, …)`. They stay as they
    /// are, but for an empty password, which the core does not keep.
    ///
    /// # Errors
    /// [`ConnectionError::Field`] when `dialect` refuses `extra`: the core all but a JSON object,
    /// the Task SDK what it could not write as a URI.
    pub fn from_fields(
        conn_id: &str,
        mut fields: Fields,
        dialect: Dialect,
    ) -> Result<Self, ConnectionError> {
        if let Some(extra) = &fields.extra {
            extra::check(extra.expose(), dialect)?;
        }
        fields.password = fields
            .password
            .filter(|password| !uri::is_dropped(password, dialect));
        Ok(Self::new(conn_id, fields))
    }

    /// The connection in a row of the metadata DB. Unlike from fields, an empty password stays.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(crate) fn from_row(conn_id: &str, fields: Fields) -> Result<Self, ConnectionError> {
        if let Some(extra) = &fields.extra {
            extra::check(extra.expose(), Dialect::Core)?;
        }
        Ok(Self::new(conn_id, fields))
    }

    fn new(conn_id: &str, fields: Fields) -> Self {
        Self {
            conn_id: conn_id.to_owned(),
            fields,
        }
    }

    /// The id that was asked for.
    #[must_use]
    pub fn conn_id(&self) -> &str {
        &self.conn_id
    }

    /// The type, such as `postgres`, which names the hook.
    #[must_use]
    pub fn conn_type(&self) -> Option<&str> {
        self.fields.conn_type.as_deref()
    }

    /// What people say about it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.fields.description.as_deref()
    }

    /// The host, which may have a protocol before it (`https://example.com`) or be a path.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.fields.host.as_deref()
    }

    /// The user name.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.fields.login.as_deref()
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        self.fields.password.as_ref()
    }

    /// The schema, or for most databases the name of the database.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.fields.schema.as_deref()
    }

    /// The port. A port 0 is held, but left out of [`get_uri`](Self::get_uri), as in Airflow.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.fields.port
    }

    /// What else there is, as the raw text; [`extra_dejson`](Self::extra_dejson) reads it.
    #[must_use]
    pub fn extra(&self) -> Option<&Secret> {
        self.fields.extra.as_ref()
    }

    /// The connection as a URI: `Connection.get_uri`. It holds the secrets, in clear.
    #[must_use]
    pub fn get_uri(&self) -> Secret {
        uri::get_uri(self)
    }

    /// The connection as a JSON object: `Connection.as_json`. It holds the secrets, in clear;
    /// fields that are `None` are left out, and so is an `extra` that is empty or no JSON.
    ///
    /// # Errors
    /// [`ConnectionError::Field`] when `extra` holds NaN, an infinity or an unpaired surrogate,
    /// which only the Task SDK's dialect lets through.
    pub fn as_json(&self) -> Result<Secret, ConnectionError> {
        json::as_json(self)
    }

    /// The JSON in [`extra`](Self::extra): `Connection.extra_dejson`. An object, empty where
    /// `extra` is absent or no JSON; in the Task SDK's dialect it may be any other JSON value.
    /// The value redacts nothing.
    ///
    /// An integer beyond 64 bits becomes the nearest float; [`as_json`](Self::as_json) keeps its
    /// digits.
    ///
    /// # Errors
    /// [`ConnectionError::Field`] when `extra` holds an integer beyond a float's range, nests
    /// deeper than `serde_json` reads (127 levels), or, in the Task SDK's dialect only, holds NaN,
    /// an infinity or an unpaired surrogate.
    pub fn extra_dejson(&self) -> Result<serde_json::Value, ConnectionError> {
        extra::to_serde(&extra::dejson(self)?)
    }

    /// [`extra_dejson`](Self::extra_dejson), where each member that is a text and JSON in itself
    /// is read too, one level deep: the core's `Connection.get_extra_dejson(nested=True)`.
    ///
    /// # Errors
    /// As [`extra_dejson`](Self::extra_dejson), for the nested JSON as well.
    pub fn extra_dejson_nested(&self) -> Result<serde_json::Value, ConnectionError> {
        extra::dejson_nested(self)
    }
}

impl Connection {
    /// Whether this was most likely never meant as a URI: with neither type nor host, all of the
    /// text (a JSON document in a `.env` file, say) became the schema, a password in it too.
    /// Whoever shows a connection leaves the schema out then.
    #[must_use]
    pub fn is_shapeless(&self) -> bool {
        self.conn_type() == Some("") && self.host() == Some("")
    }
}

#[allow(
    clippy::missing_fields_in_debug,
    reason = "they are all there, one by one"
)]
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = match self.schema() {
            Some(_) if self.is_shapeless() => Some(REDACTED),
            schema => schema,
        };
        f.debug_struct("Connection")
            .field("conn_id", &self.conn_id)
            .field("conn_type", &self.conn_type())
            .field("description", &self.description())
            .field("host", &self.host())
            .field("login", &self.login())
            .field("password", &self.password())
            .field("schema", &schema)
            .field("port", &self.port())
            .field("extra", &self.extra())
            .finish()
    }
}
