//! The metadata DB that settings name, as the last source of the server side.

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use async_trait::async_trait;

#[cfg(feature = "_metastore")]
use crate::backends::metastore::MetastoreBuilder;
use crate::{
    ConfigurationError, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, LookupOptions, SkipReason},
    config::{DEFAULT_ORIGIN, RawSetting, Setting, Settings},
};

/// The metadata DB's name in reports and logs.
const NAME: &str = "metastore";

/// The arguments of SQLAlchemy's `create_engine` that can change what is read: through a map of
/// schemas, a plug-in, or other arguments for the driver.
#[cfg(feature = "_metastore")]
const ENGINE_ARGUMENTS: [&str; 3] = ["connect_args", "execution_options", "plugins"];

/// What Airflow's supervisor puts in place of a task's `sql_alchemy_conn`.
const NOT_FOR_TASKS: &str = "airflow-db-not-allowed:///";

/// How the metadata DB is asked, beside the settings.
#[derive(Default)]
pub(super) struct Options {
    #[cfg(feature = "_metastore")]
    change: Option<Box<dyn Fn(MetastoreBuilder) -> MetastoreBuilder + Send + Sync>>,
}

impl Options {
    /// What the program changes once the settings have filled the builder.
    #[cfg(feature = "_metastore")]
    pub(super) fn new(
        change: impl Fn(MetastoreBuilder) -> MetastoreBuilder + Send + Sync + 'static,
    ) -> Self {
        Self {
            change: Some(Box::new(change)),
        }
    }

    /// The metadata DB of `[database] sql_alchemy_conn`. Where it is not set and the file of
    /// Airflow's default does not exist, no database is configured: the source is skipped. An
    /// engine whose feature is off, or a setting that only Python can follow, is a failure of each
    /// lookup, not of the whole resolver: the other sources may define the id.
    pub(super) async fn source(
        &self,
        settings: &Settings,
        custom: Option<&dyn SecretsBackend>,
    ) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
        let Some(url) = settings.sql_alchemy_conn(custom).await? else {
            return Ok(Arc::new(OutOfReach::NotConfigured(
                "[database] sql_alchemy_conn is not set".into(),
            )));
        };
        if url.value.expose() == NOT_FOR_TASKS {
            return Err(url.error(
                "Airflow sets this text for its tasks, which must not read the metadata DB: make \
                 the resolver with `Resolver::for_worker()`",
            ));
        }
        if is_relative_sqlite(url.value.expose()) {
            let problem = "names a SQLite file by a relative path, with which Airflow does not \
                           start; write sqlite:////absolute/path/airflow.db (or make AIRFLOW_HOME \
                           absolute)";
            return Err(url.error(problem));
        }
        if url.origin() == DEFAULT_ORIGIN && !default_database(settings).exists() {
            return Ok(Arc::new(unset(settings, custom)?));
        }
        if let Some(feature) = missing_feature(url.value.expose()) {
            return Ok(Arc::new(OutOfReach::Failing(format!(
                "the metadata DB of [database] sql_alchemy_conn ({}) was not asked: enable \
                 airflow-secrets' cargo feature {feature:?} (RES-5)",
                url.origin()
            ))));
        }
        self.connected(settings, custom, url).await
    }

    /// The backend, which connects at the first lookup.
    #[cfg(feature = "_metastore")]
    async fn connected(
        &self,
        settings: &Settings,
        custom: Option<&dyn SecretsBackend>,
        url: Setting,
    ) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
        let mut builder = crate::backends::metastore::MetastoreBackend::builder()
            .environment(settings.environment())
            .origin(url.origin())
            .url(url.value);
        if let Some(schema) = settings.sql_alchemy_schema()? {
            builder = builder.schema(schema.value.expose());
        }
        if let Some(key) = settings.fernet_key(custom).await? {
            builder = builder
                .fernet_key_origin(key.origin())
                .fernet_key(Some(key.value));
        }
        if let Some(change) = &self.change {
            builder = change(builder);
        }
        if let Some(failing) = only_python_can_follow(settings, custom, &builder).await? {
            return Ok(Arc::new(failing));
        }
        Ok(Arc::new(builder.build()?))
    }

    /// A URL that no feature covers names no database that Airflow can use: it would not start either.
    #[cfg(not(feature = "_metastore"))]
    #[allow(clippy::unused_async, reason = "its twin, which connects, waits")]
    async fn connected(
        &self,
        _: &Settings,
        _: Option<&dyn SecretsBackend>,
        url: Setting,
    ) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
        Err(url.error(
            "must be the URL of a database that Airflow can use: it must start with sqlite, \
             postgresql or mysql",
        ))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

/// The source where a setting changes what Airflow is told by the database, and only Python can
/// follow it: it may be another schema, or a connection that is less safe.
#[cfg(feature = "_metastore")]
async fn only_python_can_follow(
    settings: &Settings,
    custom: Option<&dyn SecretsBackend>,
    builder: &MetastoreBuilder,
) -> Result<Option<OutOfReach>, ConfigurationError> {
    let set = async |key| {
        let setting = settings.resolve("database", key, custom).await?;
        Ok::<_, ConfigurationError>(setting.filter(|setting| !setting.value.is_empty()))
    };
    let failing = |setting: &Setting, problem: &str| {
        Ok(Some(OutOfReach::Failing(
            setting.error(problem).to_string(),
        )))
    };
    if let Some(setting) = set("sql_alchemy_connect_args").await?
        && !builder.has_connect_args()
    {
        return failing(
            &setting,
            "names a Python object, which cannot be read here; write its entries into the URL of \
             [database] sql_alchemy_conn (`?sslmode=require`) and remove it, or give them to \
             `FromEnvironment::metastore` with `MetastoreBuilder::connect_args` (DB-15)",
        );
    }
    if let Some(setting) = set("sql_alchemy_session_maker").await? {
        return failing(
            &setting,
            "names a Python function, which cannot be called here; remove it for this program if \
             its sessions read the database of [database] sql_alchemy_conn (DB-15)",
        );
    }
    if let Some(setting) = set("sql_alchemy_engine_args").await? {
        let arguments = serde_json::from_str::<serde_json::Value>(setting.value.expose());
        let is_set = |name: &str| arguments.as_ref().is_ok_and(|set| set.get(name).is_some());
        if let Some(name) = ENGINE_ARGUMENTS.into_iter().find(|name| is_set(name)) {
            let problem = format!(
                "sets {name:?}, which only SQLAlchemy can follow; remove it for this program if it \
                 changes neither schema nor database (DB-15)"
            );
            return failing(&setting, &problem);
        }
    }
    Ok(None)
}

/// The metadata DB as a task's custom backend: Airflow 3 never lets a task read it, whatever the
/// settings say.
pub(super) fn of_a_task() -> Arc<dyn SecretsBackend> {
    Arc::new(OutOfReach::NotConfigured(
        "an Airflow task must not read the metadata DB".into(),
    ))
}

/// The source where no URL is set and Airflow's default file does not exist. A `_SECRET` that the
/// custom backend does not answer names a database all the same: each lookup fails.
fn unset(
    settings: &Settings,
    custom: Option<&dyn SecretsBackend>,
) -> Result<OutOfReach, ConfigurationError> {
    let Some(RawSetting::InBackend { origin, .. }) =
        settings.get("database", "sql_alchemy_conn")?
    else {
        return Ok(OutOfReach::NotConfigured(
            format!(
                "[database] sql_alchemy_conn is not set, and {} does not exist",
                default_database(settings).display()
            )
            .into(),
        ));
    };
    let problem = match custom {
        Some(backend) => format!(
            "the secrets backend {} does not hold the configuration entry that it names; add the \
             entry, or correct its name",
            backend.name()
        ),
        None => "no secrets backend is configured that could hold the entry that it names; set \
                 [secrets] backend"
            .to_owned(),
    };
    Ok(OutOfReach::Failing(format!(
        "[database] sql_alchemy_conn ({origin}): {problem}"
    )))
}

/// Whether Airflow sees a relative path in `url`; the database in memory alone may be named so.
fn is_relative_sqlite(url: &str) -> bool {
    url.starts_with("sqlite") && url != "sqlite://" && !url.starts_with("sqlite:////")
}

fn default_database(settings: &Settings) -> std::path::PathBuf {
    Path::new(settings.airflow_home()).join("airflow.db")
}

/// The feature that this URL's engine needs and this build lacks.
fn missing_feature(url: &str) -> Option<&'static str> {
    let scheme = url.split("://").next().unwrap_or_default();
    let engine = scheme.split('+').next().unwrap_or_default();
    match engine {
        "sqlite" if !cfg!(feature = "sqlite") => Some("sqlite"),
        "postgres" | "postgresql" if !cfg!(feature = "postgres") => Some("postgres"),
        "mysql" | "mariadb" if !cfg!(feature = "mysql") => Some("mysql"),
        _ => None,
    }
}

/// A metadata DB that this program cannot ask, and why.
#[derive(Debug)]
enum OutOfReach {
    /// No database is configured: it is skipped.
    NotConfigured(Cow<'static, str>),
    /// One is, and a setting is missing or wrong: each lookup fails.
    Failing(String),
}

impl OutOfReach {
    fn answer(&self) -> Result<SkipReason, Failure> {
        match self {
            Self::NotConfigured(what) => Ok(SkipReason::NotConfigured(what.clone())),
            Self::Failing(message) => Err(Failure::configuration(message.clone())),
        }
    }
}

#[async_trait]
impl SecretsBackend for OutOfReach {
    fn name(&self) -> &str {
        NAME
    }

    async fn get_conn_value(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        self.answer().map(Lookup::skipped)
    }

    async fn get_variable(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        self.answer().map(Lookup::skipped)
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.answer().map(CheckOutcome::skipped)
    }
}
