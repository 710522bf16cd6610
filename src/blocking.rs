//! The same for programs without an async runtime (feature `blocking`): [`Resolver`] waits for each
//! answer.
//!
//! ```
//! use airflow_secrets::{Environment, Error, blocking::Resolver};
//!
//! fn main() -> Result<(), Error> {
//!     let environment = Environment::from_iter([
//!         ("AIRFLOW_HOME", "/nowhere"),
//!         ("AIRFLOW_CONN_PG", "postgres://app:s3cret@db:5432/orders"),
//!     ]);
//!     // In a program of yours: `Resolver::from_env()?`.
//!     let resolver = Resolver::from_environment(environment)?;
//!     let pg = resolver.get_connection("pg")?;
//!     assert_eq!(pg.host(), Some("db"));
//!     assert_eq!(pg.source().to_string(), "environment_variables: AIRFLOW_CONN_PG");
//!     Ok(())
//! }
//! ```

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures_channel::oneshot;
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::{Builder, Handle};

use crate::{
    ConfigurationError, Connection, Environment, Error, FromEnvironment, Refused, Resolved, Secret,
    config::Warning,
    report::{Check, Sources},
};

/// A [`Resolver`](crate::Resolver) for callers that wait: the same questions, options and answers.
///
/// - Lookups run on a thread of the resolver's own, with a Tokio runtime. It ends when the last handle
///   is dropped: clones, those that [`within`](Self::within) and its like give, and [`Watch`]es. Any number
///   of threads may ask at once, and those who ask the same share one search.
/// - Inside a Tokio runtime, `spawn_blocking` included, each question is an error of kind
///   [`Configuration`](crate::ErrorKind::Configuration), since to wait would stop that runtime's other
///   work. There, use the async resolver; in `spawn_blocking`, with `Handle::block_on`.
/// - A panic in the program's own code, such as a clock, comes out where the caller waits. One in a
///   backend is an error.
/// - The thread does not survive `fork()`: make the resolver in the child.
#[derive(Debug, Clone)]
pub struct Resolver {
    resolver: crate::Resolver,
    thread: Arc<Thread>,
}

impl Resolver {
    /// As [`crate::Resolver::from_env`]: what Airflow's server side does with this process's environment.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for what Airflow itself would refuse
    /// to start with.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(Environment::process())
    }

    /// As [`crate::Resolver::for_worker`]: what an Airflow 3 task does with this process's environment.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn for_worker() -> Result<Self, Error> {
        Self::from_environment(crate::Resolver::from_environment(Environment::process()).worker())
    }

    /// What Airflow does with `environment`: an [`Environment`], or a [`FromEnvironment`] with all its
    /// options, which this builds.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_environment(environment: impl Into<FromEnvironment>) -> Result<Self, Error> {
        let thread = Arc::new(Thread::start()?);
        let resolver = thread.wait(environment.into().build())??;
        Ok(Self { resolver, thread })
    }

    /// A handle on `resolver`, and a thread for its lookups.
    ///
    /// # Errors
    /// Where the system starts no thread.
    pub fn new(resolver: crate::Resolver) -> Result<Self, Error> {
        let thread = Arc::new(Thread::start()?);
        Ok(Self { resolver, thread })
    }

    /// As [`crate::Resolver::strict`].
    #[must_use]
    pub fn strict(&self) -> Self {
        self.with(self.resolver.strict())
    }

    /// As [`crate::Resolver::within`]; the limit is kept to within 100 ms.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        self.with(self.resolver.within(limit))
    }

    /// As [`crate::Resolver::refreshed`].
    #[must_use]
    pub fn refreshed(&self) -> Self {
        self.with(self.resolver.refreshed())
    }

    /// As [`crate::Resolver::for_team`].
    ///
    /// # Errors
    /// As there.
    pub fn for_team(&self, team: &str) -> Result<Self, Error> {
        Ok(self.with(self.resolver.for_team(team)?))
    }

    /// As [`crate::Resolver::invalidate`].
    #[cfg(feature = "cache")]
    pub fn invalidate(&self, asked: &crate::report::Asked) {
        self.resolver.invalidate(asked);
    }

    /// As [`crate::Resolver::invalidate_all`].
    #[cfg(feature = "cache")]
    pub fn invalidate_all(&self) {
        self.resolver.invalidate_all();
    }

    /// As [`crate::Resolver::sources`].
    #[must_use]
    pub fn sources(&self) -> &Sources {
        self.resolver.sources()
    }

    /// As [`crate::Resolver::warnings`].
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.resolver.warnings()
    }

    /// As [`crate::Resolver::get_connection`].
    ///
    /// # Errors
    /// As there.
    pub fn get_connection(&self, conn_id: &str) -> Result<Resolved<Connection>, Error> {
        let id = conn_id.to_owned();
        self.ask(|resolver| async move { resolver.get_connection(&id).await })?
    }

    /// As [`crate::Resolver::get_variable`].
    ///
    /// # Errors
    /// As there.
    pub fn get_variable(&self, key: &str) -> Result<Resolved<Secret>, Error> {
        let key = key.to_owned();
        self.ask(|resolver| async move { resolver.get_variable(&key).await })?
    }

    /// As [`crate::Resolver::get_variable_or`].
    ///
    /// # Errors
    /// As there.
    pub fn get_variable_or(
        &self,
        key: &str,
        default: impl Into<Secret>,
    ) -> Result<Resolved<Secret>, Error> {
        let (key, default) = (key.to_owned(), default.into());
        self.ask(|resolver| async move { resolver.get_variable_or(&key, default).await })?
    }

    /// As [`crate::Resolver::get_config`].
    ///
    /// # Errors
    /// As there.
    pub fn get_config(&self, key: &str) -> Result<Resolved<Secret>, Error> {
        let key = key.to_owned();
        self.ask(|resolver| async move { resolver.get_config(&key).await })?
    }

    /// As [`crate::Resolver::find_connection`].
    ///
    /// # Errors
    /// As there.
    pub fn find_connection(&self, conn_id: &str) -> Result<Option<Resolved<Connection>>, Error> {
        let id = conn_id.to_owned();
        self.ask(|resolver| async move { resolver.find_connection(&id).await })?
    }

    /// As [`crate::Resolver::find_variable`].
    ///
    /// # Errors
    /// As there.
    pub fn find_variable(&self, key: &str) -> Result<Option<Resolved<Secret>>, Error> {
        let key = key.to_owned();
        self.ask(|resolver| async move { resolver.find_variable(&key).await })?
    }

    /// As [`crate::Resolver::find_config`].
    ///
    /// # Errors
    /// As there.
    pub fn find_config(&self, key: &str) -> Result<Option<Resolved<Secret>>, Error> {
        let key = key.to_owned();
        self.ask(|resolver| async move { resolver.find_config(&key).await })?
    }

    /// As [`crate::Resolver::get_connections`].
    pub fn get_connections(
        &self,
        conn_ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<Result<Resolved<Connection>, Error>> {
        self.ask_many(conn_ids, |resolver, ids| async move {
            resolver.get_connections(ids).await
        })
    }

    /// As [`crate::Resolver::get_variables`].
    pub fn get_variables(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<Result<Resolved<Secret>, Error>> {
        self.ask_many(keys, |resolver, keys| async move {
            resolver.get_variables(keys).await
        })
    }

    /// As [`crate::Resolver::get_configs`].
    pub fn get_configs(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<Result<Resolved<Secret>, Error>> {
        self.ask_many(keys, |resolver, keys| async move {
            resolver.get_configs(keys).await
        })
    }

    /// As [`crate::Resolver::check`].
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) inside a Tokio runtime.
    pub fn check(&self) -> Result<Vec<Check>, Error> {
        self.ask(|resolver| async move { resolver.check().await })
    }

    /// As [`crate::Resolver::prefetch`].
    #[cfg(feature = "cache")]
    pub fn prefetch(&self, asked: impl IntoIterator<Item = crate::report::Asked>) -> Vec<Error> {
        let asked: Vec<_> = asked.into_iter().collect();
        let failed = self.ask(|resolver| async move { resolver.prefetch(asked).await });
        failed.unwrap_or_else(|error| vec![error])
    }

    /// As [`Resolved::refused`], for an answer of this resolver or any other.
    ///
    /// # Errors
    /// As there.
    pub fn refused<T: Send + Sync + 'static>(
        &self,
        answer: &Resolved<T>,
    ) -> Result<Refused<T>, Error> {
        let answer = answer.clone();
        self.ask(|_| async move { answer.refused().await })?
    }

    /// As [`crate::Resolver::watch_connection`], as an iterator: see [`Watch`].
    pub fn watch_connection(&self, conn_id: &str, every: Duration) -> Watch<Connection> {
        self.watch(self.resolver.watch_connection(conn_id, every))
    }

    /// As [`crate::Resolver::watch_variable`], as an iterator: see [`Watch`].
    pub fn watch_variable(&self, key: &str, every: Duration) -> Watch<Secret> {
        self.watch(self.resolver.watch_variable(key, every))
    }

    /// As [`crate::Resolver::watch_config`], as an iterator: see [`Watch`].
    pub fn watch_config(&self, key: &str, every: Duration) -> Watch<Secret> {
        self.watch(self.resolver.watch_config(key, every))
    }

    fn with(&self, resolver: crate::Resolver) -> Self {
        Self {
            resolver,
            thread: Arc::clone(&self.thread),
        }
    }

    fn watch<T>(&self, changes: crate::Watch<T>) -> Watch<T> {
        Watch {
            changes: Some(changes),
            thread: Arc::clone(&self.thread),
        }
    }

    fn ask<F>(&self, question: impl FnOnce(crate::Resolver) -> F) -> Result<F::Output, Error>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.thread.wait(question(self.resolver.clone()))
    }

    fn ask_many<T, F>(
        &self,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
        question: impl FnOnce(crate::Resolver, Vec<String>) -> F,
    ) -> Vec<Result<T, Error>>
    where
        T: Send + 'static,
        F: Future<Output = Vec<Result<T, Error>>> + Send + 'static,
    {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        let count = ids.len();
        let answers = self.ask(|resolver| question(resolver, ids));
        answers.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
    }
}

/// A value, and its changes, as [`crate::Watch`] gives them: `next` waits for one.
///
/// It ends after an error that says that it was called inside a Tokio runtime, and not by itself otherwise.
#[derive(Debug)]
#[must_use = "nothing is asked unless an item is asked for"]
pub struct Watch<T> {
    changes: Option<crate::Watch<T>>,
    thread: Arc<Thread>,
}

impl<T: Send + Sync + 'static> Iterator for Watch<T> {
    type Item = Result<Resolved<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut changes = self.changes.take()?;
        let next = self
            .thread
            .wait(async move { (changes.next().await, changes) });
        match next {
            Ok((item, changes)) => {
                self.changes = Some(changes);
                item
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// The thread that lookups run on. It ends when this is dropped.
#[derive(Debug)]
struct Thread {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl Thread {
    fn start() -> Result<Self, Error> {
        let (end, ended) = oneshot::channel();
        let (sender, started) = mpsc::sync_channel(1);
        let work = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(error))),
            };
            drop(sender.send(Ok(runtime.handle().clone())));
            // It gives no value: the other end is dropped.
            runtime.block_on(ended).unwrap_or_default();
            runtime.shutdown_background();
        };
        let name = "airflow-secrets".to_owned();
        let thread = thread::Builder::new().name(name).spawn(work);
        let runtime = thread.and_then(|_| started.recv().map_err(std::io::Error::other)?);
        let runtime =
            runtime.map_err(|error| problem("its thread", format!("cannot start: {error}")))?;
        Ok(Self { runtime, _end: end })
    }

    /// What `work` gives, done on the thread.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        if Handle::try_current().is_ok() {
            let remedy = "to wait would stop the runtime's other work: use the async resolver here, in \
                          `spawn_blocking` with `Handle::block_on`";
            return Err(problem("called inside a Tokio runtime", remedy));
        }
        let (sender, result) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            drop(sender.send(AssertUnwindSafe(work).catch_unwind().await));
        });
        match result.recv() {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(problem("its thread", "has ended: make another resolver")),
        }
    }
}

fn problem(origin: &str, problem: impl Into<String>) -> Error {
    ConfigurationError::new("airflow_secrets::blocking", origin, problem).into()
}
