//! Airflow's metadata DB: where connections and variables are that somebody typed in.
//!
//! One code path serves SQLite, PostgreSQL and MySQL; a driver only brings rows. It reads, and
//! does nothing else: no statement but `SELECT` is ever sent, and no file is created.

mod builder;
mod driver;
mod fernet;
mod limits;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod tls;
mod url;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;

pub use self::builder::MetastoreBuilder;
use self::{
    driver::{Driver, Fault, FaultKind, Select, Table, Visible},
    fernet::FernetKeys,
    row::{Decrypter, Row},
};
use crate::{Connection, Dialect, Failure, Lookup, Secret, SecretsBackend, SkipReason, Warning};

/// How many ids one statement asks for; more are asked for in several.
const MAX_IDS: usize = 5_000;

/// How long it is taken for granted that a table has no `team_name`. An Airflow 2 database may be
/// migrated at any time, and then rows may belong to teams.
const TEAMLESS_FOR: Duration = Duration::from_secs(60);

/// Connections and variables from Airflow's metadata DB, as `airflow.secrets.metastore` gives
/// them.
///
/// What is encrypted is decrypted with the Fernet keys it is given. A connection that cannot be
/// decrypted, or whose `extra` is no JSON object, is a failure, and a variable that cannot be
/// decrypted is absent, both as in Airflow. That something is encrypted and there is no key, or
/// one that is none, is a failure that says so.
#[derive(Clone)]
pub struct MetastoreBackend {
    driver: Arc<dyn Driver>,
    schema: Option<String>,
    keys: Arc<FernetKeys>,
    keys_origin: Option<String>,
    warnings: Vec<Warning>,
    teamless_since: Arc<Mutex<Option<Instant>>>,
}

impl MetastoreBackend {
    /// A builder without options.
    #[must_use]
    pub fn builder() -> MetastoreBuilder {
        MetastoreBuilder::default()
    }

    /// The options of the URL that were passed over, each with what it would have meant.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn new(
        driver: Arc<dyn Driver>,
        schema: Option<String>,
        keys: FernetKeys,
        keys_origin: Option<String>,
        warnings: Vec<Warning>,
    ) -> Self {
        Self {
            driver,
            schema,
            keys: Arc::new(keys),
            keys_origin,
            warnings,
            teamless_since: Arc::default(),
        }
    }

    fn native_key(&self, table: Table, id: &str) -> String {
        sql::native_key(table, self.schema.as_deref(), id)
    }

    fn decrypter(&self) -> Decrypter<'_> {
        Decrypter {
            keys: &self.keys,
            origin: self.keys_origin.as_deref(),
        }
    }

    /// One id: its row, read by `read`.
    async fn find<T>(
        &self,
        table: Table,
        id: &str,
        team: Option<&str>,
        read: impl Fn(&Self, Row, &str, String) -> Answer<T> + Sync,
    ) -> Answer<T> {
        if let Some(skipped) = impossible(id) {
            return Ok(skipped);
        }
        let native_key = self.native_key(table, id);
        match self.rows(table, &[id], team).await {
            Ok(rows) => match rows.into_iter().next() {
                Some(row) => read(self, row, id, native_key),
                None => Ok(Lookup::missing(native_key)),
            },
            Err(fault) => Err(fault.into_failure(&native_key)),
        }
    }

    /// Many ids: their rows, asked for together, each read by `read`.
    async fn find_many<T: Clone + Send>(
        &self,
        table: Table,
        ids: &[&str],
        team: Option<&str>,
        read: impl Fn(&Self, Row, &str, String) -> Answer<T> + Sync,
    ) -> Vec<Answer<T>> {
        let mut answers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_IDS) {
            let mut found = self.find_some(table, ids, team, &read).await;
            // An id may be asked for more than once; the last one gets the answer itself.
            let mut times = HashMap::with_capacity(ids.len());
            for id in ids {
                *times.entry(*id).or_insert(0_usize) += 1;
            }
            answers.extend(ids.iter().filter_map(|id| {
                let times = times.get_mut(id)?;
                *times -= 1;
                match times {
                    0 => found.remove(id),
                    _ => found.get(id).cloned(),
                }
            }));
        }
        answers
    }

    /// The answer for each of `ids`, which are not too many for one statement.
    async fn find_some<'a, T: Send>(
        &self,
        table: Table,
        ids: &[&'a str],
        team: Option<&str>,
        read: &(impl Fn(&Self, Row, &str, String) -> Answer<T> + Sync),
    ) -> HashMap<&'a str, Answer<T>> {
        let mut answers = HashMap::with_capacity(ids.len());
        let mut asked = Vec::with_capacity(ids.len());
        for &id in ids {
            if let Entry::Vacant(vacant) = answers.entry(id) {
                let skipped = impossible(id).map(Ok);
                if skipped.is_none() {
                    asked.push(id);
                }
                vacant.insert(skipped);
            }
        }
        let rows = match asked.as_slice() {
            [] => Ok(Vec::new()),
            asked => self.rows(table, asked, team).await,
        };
        let mut alike = Alike::default();
        let mut fault = None;
        match rows {
            Ok(rows) => {
                for row in rows {
                    let Some(id) = row.id().map(str::to_owned) else {
                        continue;
                    };
                    if self.driver.compares_loosely() {
                        alike.insert(&id);
                    }
                    if let Some(answer) = answers.get_mut(id.as_str()) {
                        *answer = Some(read(self, row, &id, self.native_key(table, &id)));
                    }
                }
            }
            Err(other) => fault = Some(other),
        }
        let mut complete = HashMap::with_capacity(answers.len());
        for (id, answer) in answers {
            let answer = match (answer, &fault) {
                (Some(answer), _) => answer,
                (None, Some(fault)) => Err(fault.clone().into_failure(&self.native_key(table, id))),
                (None, None) if alike.contains(id) => self.find(table, id, team, read).await,
                (None, None) => Ok(Lookup::missing(self.native_key(table, id))),
            };
            complete.insert(id, answer);
        }
        complete
    }

    /// The rows of `table` under `ids` that `team` may see.
    async fn rows(
        &self,
        table: Table,
        ids: &[&str],
        team: Option<&str>,
    ) -> Result<Vec<Row>, Fault> {
        let all = Select {
            table,
            ids,
            visible: Visible::All,
        };
        if self.is_teamless() {
            return self.driver.select(&all).await;
        }
        let visible = team.map_or(Visible::Global, Visible::Team);
        match self.driver.select(&Select { visible, ..all }).await {
            Err(fault) if fault.kind == FaultKind::UndefinedColumn => {
                let rows = self.driver.select(&all).await?;
                *self.teamless() = Some(Instant::now());
                Ok(rows)
            }
            answer => answer,
        }
    }

    /// Whether the tables had no `team_name` a moment ago.
    fn is_teamless(&self) -> bool {
        self.teamless()
            .is_some_and(|since| since.elapsed() < TEAMLESS_FOR)
    }

    fn teamless(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.teamless_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self, row: Row, conn_id: &str, native_key: String) -> Answer<Connection> {
        match row.into_connection(conn_id, &self.decrypter()) {
            Ok(connection) => Ok(Lookup::found(connection, native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }

    fn variable(&self, row: Row, _: &str, native_key: String) -> Answer<Secret> {
        row.into_variable(&native_key, &self.decrypter())
            .map_err(|failure| failure.at(native_key))
    }
}

/// What comes of one id.
type Answer<T> = Result<Lookup<T>, Failure>;

/// Ids that a database gave, so far as it may hold others equal to them. How it compares only it
/// knows; this rules out what no collation holds equal.
#[derive(Default)]
struct Alike {
    plain: HashSet<String>,
    has_letters_beyond_ascii: bool,
}

impl Alike {
    fn insert(&mut self, id: &str) {
        self.has_letters_beyond_ascii |= !id.is_ascii();
        self.plain.insert(Self::plain(id));
    }

    fn contains(&self, id: &str) -> bool {
        !self.plain.is_empty()
            && (self.has_letters_beyond_ascii
                || !id.is_ascii()
                || self.plain.contains(&Self::plain(id)))
    }

    fn plain(id: &str) -> String {
        let graphic = id.chars().filter(char::is_ascii_graphic);
        graphic.map(|c| c.to_ascii_lowercase()).collect()
    }
}

/// An id that no database could hold.
fn impossible<T>(id: &str) -> Option<Lookup<T>> {
    id.contains('\0')
        .then(|| Lookup::skipped(SkipReason::InvalidId("it contains NUL".into())))
}

#[async_trait]
impl SecretsBackend for MetastoreBackend {
    fn name(&self) -> &'static str {
        "metastore"
    }

    /// The connection as a URI, as its `get_uri` writes it.
    async fn get_conn_value(
        &self,
        conn_id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        self.find(
            Table::Connection,
            conn_id,
            team,
            |this, row, conn_id, native_key| match row.into_connection(conn_id, &this.decrypter()) {
                Ok(connection) => Ok(Lookup::found(connection.get_uri(), native_key)),
                Err(failure) => Err(failure.at(native_key)),
            },
        )
        .await
    }

    /// The connection. The database holds fields, not a text: `dialect` makes no difference, and
    /// they are read as `airflow.models.Connection` reads them.
    async fn get_connection(
        &self,
        conn_id: &str,
        team: Option<&str>,
        _: Dialect,
    ) -> Result<Lookup<Connection>, Failure> {
        self.find(Table::Connection, conn_id, team, Self::connection)
            .await
    }

    async fn get_variable(&self, key: &str, team: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        self.find(Table::Variable, key, team, Self::variable).await
    }

    /// Many connections, with one statement.
    async fn get_connections(
        &self,
        conn_ids: &[&str],
        team: Option<&str>,
        _: Dialect,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        self.find_many(Table::Connection, conn_ids, team, Self::connection)
            .await
    }

    /// Many variables, with one statement.
    async fn get_variables(
        &self,
        keys: &[&str],
        team: Option<&str>,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.find_many(Table::Variable, keys, team, Self::variable)
            .await
    }
}

impl fmt::Debug for MetastoreBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetastoreBackend")
            .field("driver", &self.driver)
            .field("schema", &self.schema)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
