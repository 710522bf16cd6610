//! Connections and variables written out, so that a program can seed an Airflow or a test.
//!
//! - [`Connection::to_env_line`](crate::Connection::to_env_line): a line for a `.env` file or a shell.
//! - [`connections_to_json`], [`connections_to_yaml`], [`connections_to_env`]: the files of
//!   `airflow connections export`, which `airflow connections import`, Airflow's local filesystem backend
//!   and this crate's read.
//! - [`variables_to_json`]: a file that `airflow variables import` and the local filesystem backends read.
//!
//! All of them hold the secrets in clear, and so are [`Secret`]s themselves: whoever writes one to a file
//! keeps others from reading it.
//!
//! ```
//! use airflow_secrets::{Connection, Dialect, export};
//!
//! let pg = Connection::from_uri("pg", "postgres://app:s3cret@db:5432/orders", Dialect::Core)?;
//! let file = export::connections_to_env([&pg], export::EnvForm::Uri)?;
//! assert_eq!(file.expose(), "pg=postgres://app:s3cret@db:5432/orders\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod env_line;
mod files;

use std::{borrow::Cow, collections::HashSet, ops::Deref};

pub(crate) use self::env_line::env_line;
use self::files::{EnvFile, JsonFile, VariablesFile, YamlFile};
use crate::{Connection, Secret, python::Written as _};

/// How [`connections_to_env`] writes a connection: `--serialization-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EnvForm {
    /// [`Connection::get_uri`]: Airflow's default, which every reader takes. No URI holds a description,
    /// nor tells an empty field from one that is not set.
    #[default]
    Uri,
    /// A JSON object with every field. `airflow connections import` takes it for a URI; this crate reads it
    /// (`PROJECT-1`).
    Json,
}

/// Why something cannot be written out: what, and what is wrong with it; never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject} cannot be written out: {problem}")]
pub struct ExportError {
    subject: String,
    problem: Cow<'static, str>,
}

impl ExportError {
    fn connection(conn_id: &str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            subject: format!("connection {conn_id:?}"),
            problem: problem.into(),
        }
    }

    /// What is wrong, without the id.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

const TWICE: &str = "the id was given twice; a reader would take one of the two";

/// The file of `airflow connections export FILE.json`: an object with a member for each id, in the order
/// given, that holds all of the connection's fields.
///
/// # Errors
/// [`ExportError`] where an id comes twice.
pub fn connections_to_json(
    connections: impl IntoIterator<Item = impl Deref<Target = Connection>>,
) -> Result<Secret, ExportError> {
    Ok(JsonFile(&each_once(connections)?).to_secret())
}

/// The file of `airflow connections export FILE.yaml`, in the order given. Every text stands between
/// double quotes, so that each version of YAML reads it alike.
///
/// # Errors
/// [`ExportError`] where an id comes twice.
pub fn connections_to_yaml(
    connections: impl IntoIterator<Item = impl Deref<Target = Connection>>,
) -> Result<Secret, ExportError> {
    Ok(YamlFile(&each_once(connections)?).to_secret())
}

/// The file of `airflow connections export FILE.env`: a line `conn_id=…` for each, in the order given.
///
/// It is not for the environment: there, the name begins with `AIRFLOW_CONN_`, and the line is
/// [`Connection::to_env_line`].
///
/// # Errors
/// [`ExportError`] where an id comes twice, cannot begin a line (it is empty, contains a `=` or a line's
/// end, or begins with a `#`), or where a type or a host's protocol contains a line's end.
pub fn connections_to_env(
    connections: impl IntoIterator<Item = impl Deref<Target = Connection>>,
    form: EnvForm,
) -> Result<Secret, ExportError> {
    let connections = each_once(connections)?;
    for connection in &connections {
        files::check_line(connection, form)?;
    }
    Ok(EnvFile(&connections, form).to_secret())
}

/// A file that `airflow variables import` and the local filesystem backends read: a JSON object with the
/// text of each variable, in the order given.
///
/// `airflow variables export` writes a variable that is JSON as JSON, whose text then is another one after
/// the import (`{"a":1}` becomes `{"a": 1}`). As text, each comes back as it is.
///
/// # Errors
/// [`ExportError`] where a key comes twice.
///
/// ```
/// use airflow_secrets::{Secret, export};
///
/// let colours = Secret::from("[\"blue\"]");
/// let file = export::variables_to_json([("colours", &colours)])?;
/// assert_eq!(file.expose(), "{\n    \"colours\": \"[\\\"blue\\\"]\"\n}");
/// # Ok::<(), export::ExportError>(())
/// ```
pub fn variables_to_json<'v>(
    variables: impl IntoIterator<Item = (&'v str, &'v Secret)>,
) -> Result<Secret, ExportError> {
    let variables = variables.into_iter().collect::<Vec<_>>();
    if let Some(key) = first_repeated(variables.iter().map(|(key, _)| *key)) {
        return Err(ExportError {
            subject: format!("variable {key:?}"),
            problem: TWICE.into(),
        });
    }
    Ok(VariablesFile(&variables).to_secret())
}

/// The connections, each id once.
fn each_once<C: Deref<Target = Connection>>(
    connections: impl IntoIterator<Item = C>,
) -> Result<Vec<C>, ExportError> {
    let connections = connections.into_iter().collect::<Vec<_>>();
    match first_repeated(connections.iter().map(|one| one.conn_id())) {
        Some(conn_id) => Err(ExportError::connection(conn_id, TWICE)),
        None => Ok(connections),
    }
}

fn first_repeated<'i>(mut ids: impl Iterator<Item = &'i str>) -> Option<&'i str> {
    let mut seen = HashSet::new();
    ids.find(|id| !seen.insert(*id))
}
