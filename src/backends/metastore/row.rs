//! From a row to a connection or a variable.

use std::mem;

use zeroize::Zeroizing;

use super::fernet::{DecryptError, FernetKeys};
use crate::{Connection, Failure, Fields, Lookup, Secret, backend::FailureKind};

/// What one column holds. SQLite is dynamically typed: any column may hold anything.
pub(super) enum Cell {
    Null,
    Integer(i64),
    #[cfg_attr(
        not(feature = "sqlite"),
        allow(dead_code, reason = "only SQLite has them")
    )]
    Real(f64),
    Text(Zeroizing<String>),
    /// Bytes, or text that is not UTF-8.
    Bytes,
}

/// The columns of one row, in the order of [`Table::columns`](super::driver::Table::columns).
pub(super) struct Row(Vec<Cell>);

impl Row {
    /// A row of these columns.
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Self(cells)
    }

    /// The id the row is stored under.
    pub(super) fn id(&self) -> Option<&str> {
        match self.0.first() {
            Some(Cell::Text(id)) => Some(id),
            _ => None,
        }
    }

    /// The connection the row holds, decrypted. A row that cannot be decrypted fails, as in
    /// Airflow, and so does one whose `extra` is not a JSON object.
    pub(super) fn into_connection(
        self,
        conn_id: &str,
        decrypter: &Decrypter<'_>,
    ) -> Result<Connection, Failure> {
        let Ok(
            [
                _,
                conn_type,
                description,
                host,
                schema,
                login,
                password,
                port,
                is_encrypted,
                is_extra_encrypted,
                extra,
            ],
        ) = <[Cell; 11]>::try_from(self.0)
        else {
            return Err(unreadable("the row"));
        };
        let fields = Fields {
            conn_type: conn_type.text("conn_type")?,
            description: description.text("description")?,
            host: host.text("host")?,
            login: login.text("login")?,
            password: decrypter.secret("password", password, &is_encrypted)?,
            schema: schema.text("schema")?,
            port: port.port()?,
            extra: decrypter.secret("extra", extra, &is_extra_encrypted)?,
            ..Fields::default()
        };
        Ok(Connection::from_row(conn_id, fields)?)
    }

    /// The variable's value, decrypted. One that cannot be decrypted fails, where Airflow calls it
    /// absent: an older value of another source would answer in its place.
    pub(super) fn into_variable(
        self,
        native_key: &str,
        decrypter: &Decrypter<'_>,
    ) -> Result<Lookup<Secret>, Failure> {
        let Ok([_, value, is_encrypted]) = <[Cell; 3]>::try_from(self.0) else {
            return Err(unreadable("the row"));
        };
        let mut value = match value {
            Cell::Null => {
                return Ok(Lookup::missing_because(native_key, "the value is NULL"));
            }
            Cell::Text(value) => value,
            _ => return Err(unreadable("val")),
        };
        if !is_encrypted.is_true() {
            let value = Secret::from(mem::take(&mut *value));
            return Ok(Lookup::found(value, native_key));
        }
        match decrypter.keys.decrypt(&value) {
            Ok(value) => Ok(Lookup::found(value, native_key)),
            Err(error) => Err(decrypter.failure("val", error)),
        }
    }
}

/// The keys, and where they were set.
pub(super) struct Decrypter<'a> {
    pub(super) keys: &'a FernetKeys,
    /// The file and line, or the variable, that set `[core] fernet_key`.
    pub(super) origin: Option<&'a str>,
}

impl Decrypter<'_> {
    /// What `cell` holds, decrypted where it is `encrypted`. An empty text never is.
    fn secret(
        &self,
        column: &str,
        cell: Cell,
        encrypted: &Cell,
    ) -> Result<Option<Secret>, Failure> {
        let mut text = match cell {
            Cell::Null => return Ok(None),
            Cell::Text(text) => text,
            _ => return Err(unreadable(column)),
        };
        if text.is_empty() || !encrypted.is_true() {
            return Ok(Some(Secret::from(mem::take(&mut *text))));
        }
        match self.keys.decrypt(&text) {
            Ok(secret) => Ok(Some(secret)),
            Err(error) => Err(self.failure(column, error)),
        }
    }

    /// Why `column` could not be decrypted, and what to do.
    fn failure(&self, column: &str, error: DecryptError) -> Failure {
        let origin = self
            .origin
            .map(|origin| format!(" ({origin})"))
            .unwrap_or_default();
        let (kind, message) = match error {
            DecryptError::NoKey => (
                FailureKind::Configuration,
                format!(
                    "`{column}` is encrypted and [core] fernet_key is not set; set \
                     AIRFLOW__CORE__FERNET_KEY to the key that Airflow uses (DB-1)"
                ),
            ),
            DecryptError::InvalidKey => (
                FailureKind::Configuration,
                format!(
                    "`{column}` is encrypted and [core] fernet_key{origin} is not a Fernet key: \
                     each of its keys (with a comma between them) must be 32 bytes in URL-safe \
                     base64, which is 44 characters (DB-2)"
                ),
            ),
            DecryptError::InvalidToken => (
                FailureKind::InvalidValue,
                format!(
                    "`{column}` cannot be decrypted: it is damaged, or was encrypted with a key \
                     that is not in [core] fernet_key{origin}; add that key, or save the \
                     value again (DB-17)"
                ),
            ),
            DecryptError::NotText => (
                FailureKind::InvalidValue,
                format!("the decrypted `{column}` is not UTF-8 (DB-17)"),
            ),
        };
        Failure::new(kind, message)
    }
}

impl Cell {
    /// The text, or `None` for NULL.
    fn text(self, column: &str) -> Result<Option<String>, Failure> {
        match self {
            Self::Null => Ok(None),
            Self::Text(mut text) => Ok(Some(mem::take(&mut *text))),
            _ => Err(unreadable(column)),
        }
    }

    /// The port, or `None` for NULL.
    fn port(self) -> Result<Option<u16>, Failure> {
        let port = match self {
            Self::Null => return Ok(None),
            Self::Integer(port) => u16::try_from(port).ok(),
            _ => None,
        };
        port.map(Some).ok_or_else(|| {
            Failure::invalid_value("`port` is not a whole number from 0 to 65535 (DB-3)")
        })
    }

    /// Whether a boolean column is true. SQLite stores 0 and 1; for anything else, Python's truth
    /// decides.
    fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Integer(number) => *number != 0,
            Self::Real(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes => true,
        }
    }
}

/// The failure for a `column` that holds what Airflow never writes there.
fn unreadable(column: &str) -> Failure {
    Failure::invalid_value(format!("`{column}` is not text in UTF-8"))
}
