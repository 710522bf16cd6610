//! A backend that holds what it is given: for tests, and for programs that embed their secrets.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, LookupOptions, async_trait},
    report::Asked,
};

/// Connections, variables and configuration entries that are given in code.
///
/// - A value can be changed or removed at any time, also by another thread.
/// - A team's own value comes first; where the team has none, the value without a team answers.
/// - The backend can be told to fail, for good or for a while, to try what a program does in an
///   outage.
///
/// ```
/// use airflow_secrets::{
///     Failure, Lookup, SecretsBackend, backend::LookupOptions, backends::memory::MemoryBackend,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Failure> {
/// let backend = MemoryBackend::new("memory").with_variable("colour", "blue");
/// let options = LookupOptions::new();
/// assert_eq!(
///     backend.get_variable("colour", &options).await?,
///     Lookup::found("blue".into(), "variable colour"),
/// );
///
/// backend.set_variable("colour", "red");
/// assert_eq!(backend.get_variable("colour", &options).await?.value(), Some(&"red".into()));
///
/// backend.go_down(Failure::unavailable("the plug was pulled"));
/// assert!(backend.get_variable("colour", &options).await.is_err());
/// backend.come_back();
/// assert!(backend.get_variable("colour", &options).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryBackend {
    name: String,
    held: RwLock<HashMap<Key, Held>>,
    outage: RwLock<Option<Failure>>,
    lookups: AtomicUsize,
}

/// What a value is held under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    team: Option<String>,
    asked: Asked,
}

/// What is held under a key.
#[derive(Debug, Clone)]
enum Held {
    /// A variable's or configuration entry's value, or the text of a connection.
    Text(Secret),
    Connection(Box<Connection>),
    Failure(Failure),
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

    /// Holds `connection`, under its own id.
    #[must_use]
    pub fn with_connection(self, connection: Connection) -> Self {
        self.set_connection(connection);
        self
    }

    /// Holds connection `conn_id` as text: a URI or a JSON object.
    #[must_use]
    pub fn with_conn_value(self, conn_id: &str, value: impl Into<Secret>) -> Self {
        self.set_conn_value(conn_id, value);
        self
    }

    /// Holds variable `key`.
    #[must_use]
    pub fn with_variable(self, key: &str, value: impl Into<Secret>) -> Self {
        self.set_variable(key, value);
        self
    }

    /// Holds configuration entry `key`.
    #[must_use]
    pub fn with_config(self, key: &str, value: impl Into<Secret>) -> Self {
        self.set_config(key, value);
        self
    }

    /// Holds `connection` for `team`.
    #[must_use]
    pub fn with_team_connection(self, team: &str, connection: Connection) -> Self {
        let asked = Asked::Connection(connection.conn_id().to_owned());
        self.set(Some(team), asked, Held::Connection(Box::new(connection)));
        self
    }

    /// Holds variable `key` for `team`.
    #[must_use]
    pub fn with_team_variable(self, team: &str, key: &str, value: impl Into<Secret>) -> Self {
        let asked = Asked::Variable(key.to_owned());
        self.set(Some(team), asked, Held::Text(value.into()));
        self
    }

    /// Fails with `failure` each time it is asked for `asked`.
    #[must_use]
    pub fn with_failure(self, asked: Asked, failure: Failure) -> Self {
        self.set(None, asked, Held::Failure(failure));
        self
    }

    /// From now on holds `connection`, under its own id.
    pub fn set_connection(&self, connection: Connection) {
        let asked = Asked::Connection(connection.conn_id().to_owned());
        self.set(None, asked, Held::Connection(Box::new(connection)));
    }

    /// From now on holds connection `conn_id` as text.
    pub fn set_conn_value(&self, conn_id: &str, value: impl Into<Secret>) {
        let asked = Asked::Connection(conn_id.to_owned());
        self.set(None, asked, Held::Text(value.into()));
    }

    /// From now on holds variable `key`.
    pub fn set_variable(&self, key: &str, value: impl Into<Secret>) {
        let asked = Asked::Variable(key.to_owned());
        self.set(None, asked, Held::Text(value.into()));
    }

    /// From now on holds configuration entry `key`.
    pub fn set_config(&self, key: &str, value: impl Into<Secret>) {
        let asked = Asked::Config(key.to_owned());
        self.set(None, asked, Held::Text(value.into()));
    }

    /// Holds nothing under `asked` any more, for any team.
    pub fn remove(&self, asked: &Asked) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|key, _| key.asked != *asked);
    }

    fn set(&self, team: Option<&str>, asked: Asked, value: Held) {
        let team = team.map(str::to_owned);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.insert(Key { team, asked }, value);
    }

    /// From now on, every lookup fails with `failure`.
    pub fn go_down(&self, failure: Failure) {
        self.set_outage(Some(failure));
    }

    /// Ends what [`go_down`](Self::go_down) began.
    pub fn come_back(&self) {
        self.set_outage(None);
    }

    fn outage(&self) -> Option<Failure> {
        let outage = self.outage.read().unwrap_or_else(PoisonError::into_inner);
        outage.clone()
    }

    fn set_outage(&self, failure: Option<Failure>) {
        *self.outage.write().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// How many lookups there were so far, failed ones included.
    #[must_use]
    pub fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    fn look_up(&self, asked: Asked, options: &LookupOptions) -> Result<Lookup<Held>, Failure> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let native_key = native_key(&asked);
        if let Some(failure) = self.outage() {
            return Err(failure.at(native_key));
        }
        let mut key = Key {
            team: options.team().map(str::to_owned),
            asked,
        };
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = held.get(&key);
        if found.is_none() {
            key.team = None;
            found = held.get(&key);
        }
        match found {
            Some(Held::Failure(failure)) => Err(failure.clone().at(native_key)),
            Some(held) => Ok(Lookup::found(held.clone(), native_key)),
            None => Ok(Lookup::missing(native_key)),
        }
    }
}

impl Held {
    fn into_text(self) -> Result<Secret, Failure> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Connection(connection) => Ok(connection.get_uri()),
            Self::Failure(failure) => Err(failure),
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
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(Asked::Connection(conn_id.to_owned()), options)?
            .try_map(Held::into_text)
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        let found = self.look_up(Asked::Connection(conn_id.to_owned()), options)?;
        if let Some(Held::Connection(connection)) = found.value() {
            let connection = Connection::clone(connection);
            return found.try_map(|_| Ok(connection));
        }
        found
            .try_map(Held::into_text)?
            .into_connection(conn_id, options.dialect())
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(Asked::Variable(key.to_owned()), options)?
            .try_map(Held::into_text)
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(Asked::Config(key.to_owned()), options)?
            .try_map(Held::into_text)
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.outage()
            .map_or(Ok(CheckOutcome::reachable("memory")), Err)
    }
}
