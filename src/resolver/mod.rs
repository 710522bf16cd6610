//! [`Resolver`]: asks the sources in Airflow's order, and tells what each did.

mod builder;
mod from_environment;
mod metadata_db;
mod outcome;
mod report;
mod resolved;
mod search;

use std::sync::Arc;

pub use builder::ResolverBuilder;
pub use from_environment::FromEnvironment;
pub use report::{Asked, Attempt, AttemptOutcome, Report, Source};
pub use resolved::Resolved;

use self::search::{Configs, Connections, Variables};
use crate::{
    ConfigurationError, Connection, Dialect, Environment, Error, Secret, SecretsBackend, Warning,
};

/// Gives the connections, variables and configuration entries that Airflow would give, from the
/// same sources in the same order.
///
/// A resolver is a cheap handle: clone it, share it between threads and tasks. It holds no global
/// state; two resolvers know nothing of each other.
///
/// | a source's outcome | by default, as Airflow | under [`strict`](Self::strict) |
/// |---|---|---|
/// | found | answer | answer |
/// | missing, skipped | next source | next source |
/// | failed: outage, denied, a value or a setting that is no good | remember, next source | stop, that error |
/// | denied by an authority whose word is final | stop, access denied | stop, access denied |
///
/// Where no source answers, what was remembered decides the error: [`Error::Unavailable`] if any
/// source could not be asked, else [`Error::AccessDenied`] if any refused, else
/// [`Error::Misconfigured`] if any lacks a setting, else [`Error::InvalidValue`] if any holds what
/// cannot be read; [`Error::NotFound`] only when every source looked and has nothing.
///
/// ```
/// use airflow_secrets::{Environment, Resolver};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let environment = Environment::from_iter([
///     ("AIRFLOW_HOME", "/nowhere"),
///     ("AIRFLOW_CONN_PG", "postgres://app:s3cret@db:5432/orders"),
/// ]);
/// let resolver = Resolver::from_environment(environment).build().await?;
/// let pg = resolver.get_connection("pg").await?;
/// assert_eq!(pg.host(), Some("db"));
/// assert_eq!(pg.source().to_string(), "environment_variables: AIRFLOW_CONN_PG");
/// # Ok::<(), airflow_secrets::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Resolver {
    chain: Arc<Chain>,
    team: Option<Arc<str>>,
    strict: bool,
}

/// The sources in order, and how they are asked.
#[derive(Debug)]
struct Chain {
    links: Vec<Link>,
    /// The one source of configuration entries: the custom backend, where there is one.
    config_link: Option<Link>,
    dialect: Dialect,
    /// Why nobody may ask on behalf of a team, or `None` if they may.
    no_teams: Option<&'static str>,
    warnings: Arc<[Warning]>,
}

/// One source, with its name at hand for reports.
#[derive(Debug, Clone)]
struct Link {
    name: Arc<str>,
    backend: Arc<dyn SecretsBackend>,
}

impl Link {
    fn new(backend: Arc<dyn SecretsBackend>) -> Self {
        Self {
            name: backend.name().into(),
            backend,
        }
    }
}

impl Resolver {
    /// What Airflow's server side (scheduler, API server; all of Airflow 2) does with this
    /// process's environment: the custom backend of `[secrets] backend`, environment variables,
    /// the metadata DB. Reads the environment and `airflow.cfg` once, now; connects to nothing,
    /// except to the custom backend when a setting is itself a secret (`…_SECRET`).
    ///
    /// # Errors
    /// [`Error::Configuration`] for what Airflow itself would refuse to start with.
    pub async fn from_env() -> Result<Self, Error> {
        Self::from_environment(Environment::process()).build().await
    }

    /// What an Airflow 3 task does with this process's environment: the custom backend of
    /// `[workers] secrets_backend`, or else of `[secrets] backend`, then environment variables.
    /// Connections are read in the Task SDK's dialect.
    ///
    /// # Errors
    /// [`Error::Configuration`] for what Airflow itself would refuse to start with.
    pub async fn for_worker() -> Result<Self, Error> {
        Self::from_environment(Environment::process())
            .worker()
            .build()
            .await
    }

    /// The same as [`from_env`](Self::from_env) or [`for_worker`](Self::for_worker) with an
    /// environment, and custom backends, of your own.
    #[must_use]
    pub fn from_environment(environment: Environment) -> FromEnvironment {
        FromEnvironment::new(environment)
    }

    /// A resolver put together in code, without Airflow's settings.
    #[must_use]
    pub fn builder() -> ResolverBuilder {
        ResolverBuilder::default()
    }

    /// The same resolver, except that a source's failure is the answer: the sources after it are
    /// not asked. By default they are, as in Airflow.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The same resolver, asking on behalf of `team`.
    ///
    /// # Errors
    /// [`Error::Configuration`] when `[core] multi_team` is off, or on the worker side, which
    /// asks without a team.
    pub fn for_team(mut self, team: &str) -> Result<Self, Error> {
        if let Some(why_not) = self.chain.no_teams {
            let origin = format!("asked on behalf of team {team:?}");
            return Err(ConfigurationError::new("[core] multi_team", origin, why_not).into());
        }
        self.team = Some(team.into());
        Ok(self)
    }

    /// What was wrong with the settings and was passed over, as Airflow does.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.chain.warnings
    }

    /// Connection `conn_id`, as `Connection.get_connection_from_secrets` (server side) or
    /// `airflow.sdk.Connection.get` (worker side) gives it.
    ///
    /// # Errors
    /// [`Error`], by the rules of precedence: never [`Error::NotFound`] while a source could not
    /// be asked.
    pub async fn get_connection(&self, conn_id: &str) -> Result<Resolved<Connection>, Error> {
        self.search_one::<Connections>(&self.chain.links, conn_id)
            .await
    }

    /// Variable `key` as text, as `Variable.get` gives it. An empty text is a value.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection).
    pub async fn get_variable(&self, key: &str) -> Result<Resolved<Secret>, Error> {
        self.search_one::<Variables>(&self.chain.links, key).await
    }

    /// Configuration entry `key`, which the custom backend alone holds: what Airflow puts in
    /// place of a `…_SECRET` setting. Without a custom backend nothing is found.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection).
    pub async fn get_config(&self, key: &str) -> Result<Resolved<Secret>, Error> {
        self.search_one::<Configs>(self.chain.config_link.as_slice(), key)
            .await
    }

    /// Many connections at once: one result for each id, in the order asked. Each source is asked
    /// once for all ids still open, in as few requests as it can.
    pub async fn get_connections(
        &self,
        conn_ids: &[&str],
    ) -> Vec<Result<Resolved<Connection>, Error>> {
        self.search_many::<Connections>(&self.chain.links, conn_ids)
            .await
    }

    /// Many variables at once, as [`get_connections`](Self::get_connections).
    pub async fn get_variables(&self, keys: &[&str]) -> Vec<Result<Resolved<Secret>, Error>> {
        self.search_many::<Variables>(&self.chain.links, keys).await
    }

    /// Many configuration entries at once, as [`get_connections`](Self::get_connections).
    pub async fn get_configs(&self, keys: &[&str]) -> Vec<Result<Resolved<Secret>, Error>> {
        self.search_many::<Configs>(self.chain.config_link.as_slice(), keys)
            .await
    }
}
