//! Connections, variables and configuration entries from local files.
//!
//! `builder.rs` has the options, `file.rs` reads a file, `env.rs`, `json.rs` and `yaml/` know its
//! format; `value.rs` is what they give, `find.rs` looks ids up in it, `connection.rs` makes a
//! connection of an entry. `project/` is another backend: the files that Airflow's commands export, and
//! those of an Astro project.

mod builder;
mod connection;
mod env;
mod file;
mod find;
mod json;
mod malformed;
mod project;
mod to_json;
mod value;
mod yaml;

use async_trait::async_trait;

pub use builder::LocalFilesystemBuilder;
pub use project::{LocalProjectBackend, LocalProjectBuilder};

use self::{
    builder::{CONFIGS, CONNECTIONS, VARIABLES},
    file::Format,
    find::Find,
};
use crate::{
    ConfigurationError, Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, SkipReason},
    backends::registry::BackendSetup,
    background,
};

/// Connections, variables and configuration entries from `.env`, `.json`, `.yaml` and `.yml`
/// files; Airflow's `LocalFilesystemBackend`.
///
/// A file is read anew at each lookup, as in Airflow, so that a change counts at once; many ids at
/// once are one reading. It is read on a thread of its own, and may be 16 MiB large. YAML is YAML
/// 1.1, as PyYAML reads it.
///
/// A file with one bad connection, one syntax error or one key with two values (`.env`) gives
/// nothing, as in Airflow: the [`Failure`] names the file and, where it is known, the line. It is of
/// kind [`InvalidValue`](crate::backend::FailureKind::InvalidValue) for the id of the bad entry, and
/// [`Unavailable`](crate::backend::FailureKind::Unavailable) for every other id: nobody knows
/// whether the file defines it.
///
/// Airflow hands out a variable from JSON or YAML as the Python value it is; this backend hands out
/// a text as it is, and anything else as JSON text: `10`, `true`, `["a", "b"]`. A variable that is
/// `null` is missing. Teams share the files, and connections are always read in [`Dialect::Core`](crate::Dialect::Core), as there.
///
/// ```
/// use airflow_secrets::{
///     Lookup, SecretsBackend, backend::LookupOptions, backends::local_filesystem::LocalFilesystemBackend,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), airflow_secrets::Failure> {
/// let path = std::env::temp_dir().join(format!("airflow-secrets-{}.env", std::process::id()));
/// let path = path.to_str().expect("a path of UTF-8");
/// std::fs::write(path, "colour=blue\n").expect("a folder to write to");
///
/// let backend = LocalFilesystemBackend::builder().variables_file_path(path).build();
/// assert_eq!(
///     backend.get_variable("colour", &LookupOptions::new()).await?,
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

impl LocalFilesystemBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "local_filesystem";

    /// Options for a new backend; by default no file is set.
    #[must_use]
    pub fn builder() -> LocalFilesystemBuilder {
        LocalFilesystemBuilder::default()
    }

    /// The backend that settings name, with the arguments that Airflow's takes.
    ///
    /// # Errors
    /// As [`LocalFilesystemBuilder::from_kwargs`].
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        Ok(LocalFilesystemBuilder::from_kwargs(setup.kwargs)?.build())
    }

    fn with_options(options: LocalFilesystemBuilder) -> Self {
        Self { options }
    }
}

/// A YAML text as JSON, read as the files of this backend are.
///
/// # Errors
/// What is wrong with the text, and in which line.
#[cfg(feature = "kubernetes")]
pub(super) fn yaml_as_json(content: &str) -> Result<Secret, String> {
    yaml::as_json(&crate::python::text::universal_newlines(content))
}

/// Looks `ids` up in the file at `path`, if there is one, with `find`; `setting` is the file's, and
/// `otherwise` its format where its suffix says none.
async fn look_up<T: Clone + Send + 'static>(
    path: Option<&str>,
    otherwise: Option<Format>,
    setting: &'static str,
    ids: &[&str],
    find: Find<T>,
) -> Vec<Result<Lookup<T>, Failure>> {
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        let skipped = Lookup::skipped(SkipReason::NotSet(setting.into()));
        return vec![Ok(skipped); ids.len()];
    };
    let owned = ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let path_of_file = path.to_owned();
    let found = background::run(move || find::all(&path_of_file, otherwise, &owned, find)).await;
    let found = found.unwrap_or_else(|error| {
        let failure = Failure::unavailable(format!("{path}: cannot be read: {error}"));
        vec![Err(failure); ids.len()]
    });
    let answers = ids.iter().zip(found).map(|(id, found)| {
        let native_key = format!("{path}#{id}");
        match found {
            Ok(Some(value)) => Ok(Lookup::found(value, native_key)),
            Ok(None) => Ok(Lookup::missing(native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    });
    answers.collect()
}

/// The one answer of a lookup for one id.
fn only<T>(answers: Vec<Result<Lookup<T>, Failure>>) -> Result<Lookup<T>, Failure> {
    let none = || Err(Failure::unavailable("the file was not asked"));
    answers.into_iter().next().unwrap_or_else(none)
}

#[async_trait]
impl SecretsBackend for LocalFilesystemBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        only(self.get_connections(&[conn_id], options).await)
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        only(self.get_variables(&[key], options).await)
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        only(self.get_configs(&[key], options).await)
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let path = self.options.connections.as_deref();
        look_up(path, None, CONNECTIONS, conn_ids, find::connections).await
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let path = self.options.variables.as_deref();
        look_up(path, None, VARIABLES, keys, find::variables).await
    }

    async fn get_configs(
        &self,
        keys: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let path = self.options.configs.as_deref();
        look_up(path, None, CONFIGS, keys, find::configs).await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.get_connection(CHECK_ID, options).await?;
        self.get_variable(CHECK_ID, options).await?;
        self.get_config(CHECK_ID, options).await?;
        let LocalFilesystemBuilder {
            connections,
            variables,
            configs,
            ..
        } = &self.options;
        let set = [connections, variables, configs].into_iter().flatten();
        let set: Vec<&str> = set
            .map(String::as_str)
            .filter(|path| !path.is_empty())
            .collect();
        Ok(match set.as_slice() {
            [] => CheckOutcome::skipped(SkipReason::NoPrefix),
            set => CheckOutcome::reachable(set.join(", ")),
        })
    }
}
