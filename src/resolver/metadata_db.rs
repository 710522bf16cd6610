//! The metadata DB that settings name, as the last source of the server side.

use std::{borrow::Cow, path::Path, sync::Arc};

use async_trait::async_trait;

use crate::{
    ConfigurationError, Failure, Lookup, Secret, SecretsBackend, Setting, Settings, SkipReason,
    Warning, config::DEFAULT_ORIGIN,
};

/// What the metadata DB is called in reports and logs.
const NAME: &str = "metastore";

/// The metadata DB of `[database] sql_alchemy_conn`. Where nothing names one and the file of
/// Airflow's default is not there, nothing is configured: the source is skipped. An engine whose
/// feature is off is a failure of each lookup, not of the whole resolver, whose other sources may
/// well have what is asked for.
pub(super) async fn from_settings(
    settings: &Settings,
    custom: Option<&dyn SecretsBackend>,
    warnings: &mut Vec<Warning>,
) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
    let Some(url) = settings.sql_alchemy_conn(custom).await? else {
        return Ok(Arc::new(OutOfReach::not_configured(
            "no metadata DB is named",
        )));
    };
    if is_relative_sqlite(url.value.expose()) {
        let problem = "names a SQLite file by a relative path, with which Airflow does not start; \
                       write sqlite:////absolute/path/airflow.db (or make AIRFLOW_HOME absolute)";
        return Err(ConfigurationError::new(
            "[database] sql_alchemy_conn",
            url.origin,
            problem,
        ));
    }
    if url.origin == DEFAULT_ORIGIN && !default_database(settings).exists() {
        return Ok(Arc::new(OutOfReach::not_configured(
            "[database] sql_alchemy_conn is not set, and there is no airflow.db in the Airflow home",
        )));
    }
    if let Some(feature) = missing_feature(url.value.expose()) {
        return Ok(Arc::new(OutOfReach::not_built_in(&url.origin, feature)));
    }
    connected(settings, custom, url, warnings).await
}

/// Whether Airflow sees a relative path in `url`; the database in memory alone may be named so.
fn is_relative_sqlite(url: &str) -> bool {
    url.starts_with("sqlite") && url != "sqlite://" && !url.starts_with("sqlite:////")
}

/// The backend, which connects at the first lookup.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
async fn connected(
    settings: &Settings,
    custom: Option<&dyn SecretsBackend>,
    url: Setting,
    warnings: &mut Vec<Warning>,
) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
    let mut builder = crate::backends::MetastoreBackend::builder()
        .url(url.value)
        .origin(url.origin);
    if let Some(schema) = settings.sql_alchemy_schema()? {
        builder = builder.schema(schema.value.expose());
    }
    if let Some(key) = settings.fernet_key(custom).await? {
        builder = builder
            .fernet_key(Some(key.value))
            .fernet_key_origin(key.origin);
    }
    let backend = builder.build()?;
    warnings.extend(backend.warnings().iter().cloned());
    Ok(Arc::new(backend))
}

/// What no feature would bring is no database that Airflow knows: it would not start either.
#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
#[allow(clippy::unused_async, reason = "its twin, which connects, waits")]
async fn connected(
    _: &Settings,
    _: Option<&dyn SecretsBackend>,
    url: Setting,
    _: &mut Vec<Warning>,
) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
    Err(ConfigurationError::new(
        "[database] sql_alchemy_conn",
        url.origin,
        "this is no URL of a database that Airflow keeps its metadata in: it starts with sqlite, \
         postgresql or mysql",
    ))
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

/// A metadata DB that this program cannot ask.
#[derive(Debug)]
struct OutOfReach {
    why: Why,
}

#[derive(Debug)]
enum Why {
    NotConfigured(&'static str),
    NotBuiltIn(String),
}

impl OutOfReach {
    fn not_configured(what: &'static str) -> Self {
        Self {
            why: Why::NotConfigured(what),
        }
    }

    fn not_built_in(origin: &str, feature: &str) -> Self {
        Self {
            why: Why::NotBuiltIn(format!(
                "the metadata DB of [database] sql_alchemy_conn ({origin}) was not asked: enable \
                 airflow-secrets' cargo feature {feature:?}"
            )),
        }
    }

    fn answer(&self) -> Result<Lookup<Secret>, Failure> {
        match &self.why {
            Why::NotConfigured(what) => Ok(Lookup::skipped(SkipReason::NotConfigured(
                Cow::Borrowed(what),
            ))),
            Why::NotBuiltIn(message) => Err(Failure::configuration(message.clone())),
        }
    }
}

#[async_trait]
impl SecretsBackend for OutOfReach {
    fn name(&self) -> &str {
        NAME
    }

    async fn get_conn_value(&self, _: &str, _: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        self.answer()
    }

    async fn get_variable(&self, _: &str, _: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        self.answer()
    }
}
