//! The options of a [`MetastoreBackend`], and the backend they make.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    MetastoreBackend,
    driver::Driver,
    fernet::FernetKeys,
    limits::Limits,
    password::{PasswordRequest, PasswordSource},
    url::{DatabaseUrl, Engine},
};
use crate::{ConfigurationError, Environment, Failure, Secret, config::Warning};

/// The setting that holds the database's URL.
const URL_SETTING: &str = "[database] sql_alchemy_conn";

/// The options of a [`MetastoreBackend`]. Each method names its default.
#[derive(Debug, Clone)]
pub struct MetastoreBuilder {
    url: Option<Secret>,
    connect_args: Option<Vec<(String, Secret)>>,
    password: Option<PasswordSource>,
    #[cfg_attr(
        not(feature = "_metastore-server"),
        allow(dead_code, reason = "only servers need it")
    )]
    environment: Environment,
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
            connect_args: None,
            password: None,
            environment: Environment::default(),
            origin: None,
            schema: None,
            fernet_key: None,
            fernet_key_origin: None,
            limits: Limits {
                max_connections: 4,
                connect_timeout: Duration::from_secs(5),
                statement_timeout: Duration::from_secs(10),
                idle_timeout: Duration::from_secs(60),
            },
        }
    }
}

impl MetastoreBuilder {
    /// The database's URL, as in `[database] sql_alchemy_conn`. Must be set.
    #[must_use]
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// What `[database] sql_alchemy_connect_args` would hold: options for the driver, by the names
    /// that they have in the URL's query, in place of those of the URL. An entry of a dictionary
    /// within it has both names, such as `ssl_ca` for `{"ssl": {"ca": …}}`. Default: none.
    ///
    /// ```
    /// # #[cfg(feature = "postgres")]
    /// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
    /// use airflow_secrets::backends::metastore::MetastoreBackend;
    ///
    /// let backend = MetastoreBackend::builder()
    ///     .url("postgresql+psycopg2://airflow:secret@db/airflow")
    ///     .connect_args([("sslmode", "require"), ("options", "-csearch_path=af")])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "postgres"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn connect_args<N: Into<String>, V: Into<Secret>>(
        mut self,
        arguments: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let arguments = arguments.into_iter();
        let arguments = arguments.map(|(name, value)| (name.into(), value.into()));
        self.connect_args = Some(arguments.collect());
        self
    }

    /// Asks `ask` for the password of each new connection to PostgreSQL or MySQL, in place of the
    /// URL's: for tokens that end, such as those of RDS IAM, Microsoft Entra ID or Cloud SQL. The
    /// wait counts towards [`connect_timeout`](Self::connect_timeout). A failure keeps its kind, and is
    /// the [`source`](std::error::Error::source) of the lookup's. Default: the URL's password.
    ///
    /// ```
    /// # use airflow_secrets::{Failure, Secret};
    /// # async fn token(_: &str, _: u16, _: &str) -> Result<Secret, Failure> { Ok("t".into()) }
    /// use airflow_secrets::backends::metastore::MetastoreBackend;
    ///
    /// let builder = MetastoreBackend::builder()
    ///     .url("postgresql+psycopg2://airflow@db.example.com/airflow?sslmode=require")
    ///     .password_from(|login| async move { token(&login.host, login.port, &login.user).await });
    /// ```
    #[must_use]
    pub fn password_from<F, Fut>(mut self, ask: F) -> Self
    where
        F: Fn(PasswordRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, Failure>> + Send + 'static,
    {
        self.password = Some(PasswordSource::new(ask));
        self
    }

    /// Takes from `environment` the files and folders that `sslrootcert=system` stands for:
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`, as for OpenSSL. Default: an empty one, and the authorities
    /// of the operating system.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Where the URL was set, for error messages: a variable's name, or a file and line. Default:
    /// "set by the program".
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The schema of Airflow's tables, as in `[database] sql_alchemy_schema`. Default, also if it is
    /// blank: the database's own search path.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The keys that passwords, extras and variables are encrypted with, as `[core] fernet_key`
    /// holds them: several with a comma between them. Default: no key. An invalid key is an error
    /// at the first value that has to be decrypted, as in Airflow.
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

    /// The most connections to PostgreSQL or MySQL at once; at least 1, default 4. SQLite is read
    /// by one thread.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.max_connections = connections.max(1);
        self
    }

    /// How long a lookup waits for a connection, free or new; default 5 seconds. With SQLite, how
    /// long it waits for another process to release its lock.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// How long PostgreSQL or MySQL may take to answer; default 10 seconds. A connection whose
    /// answer is late is closed.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.limits.statement_timeout = timeout;
        self
    }

    /// How long an idle connection to PostgreSQL or MySQL is kept; default 60 seconds.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// The backend. It connects at its first lookup.
    ///
    /// # Errors
    /// When the URL is not set or invalid, names a database whose feature is off, or has an option
    /// that is invalid, or that would weaken TLS if it were ignored.
    pub fn build(self) -> Result<MetastoreBackend, ConfigurationError> {
        let origin = self.origin.as_deref().unwrap_or("set by the program");
        let error = |message: String| ConfigurationError::new(URL_SETTING, origin, message);
        let url = self.url.as_ref().map_or("", Secret::expose);
        if url.is_empty() {
            return Err(error(
                "is not set; set it to the database that Airflow uses".to_owned(),
            ));
        }
        let mut url = DatabaseUrl::parse(url).map_err(|url_error| error(url_error.to_string()))?;
        url.set(self.connect_args.as_deref().unwrap_or_default());
        #[cfg(feature = "_metastore-server")]
        {
            let named = crate::backends::tls::places::named_by(&self.environment);
            url.system_authorities = named.into_iter().map(|(_, path)| path).collect();
        }
        let schema = self
            .schema
            .clone()
            .filter(|schema| !schema.trim().is_empty());
        let mut ignored = Vec::new();
        if let Some(driver) = url.asynchronous_driver() {
            ignored.push(format!(
                "the URL names the asynchronous driver {driver}, with which Airflow cannot read the \
                 metadata DB; it is read here all the same (DB-18)"
            ));
        }
        let driver = self.driver(&url, schema.as_deref(), &mut ignored);
        let driver = driver.map_err(error)?;
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

    /// Whether [`connect_args`](Self::connect_args) was called.
    pub(crate) fn has_connect_args(&self) -> bool {
        self.connect_args.is_some()
    }

    /// The driver for `url`. What it ignores goes into `ignored`.
    fn driver(
        &self,
        url: &DatabaseUrl,
        schema: Option<&str>,
        ignored: &mut Vec<String>,
    ) -> Result<Arc<dyn Driver>, String> {
        match url.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite => Ok(Arc::new(super::sqlite::Sqlite::from_url(
                url,
                schema,
                self.limits,
                ignored,
            )?)),
            #[cfg(feature = "postgres")]
            Engine::Postgres => Ok(Arc::new(super::postgres::Postgres::from_url(
                url,
                schema,
                self.password.clone(),
                self.limits,
                ignored,
            )?)),
            #[cfg(feature = "mysql")]
            Engine::MySql => Ok(Arc::new(super::mysql::MySql::from_url(
                url,
                schema,
                self.password.clone(),
                self.limits,
                ignored,
            )?)),
            #[allow(unreachable_patterns)]
            engine => {
                let feature = match engine {
                    Engine::Sqlite => "sqlite",
                    Engine::Postgres => "postgres",
                    Engine::MySql => "mysql",
                };
                Err(format!(
                    "this program was built without `{feature}`; build it with feature \
                     `{feature}` of airflow-secrets"
                ))
            }
        }
    }
}
