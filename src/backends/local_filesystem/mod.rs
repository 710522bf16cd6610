//! Connections, variables and configuration entries from local files.
//!
//! `builder.rs` has the options, `file.rs` reads a file, `env.rs`, `json.rs` and `yaml/` know its
//! format; `value.rs` is what they give, `connection.rs` makes a connection of it.

mod builder;
mod connection;
mod env;
mod file;
mod json;
mod malformed;
mod repr;
mod timestamp;
mod to_json;
mod value;
mod yaml;

use std::rc::Rc;

use std::sync::Arc;

use async_trait::async_trait;

pub use builder::LocalFilesystemBuilder;

use self::{connection::Refusal, file::Format, value::Value};
use crate::{
    BackendSetup, ConfigurationError, Connection, Dialect, Failure, Lookup, Secret, SecretsBackend,
    SkipReason,
};

/// Connections, variables and configuration entries from `.env`, `.json`, `.yaml` and `.yml`
/// files; Airflow's `LocalFilesystemBackend`.
///
/// A file is read anew at each lookup, as in Airflow, so that a change counts at once; it is read
/// in place, without a thread of its own. A file with one bad connection, one syntax error or one
/// key with two values (`.env`) gives nothing: the [`Failure`] names the file and, where it is
/// known, the line and the key. YAML is YAML 1.1, as PyYAML reads it.
///
/// Airflow hands out a variable from JSON or YAML as the Python value it is; this backend hands
/// out its text, as `str` writes it: `10`, `True`, `['a', 'b']`. A variable that is `null` is
/// missing. Teams share the files, and connections are always read in [`Dialect::Core`], as there.
///
/// ```
/// use airflow_secrets::{Lookup, SecretsBackend, backends::LocalFilesystemBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), airflow_secrets::Failure> {
/// let path = std::env::temp_dir().join(format!("airflow-secrets-{}.env", std::process::id()));
/// let path = path.to_str().expect("a path of UTF-8");
/// std::fs::write(path, "colour=blue\n").expect("a folder to write to");
///
/// let backend = LocalFilesystemBackend::builder().variables_file_path(path).build();
/// assert_eq!(
///     backend.get_variable("colour", None).await?,
///     Lookup::found("blue".into(), format!("{path}#colour")),
/// );
/// # std::fs::remove_file(path).expect("the file just written");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LocalFilesystemBackend {
    options: LocalFilesystemBuilder,
}

/// One entry of a file.
struct Entry {
    key: Rc<Value>,
    value: Rc<Value>,
    /// The line of its key, from 1, where it is known.
    line: Option<usize>,
}

impl Entry {
    fn is_called(&self, name: &str) -> bool {
        matches!(&*self.key, Value::Text(key) if **key == name)
    }

    /// What is wrong with this entry of the file at `path`. A key is shown only if it looks like
    /// one: in a damaged file a password can be where a key should be.
    fn failure(&self, path: &str, problem: &str) -> Failure {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let key = match &*self.key {
            Value::Text(key) if key.len() <= 250 && key.chars().all(is_plain) => {
                format!("{:?}", key.as_str())
            }
            _ => "an entry".to_owned(),
        };
        let line = self
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        Failure::invalid_value(format!("{path}{line}: {key} {problem}"))
    }
}

impl LocalFilesystemBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "local_filesystem";

    /// Options for a new backend, with no file of any kind.
    #[must_use]
    pub fn builder() -> LocalFilesystemBuilder {
        LocalFilesystemBuilder::default()
    }

    /// The backend that settings name, with the arguments that Airflow's takes.
    ///
    /// # Errors
    /// As [`LocalFilesystemBuilder::from_kwargs`].
    pub fn from_setup(
        setup: BackendSetup<'_>,
    ) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
        Ok(Arc::new(
            LocalFilesystemBuilder::from_kwargs(setup.kwargs)?.build(),
        ))
    }

    fn with_options(options: LocalFilesystemBuilder) -> Self {
        Self { options }
    }
}

/// Looks `id` up in the file at `path` with `find`, if there is a file.
fn look_up<T>(
    path: Option<&str>,
    id: &str,
    find: impl FnOnce(&str, &str) -> Result<Option<T>, Failure>,
) -> Result<Lookup<T>, Failure> {
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Ok(Lookup::skipped(SkipReason::NoPrefix));
    };
    let native_key = format!("{path}#{id}");
    match find(path, id) {
        Ok(Some(value)) => Ok(Lookup::found(value, native_key)),
        Ok(None) => Ok(Lookup::missing(native_key)),
        Err(failure) => Err(failure.at(native_key)),
    }
}

/// Connection `conn_id` of the file at `path`, every connection of which must be one that
/// Airflow takes.
fn connection(path: &str, conn_id: &str) -> Result<Option<Connection>, Failure> {
    let (_, entries) = file::read(path)?;
    let mut found = None;
    for entry in &entries {
        let value = match &*entry.value {
            Value::List(values) => match values.as_slice() {
                [] => continue,
                [value] => value,
                _ => return Err(entry.failure(path, "is there more than once; leave one")),
            },
            _ => &entry.value,
        };
        let connection = match connection::create(conn_id, &entry.key, value) {
            Ok(connection) => Ok(connection),
            Err(Refusal::Entry(problem)) => Err(entry.failure(path, &problem)),
            Err(Refusal::File(problem)) => return Err(entry.failure(path, &problem)),
        };
        if entry.is_called(conn_id) {
            found = Some(connection);
        }
    }
    found.transpose()
}

/// Variable `key` of the file at `path`.
fn variable(path: &str, key: &str) -> Result<Option<Secret>, Failure> {
    let (format, entries) = file::read(path)?;
    if format == Format::Env {
        return single(path, key, &entries);
    }
    match entries.iter().find(|entry| entry.is_called(key)) {
        Some(entry) => text(path, entry, &entry.value),
        None => Ok(None),
    }
}

/// Configuration entry `key` of the file at `path`.
fn config(path: &str, key: &str) -> Result<Option<Secret>, Failure> {
    let (_, entries) = file::read(path)?;
    single(path, key, &entries)
}

/// The value of `key`, or the one in its list, where every list must have one.
fn single(path: &str, key: &str, entries: &[Entry]) -> Result<Option<Secret>, Failure> {
    let mut found = None;
    for entry in entries {
        let value = match &*entry.value {
            Value::List(values) => match values.as_slice() {
                [value] => value,
                _ => return Err(entry.failure(path, "must have one value")),
            },
            _ => &entry.value,
        };
        if entry.is_called(key) {
            found = Some((entry, value));
        }
    }
    match found {
        Some((entry, value)) => text(path, entry, value),
        None => Ok(None),
    }
}

/// `str(value)` of a JSON value, for other backends that hold values which are no texts; `None` if
/// it is longer than 16 MiB.
#[cfg(feature = "vault")]
pub(super) fn str_of_json(value: &crate::connection::python::json::Value<'_>) -> Option<Secret> {
    repr::str(&Value::from(value)).ok().map(Secret::from)
}

/// `str(value)`; for `None`, nothing.
fn text(path: &str, entry: &Entry, value: &Value) -> Result<Option<Secret>, Failure> {
    if matches!(value, Value::Null) {
        return Ok(None);
    }
    match repr::str(value) {
        Ok(text) => Ok(Some(Secret::from(text))),
        Err(repr::TooLong) => {
            Err(entry.failure(path, "is longer than 16 MiB when it is written out"))
        }
    }
}

#[async_trait]
impl SecretsBackend for LocalFilesystemBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    /// Skipped: the files hold connections, not their text. Ask for the connection.
    async fn get_conn_value(&self, _: &str, _: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        Ok(Lookup::skipped(SkipReason::NotOffered))
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        _team: Option<&str>,
        _dialect: Dialect,
    ) -> Result<Lookup<Connection>, Failure> {
        look_up(self.options.connections.as_deref(), conn_id, connection)
    }

    async fn get_variable(
        &self,
        key: &str,
        _team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        look_up(self.options.variables.as_deref(), key, variable)
    }

    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        look_up(self.options.configs.as_deref(), key, config)
    }
}
