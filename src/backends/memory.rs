//! A backend that holds what it is given: for tests, and for programs that embed their secrets.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;

use crate::{Failure, Lookup, Secret, SecretsBackend, resolver::Asked};

/// Connections, variables and configuration entries that are given in code.
///
/// It can be told to fail, for good or for a while, to try what a program does in an outage. It
/// makes no difference between teams.
///
/// ```
/// use airflow_secrets::{Failure, FailureKind, Lookup, SecretsBackend, backends::MemoryBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Failure> {
/// let backend = MemoryBackend::new("memory").with_variable("colour", "blue");
/// assert_eq!(
///     backend.get_variable("colour", None).await?,
///     Lookup::found("blue".into(), "variable colour"),
/// );
///
/// backend.go_down(Failure::unavailable("pulled the plug"));
/// assert!(backend.get_variable("colour", None).await.is_err());
/// backend.come_back();
/// assert!(backend.get_variable("colour", None).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryBackend {
    name: String,
    values: HashMap<Asked, Result<Secret, Failure>>,
    outage: RwLock<Option<Failure>>,
    lookups: AtomicUsize,
}

impl MemoryBackend {
    /// An empty backend, called `name` in reports and logs.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Holds connection `conn_id`, told as text: a URI or a JSON object.
    #[must_use]
    pub fn with_connection(self, conn_id: &str, value: impl Into<Secret>) -> Self {
        self.with(Asked::Connection(conn_id.to_owned()), Ok(value.into()))
    }

    /// Holds variable `key`.
    #[must_use]
    pub fn with_variable(self, key: &str, value: impl Into<Secret>) -> Self {
        self.with(Asked::Variable(key.to_owned()), Ok(value.into()))
    }

    /// Holds configuration entry `key`.
    #[must_use]
    pub fn with_config(self, key: &str, value: impl Into<Secret>) -> Self {
        self.with(Asked::Config(key.to_owned()), Ok(value.into()))
    }

    /// Fails with `failure` each time it is asked for `asked`.
    #[must_use]
    pub fn with_failure(self, asked: Asked, failure: Failure) -> Self {
        self.with(asked, Err(failure))
    }

    fn with(mut self, asked: Asked, outcome: Result<Secret, Failure>) -> Self {
        self.values.insert(asked, outcome);
        self
    }

    /// From now on, every lookup fails with `failure`.
    pub fn go_down(&self, failure: Failure) {
        self.set_outage(Some(failure));
    }

    /// Ends what [`go_down`](Self::go_down) began.
    pub fn come_back(&self) {
        self.set_outage(None);
    }

    fn set_outage(&self, failure: Option<Failure>) {
        *self.outage.write().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// How many lookups there were so far, failed ones included.
    #[must_use]
    pub fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    fn look_up(&self, asked: &Asked) -> Result<Lookup<Secret>, Failure> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let native_key = native_key(asked);
        let outage = self.outage.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = outage.as_ref() {
            return Err(failure.clone().at(native_key));
        }
        match self.values.get(asked) {
            Some(Ok(value)) => Ok(Lookup::found(value.clone(), native_key)),
            Some(Err(failure)) => Err(failure.clone().at(native_key)),
            None => Ok(Lookup::missing(native_key)),
        }
    }
}

fn native_key(asked: &Asked) -> String {
    match asked {
        Asked::Connection(id) => format!("connection {id}"),
        Asked::Variable(key) => format!("variable {key}"),
        Asked::Config(key) => format!("config {key}"),
    }
}

#[async_trait]
impl SecretsBackend for MemoryBackend {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        _team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(&Asked::Connection(conn_id.to_owned()))
    }

    async fn get_variable(
        &self,
        key: &str,
        _team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(&Asked::Variable(key.to_owned()))
    }

    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        self.look_up(&Asked::Config(key.to_owned()))
    }
}
