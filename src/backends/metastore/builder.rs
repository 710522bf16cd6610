//! The options of a [`MetastoreBackend`], and the backend they make.

use std::{sync::Arc, time::Duration};

use super::{
    MetastoreBackend,
    driver::Driver,
    fernet::FernetKeys,
    limits::Limits,
    url::{DatabaseUrl, Engine},
};
use crate::{ConfigurationError, Secret, Warning};

/// The setting that holds the database's URL.
const URL_SETTING: &str = "[database] sql_alchemy_conn";

/// The options of a [`MetastoreBackend`]. What is not set has the default that its method names.
#[derive(Debug, Clone)]
pub struct MetastoreBuilder {
    url: Option<Secret>,
    origin: Option<String>,
    schema: Option<String>,
    fernet_key: Option<Secret>,
    fernet_key_origin: Option<String>,
    pub(super) limits: Limits,
}

impl Default for MetastoreBuilder {
    fn default() -> Self {
        Self {
            url: None,
            origin: None,
            schema: None,
            fernet_key: None,
            fernet_key_origin: None,
            limits: Limits {
                max_connections: 4,
                acquire_timeout: Duration::from_secs(5),
                statement_timeout: Duration::from_secs(10),
                idle_timeout: Duration::from_secs(60),
            },
        }
    }
}

impl MetastoreBuilder {
    /// The database's URL, as `[database] sql_alchemy_conn` has it. Must be set.
    #[must_use]
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Where the URL was set, for error messages: a variable's name, or a file and line. By
    /// default, that the program set it.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The schema that Airflow's tables are in, as `[database] sql_alchemy_schema` has it. By
    /// default, and where it is blank, whichever the database looks into first.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The keys that passwords, extras and variables are encrypted with, as `[core] fernet_key`
    /// has them: several with a comma between them. By default there is none. A text that is no
    /// key is only noticed when something has to be decrypted, as in Airflow.
    #[must_use]
    pub fn fernet_key(mut self, key: Option<Secret>) -> Self {
        self.fernet_key = key;
        self
    }

    /// Where the Fernet key was set, for error messages: a variable's name, or a file and line.
    #[must_use]
    pub fn fernet_key_origin(mut self, origin: impl Into<String>) -> Self {
        self.fernet_key_origin = Some(origin.into());
        self
    }

    /// How many connections to PostgreSQL or MySQL there may be at once; by default 4. SQLite is
    /// read by one thread.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.max_connections = connections.max(1);
        self
    }

    /// How long a lookup waits for a connection to be free and, if need be, made; by default 5
    /// seconds. With SQLite, how long it waits for another process to let go of the file.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.limits.acquire_timeout = timeout;
        self
    }

    /// How long PostgreSQL or MySQL may take to answer; by default 10 seconds. A connection whose
    /// answer did not come in time is given up.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.limits.statement_timeout = timeout;
        self
    }

    /// How long a connection to PostgreSQL or MySQL is kept without being used; by default 60
    /// seconds.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// The backend. Nothing connects yet.
    ///
    /// # Errors
    /// When the URL is missing or none, is of a database whose feature is off, or has an option
    /// that cannot be honoured and would weaken TLS if it were passed over.
    pub fn build(self) -> Result<MetastoreBackend, ConfigurationError> {
        let origin = self.origin.as_deref().unwrap_or("set by the program");
        let error = |message: String| ConfigurationError::new(URL_SETTING, origin, message);
        let url = self.url.as_ref().map_or("", Secret::expose);
        if url.is_empty() {
            return Err(error(
                "is not set; set it to the database that Airflow uses".to_owned(),
            ));
        }
        let url = DatabaseUrl::parse(url).map_err(|url_error| error(url_error.to_string()))?;
        let schema = self.schema.filter(|schema| !schema.trim().is_empty());
        let mut ignored = Vec::new();
        let driver = driver(&url, schema.as_deref(), self.limits, &mut ignored).map_err(error)?;
        let warnings = ignored
            .into_iter()
            .map(|message| Warning::new(URL_SETTING, origin, message))
            .collect();
        Ok(MetastoreBackend::new(
            driver,
            schema,
            FernetKeys::parse(self.fernet_key.as_ref()),
            self.fernet_key_origin,
            warnings,
        ))
    }
}

/// The driver for `url`. What it passes over goes into `ignored`.
fn driver(
    url: &DatabaseUrl,
    schema: Option<&str>,
    limits: Limits,
    ignored: &mut Vec<String>,
) -> Result<Arc<dyn Driver>, String> {
    match url.engine {
        #[cfg(feature = "sqlite")]
        Engine::Sqlite => Ok(Arc::new(super::sqlite::Sqlite::from_url(
            url, schema, limits, ignored,
        ))),
        #[cfg(feature = "postgres")]
        Engine::Postgres => Ok(Arc::new(super::postgres::Postgres::from_url(
            url, schema, limits, ignored,
        )?)),
        #[cfg(feature = "mysql")]
        Engine::MySql => Ok(Arc::new(super::mysql::MySql::from_url(
            url, schema, limits, ignored,
        )?)),
        #[allow(unreachable_patterns)]
        engine => {
            let feature = match engine {
                Engine::Sqlite => "sqlite",
                Engine::Postgres => "postgres",
                Engine::MySql => "mysql",
            };
            Err(format!(
                "this program was built without `{feature}`; build it with feature `{feature}` of \
                 airflow-secrets"
            ))
        }
    }
}
