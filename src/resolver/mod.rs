//! [`Resolver`]: asks the sources in Airflow's order, and reports what each did.

mod builder;
#[cfg_attr(not(feature = "cache"), path = "no_cache.rs")]
mod cache;
#[cfg(feature = "cache")]
mod cache_options;
mod check;
mod flight;
mod from_environment;
mod last_source;
mod metadata_db;
mod outcome;
mod question;
mod refused;
mod resolved;
mod search;
mod variable;
mod waiting;
#[cfg_attr(not(feature = "_tokio"), path = "no_watch.rs")]
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(feature = "cache")]
pub use self::cache_options::CacheOptions;
#[cfg(feature = "_tokio")]
pub use self::watch::Watch;
pub use self::{
    builder::ResolverBuilder, from_environment::FromEnvironment, refused::Refused,
    resolved::Resolved,
};
use self::{
    flight::Flights,
    question::{Configs, Connections, Variables},
    refused::Refusals,
    watch::Polls,
};
use crate::{
    ConfigurationError, Connection, Environment, Error, ErrorKind, Secret, SecretsBackend,
    backend::LookupOptions, clock::Clock, config::Warning, observer::Observers, report::Sources,
};

/// Gives the connections, variables and configuration entries that Airflow would give, from the
/// same sources in the same order.
///
/// A resolver is a cheap handle: clone it, share it between threads and tasks. It holds no global
/// state; two resolvers are independent of each other.
///
/// Callers who ask the same at the same time share one search:
///
/// - One who gives up (drops the future) does not end it for the others, and nothing is asked twice.
/// - All get its outcome, also an error. Nothing of it is remembered for the next who asks.
/// - A backend that panics counts as unavailable. The next source is asked.
/// - A search is shared within one Tokio runtime, where the build has a source that needs one. Without
///   such a source it is shared by all threads: a backend of your own may then be asked from any.
///
/// | a source's outcome | by default, as Airflow | under [`strict`](Self::strict) |
/// |---|---|---|
/// | found | answer | answer |
/// | missing, skipped | next source | next source |
/// | unavailable, and a cache may give its last answer | that answer, marked *stale* | stop, that error |
/// | failed otherwise: outage, denied, an invalid value or setting | remember, next source | stop, that error |
/// | denied by an authority whose denial is final | stop, access denied | stop, access denied |
///
/// Where no source answers, the most serious failure decides the [`ErrorKind`]:
///
/// 1. [`AccessDenied`](ErrorKind::AccessDenied) if an authority's denial is final: it stopped the search,
/// 2. else [`Unavailable`](ErrorKind::Unavailable) if any source could not be asked,
/// 3. else [`AccessDenied`](ErrorKind::AccessDenied) if any source refused,
/// 4. else [`Configuration`](ErrorKind::Configuration) if a setting of any source is not set or is invalid,
/// 5. else [`InvalidValue`](ErrorKind::InvalidValue) if any source holds an invalid value,
/// 6. else [`NotFound`](ErrorKind::NotFound): no source failed, and none defines it.
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
    options: LookupOptions,
    strict: bool,
    /// How long a lookup may take.
    limit: Option<Duration>,
    /// Whether the sources are asked though an answer is kept.
    refreshed: bool,
}

/// The sources in order, and how they are asked.
#[derive(Debug)]
struct Chain {
    links: Vec<Link>,
    /// The one source of configuration entries: the custom backend, where there is one.
    config_link: Option<Link>,
    /// Why lookups on behalf of a team are refused, or `None` if they are allowed.
    no_teams: Option<&'static str>,
    warnings: Arc<[Warning]>,
    sources: Sources,
    clock: Clock,
    observers: Observers,
    connections: Desk<Connection>,
    secrets: Desk<Secret>,
    refusals: Refusals,
}

/// Where questions for one kind of value arrive: what is under way, watched, and kept.
#[derive(Debug)]
struct Desk<T> {
    flights: Flights<T>,
    #[cfg_attr(
        not(feature = "_tokio"),
        allow(dead_code, reason = "nothing can be watched")
    )]
    polls: Polls<T>,
    #[cfg(feature = "cache")]
    cache: Option<cache::Cache<T>>,
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
    /// [`ErrorKind::Configuration`] for what Airflow itself would refuse to start with.
    pub async fn from_env() -> Result<Self, Error> {
        Self::from_environment(Environment::process()).build().await
    }

    /// What an Airflow 3 task does with this process's environment: the custom backend of
    /// `[workers] secrets_backend`, or else of `[secrets] backend`, then environment variables, then
    /// whoever runs the task. Connections are read in the Task SDK's dialect.
    ///
    /// With the feature `supervisor`, a program that a supervisor has started (its arguments say so)
    /// asks the supervisor last, and takes its sockets at the first request:
    /// `SupervisorBackend::started_by`. Where the sockets are the task's SDK's, give that to
    /// `FromEnvironment::supervisor`. A program that has a task's token gives it to
    /// `FromEnvironment::execution_api` (feature `execution-api`). Any other program has no last source,
    /// and its reports say so.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for what Airflow itself would refuse to start with.
    pub async fn for_worker() -> Result<Self, Error> {
        let from = Self::from_environment(Environment::process()).worker();
        #[cfg(feature = "supervisor")]
        let from = from.arguments(std::env::args_os());
        from.build().await
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

    /// A handle on the same resolver for which a source's failure is the answer: the sources after
    /// it are not asked. By default they are, as in Airflow.
    #[must_use]
    pub fn strict(&self) -> Self {
        Self {
            strict: true,
            ..self.clone()
        }
    }

    /// A handle on the same resolver whose lookups take no longer than `limit` each, with all their
    /// sources, logins, retries and waits. It takes the place of the resolver's
    /// [total time-out](ResolverBuilder::total_timeout), and may be longer.
    ///
    /// A source that has not answered by then is *unavailable*, and no further source is asked: the
    /// report says so of each. So the error is [`ErrorKind::Unavailable`], never a lower source's
    /// answer that came of haste. Many ids that are asked for together have that time together.
    ///
    /// The limit is kept to within 100 ms where the sources run on Tokio (their features are on). A
    /// build without Tokio has no timer: there, and for a lookup outside a Tokio runtime, the limit is
    /// checked between the sources.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use airflow_secrets::{Resolver, backends::memory::MemoryBackend};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let resolver = Resolver::builder()
    ///     .backend(MemoryBackend::new("mine").with_variable("colour", "blue"))
    ///     .build();
    /// let colour = resolver.within(Duration::from_secs(2)).get_variable("colour").await?;
    /// assert_eq!(colour.expose(), "blue");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            limit: Some(limit),
            ..self.clone()
        }
    }

    /// A handle on the same resolver that asks the sources though a cache keeps an answer. What it gets is
    /// kept in place of that.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        Self {
            refreshed: true,
            ..self.clone()
        }
    }

    /// Keeps no answer for `asked` any more, of any team. What a search that is under way finds is given
    /// to those who wait for it, but not kept.
    #[cfg(feature = "cache")]
    pub fn invalidate(&self, asked: &crate::report::Asked) {
        if let Some(cache) = &self.chain.connections.cache {
            cache.invalidate(asked);
        }
        if let Some(cache) = &self.chain.secrets.cache {
            cache.invalidate(asked);
        }
        self.invalidate_sources();
    }

    /// Keeps no answer any more; otherwise as [`invalidate`](Self::invalidate).
    #[cfg(feature = "cache")]
    pub fn invalidate_all(&self) {
        if let Some(cache) = &self.chain.connections.cache {
            cache.invalidate_all();
        }
        if let Some(cache) = &self.chain.secrets.cache {
            cache.invalidate_all();
        }
        self.invalidate_sources();
    }

    /// Has each source forget what it keeps by itself.
    fn invalidate_sources(&self) {
        let links = self.chain.links.iter().chain(&self.chain.config_link);
        links.for_each(|link| link.backend.invalidate());
    }

    /// A handle on the same resolver that asks on behalf of `team`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when `[core] multi_team` is off, or on the worker side, which
    /// asks without a team.
    pub fn for_team(&self, team: &str) -> Result<Self, Error> {
        if let Some(why_not) = self.chain.no_teams {
            let origin = format!("asked on behalf of team {team:?}");
            return Err(ConfigurationError::new("[core] multi_team", origin, why_not).into());
        }
        Ok(Self {
            options: self.options.clone().with_team(team),
            ..self.clone()
        })
    }

    /// The sources that are asked, in their order, with the Airflow home and the configuration file
    /// that the settings came from.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.chain.sources
    }

    /// The settings that were ignored, as in Airflow: the warnings of all sources. They were logged
    /// when the resolver was built.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.chain.warnings
    }

    /// Connection `conn_id`, as `Connection.get_connection_from_secrets` (server side) or
    /// `airflow.sdk.Connection.get` (worker side) gives it.
    ///
    /// # Errors
    /// [`Error`], by the rules of precedence: never [`ErrorKind::NotFound`] while a source could
    /// not be asked.
    pub async fn get_connection(&self, conn_id: &str) -> Result<Resolved<Connection>, Error> {
        self.look_up::<Connections>(conn_id).await
    }

    /// Variable `key` as text, as `Variable.get` gives it. An empty text is a value.
    ///
    /// What `Variable.get(…, deserialize_json=True)` does is [`Resolved::json`] on the answer;
    /// [`get_variable_or`](Self::get_variable_or) takes a default.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection).
    pub async fn get_variable(&self, key: &str) -> Result<Resolved<Secret>, Error> {
        self.look_up::<Variables>(key).await
    }

    /// Configuration entry `key`, which the custom backend alone holds: what Airflow puts in
    /// place of a `…_SECRET` setting. Without a custom backend nothing is found.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection).
    pub async fn get_config(&self, key: &str) -> Result<Resolved<Secret>, Error> {
        self.look_up::<Configs>(key).await
    }

    /// Connection `conn_id`, or `None` where every source looked and none defines it.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection), but never [`ErrorKind::NotFound`].
    pub async fn find_connection(
        &self,
        conn_id: &str,
    ) -> Result<Option<Resolved<Connection>>, Error> {
        or_none(self.get_connection(conn_id).await)
    }

    /// Variable `key`, or `None` where every source looked and none defines it.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection), but never [`ErrorKind::NotFound`].
    pub async fn find_variable(&self, key: &str) -> Result<Option<Resolved<Secret>>, Error> {
        or_none(self.get_variable(key).await)
    }

    /// Configuration entry `key`, or `None` where the custom backend looked and does not define it.
    ///
    /// # Errors
    /// As [`get_connection`](Self::get_connection), but never [`ErrorKind::NotFound`].
    pub async fn find_config(&self, key: &str) -> Result<Option<Resolved<Secret>>, Error> {
        or_none(self.get_config(key).await)
    }

    /// Many connections at once: one result for each id, in the order asked. Each source is asked
    /// once for all ids still open, in as few requests as it can.
    pub async fn get_connections(
        &self,
        conn_ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<Result<Resolved<Connection>, Error>> {
        self.look_up_many::<Connections>(&texts(conn_ids)).await
    }

    /// Many variables at once, as [`get_connections`](Self::get_connections).
    pub async fn get_variables(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<Result<Resolved<Secret>, Error>> {
        self.look_up_many::<Variables>(&texts(keys)).await
    }

    /// Many configuration entries at once, as [`get_connections`](Self::get_connections).
    pub async fn get_configs(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<Result<Resolved<Secret>, Error>> {
        self.look_up_many::<Configs>(&texts(keys)).await
    }
}

impl Resolver {
    /// Who is told what happens.
    pub(crate) fn observers(&self) -> &Observers {
        &self.chain.observers
    }

    /// When a lookup that begins now has to be over.
    fn deadline(&self) -> Option<Instant> {
        self.limit
            .and_then(|limit| self.chain.clock.now().checked_add(limit))
    }
}

fn texts(ids: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    ids.into_iter().map(|id| id.as_ref().to_owned()).collect()
}

fn or_none<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
