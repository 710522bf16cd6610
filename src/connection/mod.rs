//! [`Connection`]: the typed connection, and its codec in Airflow's two dialects.

mod builder;
mod error;
mod extra;
mod json;
mod redacted;
mod uri;

use std::fmt;

use serde_core::de::DeserializeOwned;

pub use self::{builder::ConnectionBuilder, error::ConnectionError, redacted::RedactedConnection};

use crate::{Secret, python::text::strip};

/// Which of Airflow's two readings of the same text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// `airflow.models.Connection`: the scheduler, the API server, all of Airflow 2. A URI's
    /// query values are read as JSON where they are JSON; `extra` must be a JSON object; an empty
    /// password counts as absent.
    #[default]
    Core,
    /// `airflow.sdk.Connection`: an Airflow 3 task. Query values stay text; any `extra` passes.
    TaskSdk,
}

/// A connection, as Airflow's `Connection`.
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
/// is not the empty text. [`Connection::builder`] is the shorter form.
///
/// `Debug` shows what [`Connection::redacted`] shows.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Fields {
    /// The type, such as `postgres`, which names the hook.
    pub conn_type: Option<String>,
    /// A description for people.
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
    /// All other settings: usually a JSON object, as text.
    pub extra: Option<Secret>,
    /// What they were read from.
    pub(crate) form: Form,
}

/// What fields were read from, which decides what of them may be shown.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not from a URI; but a row of the metadata DB may hold the parts of one.
    #[default]
    Fields,
    /// From a URI whose parts are what their names say.
    Uri,
    /// From such a URI with an explicitly empty password, `token:@`: the login may be a token.
    UriWithoutPassword,
    /// From a URI of an unusual form: any part may hold a piece of its password.
    Unusual,
}

/// Two sets of fields are equal where their values are, whatever they were read from.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            conn_type,
            description,
            host,
            login,
            password,
            schema,
            port,
            extra,
            form: _,
        } = other;
        self.conn_type == *conn_type
            && self.description == *description
            && self.host == *host
            && self.login == *login
            && self.password == *password
            && self.schema == *schema
            && self.port == *port
            && self.extra == *extra
    }
}

impl Eq for Fields {}

impl Connection {
    /// A connection put together field by field.
    pub fn builder(conn_id: &str) -> ConnectionBuilder {
        ConnectionBuilder::new(conn_id)
    }

    /// Reads a connection URI: `Connection(conn_id=…, uri=…)` (core), `Connection.from_uri` (Task
    /// SDK). In the core, an empty URI is a connection with no field set.
    ///
    /// # Errors
    /// [`ConnectionError::Uri`] when Airflow refuses the URI; [`ConnectionError::Field`] when `dialect`
    /// refuses the `extra` in it.
    pub fn from_uri(conn_id: &str, uri: &str, dialect: Dialect) -> Result<Self, ConnectionError> {
        Ok(Self::new(conn_id, uri::from_uri(uri, dialect)?))
    }

    /// Reads a JSON object: `Connection.from_json`. Its keys are the fields' names, or `uri` alone.
    ///
    /// # Errors
    /// [`ConnectionError::Json`] when the text is not such an object; [`ConnectionError::Field`] when the
    /// value of a field is invalid; [`ConnectionError::Uri`] for the value of `uri`.
    pub fn from_json(conn_id: &str, json: &str, dialect: Dialect) -> Result<Self, ConnectionError> {
        Ok(Self::new(conn_id, json::from_json(json, dialect)?))
    }

    /// Reads what a secrets backend holds, as `BaseSecretsBackend.deserialize_connection` does:
    /// without the white space around it, a JSON object if it starts with `{`, else a URI.
    ///
    /// # Errors
    /// [`ConnectionError::Blank`] when the text is only white space; else as
    /// [`from_json`](Self::from_json) and [`from_uri`](Self::from_uri).
    pub fn from_value(
        conn_id: &str,
        value: &str,
        dialect: Dialect,
    ) -> Result<Self, ConnectionError> {
        match strip(value) {
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
    #[cfg(feature = "_metastore")]
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

    /// A description for people.
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

    /// All other settings, as raw text; [`extra_dejson`](Self::extra_dejson) reads it.
    #[must_use]
    pub fn extra(&self) -> Option<&Secret> {
        self.fields.extra.as_ref()
    }

    /// The fields, to take the secrets out without a copy.
    #[must_use]
    pub fn into_fields(self) -> Fields {
        self.fields
    }

    /// The connection as it may be shown to people: `Display` prints one line, with `***` in place
    /// of the secrets.
    ///
    /// Password and `extra` are always hidden. Host, login and schema are hidden where they may hold
    /// a piece of a password: where they contain what looks like user info, a query or
    /// `password=…`, and where the connection's URI has an unusual form, such as
    /// `jdbc:postgresql://app:s3cret@db/app`, which Airflow reads as a schema. A schema that no URI
    /// gave is hidden where neither host, login, password nor port is set: Airflow stores the
    /// password of `app:s3cret` so. The login of a URI with an empty password, `https://token:@host`,
    /// is hidden; that of a URI without a password, `https://me@host`, is shown.
    ///
    /// ```
    /// let connection = airflow_secrets::Connection::builder("pg")
    ///     .conn_type("postgres")
    ///     .password("hunter2")
    ///     .build()?;
    /// assert_eq!(
    ///     connection.redacted().to_string(),
    ///     r#"connection "pg": conn_type "postgres", password ***"#,
    /// );
    /// # Ok::<(), airflow_secrets::ConnectionError>(())
    /// ```
    #[must_use]
    pub fn redacted(&self) -> RedactedConnection<'_> {
        self.into()
    }

    /// The connection as a URI: `Connection.get_uri`. It holds the secrets, in clear.
    ///
    /// This is Airflow's form, to be read by Airflow or by [`from_uri`](Self::from_uri). It is not
    /// the DSN of a database driver: the type is not always a driver's scheme, the query holds
    /// Airflow's extras, and the host may include a protocol.
    #[must_use]
    pub fn get_uri(&self) -> Secret {
        uri::get_uri(self)
    }

    /// The connection as a JSON object: `Connection.as_json`. It holds the secrets, in clear;
    /// fields that are `None` are left out, and so is an `extra` that is empty or not JSON.
    ///
    /// # Errors
    /// [`ConnectionError::Field`] when `extra` holds NaN, an infinity or an unpaired surrogate,
    /// which only the Task SDK's dialect lets through.
    pub fn as_json(&self) -> Result<Secret, ConnectionError> {
        json::as_json(self)
    }

    /// The connection as a line of a `.env` file, `AIRFLOW_CONN_…=…`, without the line's end. It holds the
    /// secrets, in clear.
    ///
    /// The name is Airflow's: the id in upper case. The value is the URI where both of Airflow's dialects
    /// read that back as this connection; else the JSON object, which also holds a description, and tells an
    /// empty field from one that is not set. An `extra` comes back as the same JSON, whatever blanks it had;
    /// a port 0 is left out, as in Airflow.
    ///
    /// **Quoting.** The value is ASCII on one line:
    ///
    /// - of letters, digits and `_./:@%+,=-?` alone: without quotes. Docker Compose, `docker run --env-file`,
    ///   a POSIX shell and [`Environment::with_dotenv`](crate::Environment::with_dotenv) read it alike.
    /// - else between single quotes, in which nothing is special: it contains no single quote. Compose, a
    ///   shell, systemd and `with_dotenv` read that. `docker run --env-file`, and whatever else takes a
    ///   line as it is, would take the quotes for a part of the value.
    ///
    /// A shell takes the name only where the id is of ASCII letters, digits and `_`.
    ///
    /// ```
    /// use airflow_secrets::{Connection, Dialect};
    ///
    /// let pg = Connection::from_uri("pg", "postgres://app:p%40ss@db:5432/orders", Dialect::Core)?;
    /// let line = pg.to_env_line()?;
    /// assert_eq!(line.expose(), "AIRFLOW_CONN_PG=postgres://app:p%40ss@db:5432/orders");
    ///
    /// let hook = Connection::builder("hook").conn_type("http").host("h").description("for us").build()?;
    /// let line = hook.to_env_line()?;
    /// assert_eq!(
    ///     line.expose(),
    ///     r#"AIRFLOW_CONN_HOOK='{"conn_type": "http", "description": "for us", "host": "h"}'"#,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ExportError`](crate::export::ExportError) where the id contains what no variable's name may (a
    /// blank, a `=`), or neither form holds all of the connection.
    pub fn to_env_line(&self) -> Result<Secret, crate::export::ExportError> {
        crate::export::env_line(self)
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

    /// The members of `extra`, in their order; `None` where it is JSON but no object.
    #[cfg(feature = "clients")]
    pub(crate) fn extra_members(
        &self,
    ) -> Result<Option<Vec<(String, serde_json::Value)>>, ConnectionError> {
        extra::members(self)
    }

    /// Member `key` of [`extra`](Self::extra), where it is a text: `extra_dejson.get(key)`.
    ///
    /// # Errors
    /// As [`extra_dejson`](Self::extra_dejson); [`ConnectionError::Extra`] when the member is
    /// something other than text.
    pub fn extra_str(&self, key: &str) -> Result<Option<Secret>, ConnectionError> {
        extra::member_str(self, key)
    }

    /// Member `key` of [`extra`](Self::extra) as a truth value: `true` and `false`, or a text that
    /// says so as Airflow's hooks read it (`true`, `t`, `yes`, `y`, `on`, `1`; `false`, `f`, `no`,
    /// `n`, `off`, `0`; in any case), or the numbers 1 and 0.
    ///
    /// # Errors
    /// As [`extra_dejson`](Self::extra_dejson); [`ConnectionError::Extra`] when the member is
    /// something else.
    pub fn extra_bool(&self, key: &str) -> Result<Option<bool>, ConnectionError> {
        extra::member_bool(self, key)
    }

    /// [`extra`](Self::extra) read as a `T` of your own, which `serde` knows how to read.
    ///
    /// Where `extra` is absent or not JSON, `T` is read from an empty object.
    ///
    /// # Errors
    /// As [`extra_dejson`](Self::extra_dejson); [`ConnectionError::ExtraType`] when `extra` is not
    /// what `T` is read from. The message holds no text of `extra`.
    pub fn extra_as<T: DeserializeOwned>(&self) -> Result<T, ConnectionError> {
        let extra = self.extra_dejson()?;
        T::deserialize(extra).map_err(|_| ConnectionError::ExtraType)
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

#[allow(
    clippy::missing_fields_in_debug,
    reason = "the one that is left out only decides what the others show"
)]
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("conn_type", &self.conn_type)
            .field("description", &self.description)
            .field("host", &self.shown_host())
            .field("login", &self.shown_login())
            .field("password", &self.password)
            .field("schema", &self.shown_schema())
            .field("port", &self.port)
            .field("extra", &self.extra)
            .finish()
    }
}

#[allow(
    clippy::missing_fields_in_debug,
    reason = "they are all there, one by one"
)]
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("conn_id", &self.conn_id)
            .field("conn_type", &self.conn_type())
            .field("description", &self.description())
            .field("host", &self.fields.shown_host())
            .field("login", &self.fields.shown_login())
            .field("password", &self.password())
            .field("schema", &self.fields.shown_schema())
            .field("port", &self.port())
            .field("extra", &self.extra())
            .finish()
    }
}
