//! [`Connection`]: the typed connection, and its codec in Airflow's two dialects.

mod error;

use std::fmt;

pub use error::ConnectionError;

use crate::Secret;

/// Which of Airflow's two readings of the same text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// `airflow.models.Connection`: the scheduler, the API server, all of Airflow 2. A URI's
    /// query values are read as JSON where they are JSON; `extra` must be a JSON object.
    #[default]
    Core,
    /// `airflow.sdk.Connection`: an Airflow 3 task. Query values stay text; any `extra` passes.
    TaskSdk,
}

/// A connection as Airflow holds it.
///
/// `password` and `extra` are [`Secret`]s; `Debug` shows them as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    conn_id: String,
    fields: Fields,
}

/// The fields of a connection, for [`Connection::from_fields`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Fields {
    pub conn_type: Option<String>,
    pub description: Option<String>,
    pub host: Option<String>,
    pub login: Option<String>,
    pub password: Option<Secret>,
    pub schema: Option<String>,
    pub port: Option<u16>,
    pub extra: Option<Secret>,
}

impl Connection {
    /// TODO(codec)
    ///
    /// # Errors
    /// When `value` is no connection.
    pub fn from_value(
        conn_id: &str,
        value: &str,
        dialect: Dialect,
    ) -> Result<Self, ConnectionError> {
        let _ = (conn_id, value, dialect);
        Err(ConnectionError::Uri("the codec is not there yet"))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("conn_id", &self.conn_id)
            .field("fields", &self.fields)
            .finish()
    }
}
