//! The files of a project on a developer's machine: `airflow_settings.yaml` of the Astro CLI
//! (`astro_settings.rs`), and what Airflow's commands export (`exports.rs`).

mod astro_settings;
mod builder;
mod exports;

use async_trait::async_trait;

pub use builder::LocalProjectBuilder;

use self::builder::{AIRFLOW_SETTINGS, CONNECTIONS_EXPORT, VARIABLES_EXPORT};
use super::{file::Format, find::Find, look_up, only};
use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, SkipReason},
};

/// Connections and variables from the files of a project: `airflow_settings.yaml` of an Astro project,
/// and the files that `airflow connections export` and `airflow variables export` write.
///
/// Each file gives what an Airflow would have that it was loaded into, by `astro dev` or by `airflow
/// connections import` and `airflow variables import`. `airflow_settings.yaml` comes before the
/// exported files. A file is read anew at each lookup, and may be 16 MiB large.
///
/// - **`airflow_settings.yaml`**: `connections` and `variables` below `airflow`; `pools` are passed over.
///   A connection with an empty `conn_id`, and a variable whose name or value is empty, are passed over
///   as well. `conn_uri` counts where no other field is set. Of two with the same name, the last counts.
///   It is read as the Astro CLI reads it: the first YAML document alone, an empty one defines nothing,
///   keys in any case, and values without quotes by the rules of Go's YAML, where `yes`, `on` and `1:30`
///   are text. Differences that stay are PROJECT-2 to PROJECT-6.
/// - **Connections**: JSON, YAML or `.env`, by the file's suffix; JSON where it has none of these. In a
///   `.env` file, `--serialization-format json` is read too, which Airflow's own import does not
///   (PROJECT-1).
/// - **Variables**: JSON, or what else `airflow variables import` takes. `{"value": …, "description": …}`
///   gives the value. A value that is not text is given as JSON text, `null` too.
///
/// What a connection or variable has that this crate does not take is a [`Failure`] of kind
/// [`InvalidValue`](crate::backend::FailureKind::InvalidValue) for that id, or of kind
/// [`Unavailable`](crate::backend::FailureKind::Unavailable) for every id where the file cannot be read.
///
/// ```
/// use airflow_secrets::{
///     Lookup, SecretsBackend, backend::LookupOptions, backends::local_filesystem::LocalProjectBackend,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), airflow_secrets::Failure> {
/// let name = format!("airflow-secrets-{}-settings.yaml", std::process::id());
/// let path = std::env::temp_dir().join(name);
/// let path = path.to_str().expect("a path of UTF-8");
/// let text = "airflow: {variables: [{variable_name: colour, variable_value: blue}]}";
/// std::fs::write(path, text).expect("a folder to write to");
///
/// let backend = LocalProjectBackend::builder().airflow_settings(path).build();
/// assert_eq!(
///     backend.get_variable("colour", &LookupOptions::new()).await?,
///     Lookup::found("blue".into(), format!("{path}#colour")),
/// );
/// # std::fs::remove_file(path).expect("the file just written");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LocalProjectBackend {
    options: LocalProjectBuilder,
}

impl LocalProjectBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "local_project";

    /// Options for a new backend; by default no file is set.
    #[must_use]
    pub fn builder() -> LocalProjectBuilder {
        LocalProjectBuilder::default()
    }

    fn with_options(options: LocalProjectBuilder) -> Self {
        Self { options }
    }

    /// Looks `ids` up in `airflow_settings.yaml`, and those that it does not define in `exported`.
    async fn look_up<T: Clone + Send + 'static>(
        &self,
        ids: &[&str],
        in_settings: Find<T>,
        exported: Option<&str>,
        setting: &'static str,
        in_exported: Find<T>,
    ) -> Vec<Result<Lookup<T>, Failure>> {
        let settings = self.options.airflow_settings.as_deref();
        let yaml = Some(Format::AstroSettings);
        let mut answers = look_up(settings, yaml, AIRFLOW_SETTINGS, ids, in_settings).await;
        let open = answers
            .iter_mut()
            .zip(ids)
            .filter(|(answer, _)| match answer {
                Ok(Lookup::Missing { .. }) => exported.is_some_and(|path| !path.is_empty()),
                Ok(Lookup::Skipped { .. }) => true,
                _ => false,
            });
        let (open, open_ids): (Vec<_>, Vec<&str>) = open.map(|(answer, id)| (answer, *id)).unzip();
        if !open.is_empty() {
            let json = Some(Format::Json);
            let found = look_up(exported, json, setting, &open_ids, in_exported).await;
            for (answer, found) in open.into_iter().zip(found) {
                *answer = found;
            }
        }
        answers
    }
}

#[async_trait]
impl SecretsBackend for LocalProjectBackend {
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

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        self.look_up(
            conn_ids,
            astro_settings::connections,
            self.options.connections_export.as_deref(),
            CONNECTIONS_EXPORT,
            exports::connections,
        )
        .await
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.look_up(
            keys,
            astro_settings::variables,
            self.options.variables_export.as_deref(),
            VARIABLES_EXPORT,
            exports::variables,
        )
        .await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.get_connection(CHECK_ID, options).await?;
        self.get_variable(CHECK_ID, options).await?;
        let LocalProjectBuilder {
            airflow_settings,
            connections_export,
            variables_export,
            ..
        } = &self.options;
        let set = [airflow_settings, connections_export, variables_export];
        let set: Vec<&str> = set
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|path| !path.is_empty())
            .collect();
        Ok(match set.as_slice() {
            [] => CheckOutcome::skipped(SkipReason::NoPrefix),
            set => CheckOutcome::reachable(set.join(", ")),
        })
    }
}
