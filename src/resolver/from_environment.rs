//! [`FromEnvironment`]: builds a resolver from Airflow's settings.

use std::{sync::Arc, time::Duration};

use super::{
    Resolver, ResolverBuilder,
    last_source::{LastSource, OutOfReach},
    metadata_db,
};
#[cfg(feature = "astro")]
use crate::backends::astro::AstroBackend;
#[cfg(feature = "_metastore")]
use crate::backends::metastore::MetastoreBuilder;
use crate::{
    ConfigurationError, Dialect, Environment, Error, SecretsBackend,
    backends::astro_switch,
    backends::breaker::BreakerOptions,
    backends::environment::EnvironmentVariablesBackend,
    backends::registry::{BackendSetup, Named, Registry},
    background,
    config::{Settings, Side, Warning},
    observer::Observer,
    report::Sources,
};

/// Builds a [`Resolver`] from an environment, as Airflow would; see
/// [`Resolver::from_environment`].
#[derive(Debug)]
pub struct FromEnvironment {
    environment: Environment,
    side: Side,
    registry: Registry,
    metadata_db: metadata_db::Options,
    pub(super) last_source: LastSource,
    further: Vec<Arc<dyn SecretsBackend>>,
    #[cfg(feature = "astro")]
    astro: Option<AstroBackend>,
    chain: ResolverBuilder,
}

/// With no option set.
impl From<Environment> for FromEnvironment {
    fn from(environment: Environment) -> Self {
        Self::new(environment)
    }
}

impl FromEnvironment {
    pub(super) fn new(environment: Environment) -> Self {
        Self {
            environment,
            side: Side::Server,
            registry: Registry::default(),
            metadata_db: metadata_db::Options::default(),
            last_source: LastSource::default(),
            further: Vec::new(),
            #[cfg(feature = "astro")]
            astro: None,
            chain: Resolver::builder(),
        }
    }

    /// The worker side: what an Airflow 3 task does.
    #[must_use]
    pub fn worker(mut self) -> Self {
        self.side = Side::Worker;
        self
    }

    /// Makes a backend with `factory` where settings name `class_path` as their backend.
    ///
    /// ```
    /// # use airflow_secrets::{Environment, Resolver, backends::memory::MemoryBackend};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let environment = Environment::from_iter([
    ///     ("AIRFLOW_HOME", "/nowhere"),
    ///     ("AIRFLOW__SECRETS__BACKEND", "acme.SecretsBackend"),
    /// ]);
    /// let resolver = Resolver::from_environment(environment)
    ///     .register("acme.SecretsBackend", |_| {
    ///         Ok(MemoryBackend::new("acme").with_variable("colour", "blue"))
    ///     })
    ///     .build()
    ///     .await?;
    /// assert_eq!(resolver.get_variable("colour").await?.expose(), "blue");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn register<B: SecretsBackend>(
        mut self,
        class_path: &str,
        factory: impl Fn(BackendSetup<'_>) -> Result<B, ConfigurationError> + Send + Sync + 'static,
    ) -> Self {
        self.registry.register(class_path, factory);
        self
    }

    /// Changes with `change` how the metadata DB is asked, once the settings have filled the builder:
    /// for what Airflow's settings cannot hold, such as a password that is asked for at each new
    /// connection, or the entries of a `sql_alchemy_connect_args`.
    ///
    /// ```
    /// # use airflow_secrets::{Environment, Resolver};
    /// let from = Resolver::from_environment(Environment::process())
    ///     .metastore(|options| options.connect_args([("sslmode", "require")]));
    /// ```
    #[cfg(feature = "_metastore")]
    #[must_use]
    pub fn metastore(
        mut self,
        change: impl Fn(MetastoreBuilder) -> MetastoreBuilder + Send + Sync + 'static,
    ) -> Self {
        self.metadata_db = metadata_db::Options::new(change);
        self
    }

    /// Asks Astro's Environment Manager too: before the environment for its connections and variables, and
    /// after it for its environment variables. Without this, `AIRFLOW_SECRETS_ASTRO=true` in the
    /// environment adds [`AstroBackend::from_environment`].
    #[cfg(feature = "astro")]
    #[must_use]
    pub fn astro(mut self, backend: AstroBackend) -> Self {
        self.astro = Some(backend);
        self
    }

    /// Adds a source of your own after Airflow's.
    #[must_use]
    pub fn then(mut self, backend: impl SecretsBackend) -> Self {
        self.further.push(Arc::new(backend));
        self
    }

    /// Keeps answers as `options` say, whatever `[secrets] use_cache` and `cache_ttl_seconds` say.
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn cache(mut self, options: super::CacheOptions) -> Self {
        self.chain = self.chain.cache(options);
        self
    }

    /// Puts a breaker around each source; see [`ResolverBuilder::breakers`].
    #[must_use]
    pub fn breakers(mut self, options: BreakerOptions) -> Self {
        self.chain = self.chain.breakers(options);
        self
    }

    /// Tells `observer` what happens; see [`ResolverBuilder::observer`].
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.chain = self.chain.observer(observer);
        self
    }

    /// Writes nothing about lookups to `tracing`; see [`ResolverBuilder::without_tracing`].
    #[must_use]
    pub fn without_tracing(mut self) -> Self {
        self.chain = self.chain.without_tracing();
        self
    }

    /// How long a lookup may take; see [`ResolverBuilder::total_timeout`]. Default: 30 s.
    #[must_use]
    pub fn total_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.chain = self.chain.total_timeout(limit);
        self
    }

    /// The resolver. Reads `airflow.cfg` and runs the commands that settings name; connects to
    /// nothing, except to the custom backend when a setting is itself a secret (`…_SECRET`).
    ///
    /// # Errors
    /// An [`Error`] of kind [`Configuration`](crate::ErrorKind::Configuration) for what Airflow
    /// itself would refuse to start with.
    pub async fn build(self) -> Result<Resolver, Error> {
        let environment = self.environment.clone();
        let side = self.side;
        // `airflow.cfg` is read, and commands are run.
        let read = background::run(move || {
            let settings = Settings::load(&environment)?;
            let multi_team = settings.multi_team()?;
            let custom = settings.custom_backend(side)?;
            Ok::<_, ConfigurationError>((settings, multi_team, custom))
        });
        let (settings, multi_team, spec) = read.await.map_err(|error| {
            let problem = format!("the settings cannot be read: {error}");
            ConfigurationError::new("airflow.cfg", "the environment", problem)
        })??;
        let mut chain = self
            .chain
            .multi_team(multi_team)
            .settings_from(Sources::of(&settings))
            .warnings(Warning::logged(settings.warnings()))
            .cache_as_set(&settings)?;

        if side == Side::Server {
            self.last_source.refused_on_the_server_side()?;
        }
        let mut custom: Option<Arc<dyn SecretsBackend>> = None;
        // The answer of the first check is reused.
        let mut came_first = false;
        if let Some(mut spec) = spec {
            let warnings = Warning::logged(std::mem::take(&mut spec.warnings));
            let made = self.registry.make(spec, &self.environment, multi_team);
            // An ignored setting may be why the backend cannot be made.
            let made = made.map_err(|error| error.with_warnings(&warnings))?;
            let backend = match (made, side) {
                (Named::Backend(backend), Side::Worker) => self.last_source.before(backend),
                (Named::Backend(backend), Side::Server) => backend,
                (Named::MetadataDb, Side::Worker) => metadata_db::of_a_task(),
                (Named::MetadataDb, Side::Server) => {
                    came_first = true;
                    self.metadata_db.source(&settings, None).await?
                }
                (Named::LastSource, Side::Worker) => {
                    came_first = true;
                    self.last_source.source(&settings)?
                }
                (Named::LastSource, Side::Server) => Arc::new(OutOfReach::ServerSide),
            };
            chain = chain
                .warnings(warnings)
                .custom_backend(Arc::clone(&backend));
            custom = Some(backend);
        }
        #[cfg(not(feature = "astro"))]
        astro_switch::check_off(&self.environment)?;
        #[cfg(feature = "astro")]
        let astro = match self.astro {
            None if astro_switch::is_on(&self.environment)? => {
                Some(AstroBackend::from_environment(&self.environment)?)
            }
            given => given,
        };
        let last: Option<Arc<dyn SecretsBackend>> = match side {
            _ if came_first => None,
            Side::Worker => Some(self.last_source.source(&settings)?),
            Side::Server => {
                let custom = custom.as_deref();
                Some(self.metadata_db.source(&settings, custom).await?)
            }
        };
        if side == Side::Worker {
            chain = chain.dialect(Dialect::TaskSdk);
        }
        // Of what the sources around the last one give, the supervisor is told.
        let told = |backend: Arc<dyn SecretsBackend>| match side {
            Side::Worker => self.last_source.before(backend),
            Side::Server => backend,
        };
        #[cfg(feature = "astro")]
        if let Some(astro) = &astro {
            chain = chain.backend(told(Arc::new(astro.clone())));
        }
        let environment = EnvironmentVariablesBackend::new(self.environment, multi_team);
        chain = chain.backend(told(Arc::new(environment)));
        #[cfg(feature = "astro")]
        if let Some(astro) = &astro {
            chain = chain.backend(told(Arc::new(astro.environment_variables(multi_team))));
        }
        let further = self.further.into_iter().map(told);
        let chain = last
            .into_iter()
            .chain(further)
            .fold(chain, ResolverBuilder::backend);
        Ok(chain.build())
    }
}
