//! Airflow's metadata DB: the connections and variables that users enter in Airflow itself.
//!
//! One code path serves SQLite, PostgreSQL and MySQL; a driver only reads rows. No statement but
//! `SELECT` is ever sent, and no file is created.

mod builder;
mod driver;
mod fernet;
mod limits;
#[cfg(feature = "mysql")]
mod mysql;
mod password;
#[cfg(feature = "_metastore-server")]
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(feature = "_metastore-server")]
mod tls;
mod url;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;

pub use self::{builder::MetastoreBuilder, password::PasswordRequest};
use self::{
    driver::{Driver, Fault, FaultKind, Select, Table, Visible},
    fernet::FernetKeys,
    row::{Decrypter, Row},
};
use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, SkipReason, deadline},
    config::Warning,
};

/// How many ids one statement asks for; more are asked for in several.
const MAX_IDS: usize = 5_000;

/// How long a table is assumed to have no `team_name`, once it had none. An Airflow 2 database may
/// be migrated at any time, and then rows may belong to teams.
const TEAMLESS_FOR: Duration = Duration::from_secs(60);

/// Connections and variables from Airflow's metadata DB, as `airflow.secrets.metastore` gives
/// them.
///
/// Encrypted values are decrypted with the Fernet keys of the builder. A connection that cannot be
/// decrypted, or whose `extra` is not a JSON object, is a failure, as in Airflow. A variable that
/// cannot be decrypted is a failure too. A value that is encrypted while no key is set, or an
/// invalid one, is a failure that names the setting.
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
        options: &LookupOptions,
        read: impl Fn(&Self, Row, &str, String) -> LookupResult<T> + Sync,
    ) -> LookupResult<T> {
        if let Some(skipped) = impossible(id) {
            return Ok(skipped);
        }
        let native_key = self.native_key(table, id);
        match self.rows(table, &[id], options.team()).await {
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
        options: &LookupOptions,
        read: impl Fn(&Self, Row, &str, String) -> LookupResult<T> + Sync,
    ) -> Vec<LookupResult<T>> {
        let mut answers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_IDS) {
            let mut found = self.find_some(table, ids, options, &read).await;
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

    /// The answer for each of `ids`, at most [`MAX_IDS`]. Each statement ends at the deadline by itself,
    /// so that what others gave by then is kept.
    async fn find_some<'a, T: Send>(
        &self,
        table: Table,
        ids: &[&'a str],
        options: &LookupOptions,
        read: &(impl Fn(&Self, Row, &str, String) -> LookupResult<T> + Sync),
    ) -> HashMap<&'a str, LookupResult<T>> {
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
            asked => {
                let rows = self.rows(table, asked, options.team());
                let rows = deadline::in_time(options, rows).await;
                rows.unwrap_or_else(|late| Err(Fault::unavailable(late.message())))
            }
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
                (None, None) if alike.contains(id) => {
                    let found = self.find(table, id, options, read);
                    let found = deadline::in_time(options, found).await.flatten();
                    found.map_err(|failure| failure.at(self.native_key(table, id)))
                }
                (None, None) => Ok(Lookup::missing(self.native_key(table, id))),
            };
            complete.insert(id, answer);
        }
        complete
    }

    /// The rows of `table` under `ids` that `team` may see. Where they are too long for one answer,
    /// they are asked for in two.
    async fn rows(
        &self,
        table: Table,
        ids: &[&str],
        team: Option<&str>,
    ) -> Result<Vec<Row>, Fault> {
        let answer = self.rows_at_once(table, ids, team).await;
        let is_too_long = |fault: &Fault| fault.kind == FaultKind::TooLong;
        if ids.len() < 2 || !answer.as_ref().is_err_and(is_too_long) {
            return answer;
        }
        let (first, second) = ids.split_at(ids.len() / 2);
        let mut rows = Box::pin(self.rows(table, first, team)).await?;
        rows.extend(Box::pin(self.rows(table, second, team)).await?);
        Ok(rows)
    }

    async fn rows_at_once(
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

    fn connection(&self, row: Row, conn_id: &str, native_key: String) -> LookupResult<Connection> {
        match row.into_connection(conn_id, &self.decrypter()) {
            Ok(connection) => Ok(Lookup::found(connection, native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }

    fn variable(&self, row: Row, _: &str, native_key: String) -> LookupResult<Secret> {
        row.into_variable(&native_key, &self.decrypter())
            .map_err(|failure| failure.at(native_key))
    }
}

/// The result for one id.
type LookupResult<T> = Result<Lookup<T>, Failure>;

/// The ids of the rows that a database returned. It may treat other ids as equal to them, by rules
/// that only it knows; this rules out what no collation treats as equal.
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

/// The answer for an id that no database can hold.
fn impossible<T>(id: &str) -> Option<Lookup<T>> {
    id.contains('\0')
        .then(|| Lookup::skipped(SkipReason::InvalidId("it contains NUL".into())))
}

#[async_trait]
impl SecretsBackend for MetastoreBackend {
    fn name(&self) -> &'static str {
        "metastore"
    }

    /// The options of the URL that were ignored.
    fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The connection as a URI, as its `get_uri` writes it.
    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.find(
            Table::Connection,
            conn_id,
            options,
            |this, row, conn_id, native_key| match row.into_connection(conn_id, &this.decrypter()) {
                Ok(connection) => Ok(Lookup::found(connection.get_uri(), native_key)),
                Err(failure) => Err(failure.at(native_key)),
            },
        )
        .await
    }

    /// The connection. The database holds fields, not a text: the dialect makes no difference, and
    /// they are read as `airflow.models.Connection` reads them.
    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        self.find(Table::Connection, conn_id, options, Self::connection)
            .await
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.find(Table::Variable, key, options, Self::variable)
            .await
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let select = Select {
            table: Table::Connection,
            ids: &[CHECK_ID],
            visible: Visible::All,
        };
        let native_key = self.native_key(Table::Connection, CHECK_ID);
        match self.driver.select(&select).await {
            Ok(_) => Ok(CheckOutcome::reachable(native_key)),
            Err(fault) => Err(fault.into_failure(&native_key)),
        }
    }

    /// Many connections, with one statement.
    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        self.find_many(Table::Connection, conn_ids, options, Self::connection)
            .await
    }

    /// Many variables, with one statement.
    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.find_many(Table::Variable, keys, options, Self::variable)
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
