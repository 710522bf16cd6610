//! PostgreSQL, directly or behind `PgBouncer`.
//!
//! A lookup is one message and its answer, a simple query with its ids as literals: a pooler that
//! hands each message to another server connection has nothing to mix up, and the server less to
//! do than for the same with parameters. The start-up message holds only the user, the database, and what the URL's options ask for.

mod fault;
mod hosts;
mod options;
mod wire;

use std::{fmt, future::poll_fn, io, pin::pin, time::Duration};

use futures_util::{
    TryStreamExt as _,
    future::{self, Either},
};
use postgres_protocol::escape::escape_literal;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{sync::oneshot, time};
use tokio_postgres::{
    Client, Config, Error, SimpleQueryMessage, SimpleQueryRow,
    config::{SslMode, SslNegotiation},
    error::SqlState,
};
use zeroize::Zeroizing;

use self::{
    fault::{blames_tls, connect_fault},
    hosts::Host,
    options::{Mode, Options},
    wire::{Connector, Excess, Stream},
};
use super::{
    driver::{Fault, FaultKind, Select, Table},
    limits::Limits,
    password::PasswordSource,
    pool::{Pool, Server},
    row::{Cell, Row},
    sql::{self, Syntax},
    tls::TlsOptions,
    url::DatabaseUrl,
};

/// A PostgreSQL server.
pub(super) struct Postgres {
    options: Options,
    password: Option<PasswordSource>,
    place: String,
    schema: Option<String>,
}

/// How long a connection that nobody needs any more may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection, and how to reach the server once more to cancel a statement.
pub(super) struct Connection {
    client: Client,
    connector: Connector,
    /// The Unix socket of the server.
    socket: Option<String>,
    /// Dropped with the connection, which ends soon after.
    _is_needed: oneshot::Sender<()>,
}

impl Postgres {
    /// The server that `url` names, its tables in `schema`. What is ignored goes into
    /// `ignored`.
    pub(super) fn from_url(
        url: &DatabaseUrl,
        schema: Option<&str>,
        password: Option<PasswordSource>,
        limits: Limits,
        ignored: &mut Vec<String>,
    ) -> Result<Pool<Self>, String> {
        let options = Options::from_url(url, ignored)?;
        let schema = schema.or(options.search_path.as_deref());
        let server = Self {
            password,
            place: options.place(),
            schema: schema.map(|schema| format!("\"{}\"", schema.replace('"', "\"\""))),
            options,
        };
        Pool::new(server, limits)
    }

    /// Connects to `host`, in the modes that `sslmode` allows, one after the other.
    async fn connect_to(&self, host: &Host) -> Result<Connection, Fault> {
        let mut config = self.options.config(host);
        if let Some(source) = &self.password {
            let user = config.get_user().unwrap_or_default();
            let password = source.ask(&host.name, host.port, user).await;
            let password = password.map_err(|failure| Fault::no_password(&host.place, &failure))?;
            config.password(password.expose());
        }
        let mut fault = None;
        for mode in self.options.modes(host) {
            match self.connect_once(&config, host, *mode).await {
                Ok(connection) => return Ok(connection),
                // Another mode may succeed.
                Err((first, true)) => fault = fault.or(Some(first)),
                Err((first, false)) => return Err(fault.unwrap_or(first)),
            }
        }
        Err(fault.unwrap_or_else(|| Fault::unavailable("the URL names no host to connect to")))
    }

    /// Connects in one mode. A fault comes with whether another mode may succeed.
    async fn connect_once(
        &self,
        config: &Config,
        host: &Host,
        mode: Mode,
    ) -> Result<Connection, (Fault, bool)> {
        let tls = match mode {
            // Files that are not needed are not read.
            Mode::Plain => &TlsOptions::unchecked(),
            Mode::TlsIfOffered | Mode::Tls => &self.options.tls,
        };
        let tls = tls.config().await.map_err(|fault| (fault, false))?;
        let connector = Connector::new(mode, self.options.is_direct, tls);
        let connecting = async {
            let connected = connect(config, host, connector).await?;
            connected.check(self.options.read_only, host).await?;
            Ok(connected)
        };
        match self.options.connect_timeout {
            None => connecting.await,
            Some(limit) => time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err((unanswered(&host.to_string(), limit), false))),
        }
    }
}

/// Connects to `host` by `connector`. A fault comes with whether another mode may succeed.
async fn connect(
    config: &Config,
    host: &Host,
    connector: Connector,
) -> Result<Connection, (Fault, bool)> {
    let failed = |error| {
        (
            connect_fault(&error, host, connector.mode()),
            blames_tls(&error),
        )
    };
    #[cfg(unix)]
    if let Some(socket) = host.socket() {
        let stream = UnixStream::connect(&socket).await;
        let stream = stream.map_err(|error| (fault::unreachable(host, &error), false))?;
        let connected = config.connect_raw(stream, connector.to("")).await;
        let (client, connection) = connected.map_err(failed)?;
        return Ok(Connection::new(client, connection, connector, Some(socket)));
    }
    let connected = config.connect(connector.clone()).await;
    let (client, connection) = connected.map_err(failed)?;
    Ok(Connection::new(client, connection, connector, None))
}

impl Connection {
    fn new<S, T>(
        client: Client,
        mut connection: tokio_postgres::Connection<S, T>,
        connector: Connector,
        socket: Option<String>,
    ) -> Self
    where
        S: Stream + 'static,
        T: Stream + 'static,
    {
        let (is_needed, is_gone) = oneshot::channel();
        tokio::spawn(async move {
            // Notices are dropped: the driver itself would log them, and they may contain anything.
            let served = pin!(async {
                while let Some(Ok(_)) = poll_fn(|context| connection.poll_message(context)).await {}
            });
            if let Either::Right((_, served)) = future::select(served, is_gone).await {
                let _ = time::timeout(FAREWELL, served).await;
            }
        });
        Self {
            client,
            connector,
            socket,
            _is_needed: is_needed,
        }
    }

    /// Checks that the server's `transaction_read_only` is `wanted`.
    async fn check(&self, wanted: Option<&str>, host: &Host) -> Result<(), (Fault, bool)> {
        let Some(wanted) = wanted else {
            return Ok(());
        };
        let answer = self.client.simple_query("SHOW transaction_read_only").await;
        let answer =
            answer.map_err(|error| (connect_fault(&error, host, self.connector.mode()), false))?;
        let is_wanted = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(row) if row.try_get(0).ok().flatten() == Some(wanted));
        if answer.iter().any(is_wanted) {
            return Ok(());
        }
        let message =
            format!("{host} is not of the kind that the URL's `target_session_attrs` asks for");
        Err((Fault::unavailable(message), false))
    }
}

fn unanswered(place: &str, limit: Duration) -> Fault {
    Fault::unavailable(format!(
        "{place} did not accept the connection within {limit:?}; check host, port and firewall"
    ))
}

impl Server for Postgres {
    type Connection = Connection;

    fn place(&self) -> &str {
        &self.place
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let mut faults = Vec::new();
        for host in self.options.hosts() {
            match self.connect_to(host).await {
                Ok(connection) => return Ok(connection),
                Err(fault) => faults.push(fault),
            }
        }
        let messages = faults.iter().map(|fault| fault.message.as_str());
        let message = messages.collect::<Vec<_>>().join("; ");
        // A server that is down might have answered: an outage decides.
        let is_outage = |fault: &&Fault| fault.kind == FaultKind::Unavailable;
        let deciding = faults.iter().find(is_outage).or(faults.first()).cloned();
        let fault = deciding.unwrap_or_else(|| Fault::unavailable(""));
        Err(Fault { message, ..fault })
    }

    fn is_open(&self, connection: &Connection) -> bool {
        !connection.client.is_closed()
    }

    async fn select(
        &self,
        connection: &mut Connection,
        select: &Select<'_>,
    ) -> Result<Vec<Row>, Fault> {
        let sql = sql::statement(select, self.schema.as_deref(), &mut Literals);
        let mut rows = Vec::new();
        let most = select.ids.len().saturating_mul(2);
        let answer = async {
            let mut messages = pin!(connection.client.simple_query_raw(&sql).await?);
            while let Some(message) = messages.try_next().await? {
                match message {
                    SimpleQueryMessage::Row(_) if rows.len() == most => return Ok(false),
                    SimpleQueryMessage::Row(found) => rows.push(row(select.table, &found)),
                    _ => {}
                }
            }
            Ok(true)
        };
        match (answer.await, connection.connector.excess()) {
            (Ok(true), _) => Ok(rows),
            (Ok(false), _) => {
                let message = format!("{} sent more rows than it was asked for", self.place);
                Err(Fault::new(FaultKind::Broken, message))
            }
            (Err(_), Some(excess)) => Err(self.excess(excess)),
            (Err(error), None) => Err(self.fault(select.table, &error)),
        }
    }

    fn give_up(&self, connection: Connection) {
        let Connection {
            client,
            connector,
            socket,
            ..
        } = connection;
        let cancel = client.cancel_token();
        let cancelled = async move {
            match socket {
                #[cfg(unix)]
                Some(socket) => {
                    let stream = UnixStream::connect(socket).await?;
                    let cancelled = cancel.cancel_query_raw(stream, connector.to(""));
                    cancelled.await.map_err(io::Error::other)
                }
                _ => cancel
                    .cancel_query(connector)
                    .await
                    .map_err(io::Error::other),
            }
        };
        // A courtesy to the server: the answer is given up whether or not this arrives.
        tokio::spawn(time::timeout(FAREWELL, cancelled));
    }
}

impl Postgres {
    /// The fault for an answer that is too long.
    fn excess(&self, excess: Excess) -> Fault {
        let kind = match excess {
            Excess::Rows => FaultKind::TooLong,
            Excess::BesidesRows => FaultKind::Unavailable,
        };
        Fault::new(kind, format!("the answer of {} {excess}", self.place))
    }

    /// The fault for an `error` in answer to a lookup.
    fn fault(&self, table: Table, error: &Error) -> Fault {
        let place = &self.place;
        let Some(answer) = error.as_db_error() else {
            let message = format!("the connection to {place} broke");
            return Fault::new(FaultKind::Broken, message);
        };
        let table = table.name();
        let code = answer.code();
        let kind = match *code {
            SqlState::UNDEFINED_COLUMN => FaultKind::UndefinedColumn,
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => FaultKind::Configuration,
            SqlState::INSUFFICIENT_PRIVILEGE => FaultKind::AccessDenied,
            // The server, or a pooler before it, is about to close the connection.
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::IDLE_SESSION_TIMEOUT
            | SqlState::PROTOCOL_VIOLATION => FaultKind::Broken,
            _ if code.code().starts_with("08") => FaultKind::Broken,
            _ => FaultKind::Unavailable,
        };
        let message = match *code {
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => format!(
                "the database at {place} has no table `{table}` where it was looked for: check \
                 that it is Airflow's, that `airflow db migrate` was run, [database] \
                 sql_alchemy_schema and the search path"
            ),
            SqlState::INSUFFICIENT_PRIVILEGE => format!(
                "the database at {place} does not let this user read the table `{table}`; GRANT \
                 SELECT ON {table}, and USAGE on its schema, to it"
            ),
            SqlState::UNDEFINED_COLUMN => format!(
                "the table `{table}` at {place} lacks a column; it must be of Airflow 2.7 or later"
            ),
            _ => format!("{place} refused the query (SQLSTATE {})", code.code()),
        };
        Fault::new(kind, message)
    }
}

/// Parameters written as literals.
struct Literals;

impl Syntax for Literals {
    /// A backslash makes it an escape string, which is read alike under every
    /// `standard_conforming_strings`.
    fn parameter(&mut self, sql: &mut String, value: &str) {
        sql.push_str(&escape_literal(value));
    }

    /// One literal for any number of values: an array is quicker to parse than as many literals.
    fn one_of(&mut self, sql: &mut String, values: &[&str]) {
        let mut array = String::from("{");
        for (index, value) in values.iter().enumerate() {
            array.push_str(if index == 0 { "\"" } else { ",\"" });
            for c in value.chars() {
                if matches!(c, '"' | '\\') {
                    array.push('\\');
                }
                array.push(c);
            }
            array.push('"');
        }
        array.push('}');
        sql.push_str("= ANY(");
        sql.push_str(&escape_literal(&array));
        sql.push_str("::text[])");
    }
}

/// The columns of a row, which came as texts; what is not UTF-8 is bytes.
fn row(table: Table, row: &SimpleQueryRow) -> Row {
    let columns = table.columns().iter().enumerate();
    let cells = columns.map(|(index, column)| match row.try_get(index) {
        Ok(None) => Cell::Null,
        Ok(Some(text)) => cell(column, text),
        Err(_) => Cell::Bytes,
    });
    Row::new(cells.collect())
}

fn cell(column: &str, text: &str) -> Cell {
    match (column, text) {
        ("is_encrypted" | "is_extra_encrypted", "t") => Cell::Integer(1),
        ("is_encrypted" | "is_extra_encrypted", "f") => Cell::Integer(0),
        ("is_encrypted" | "is_extra_encrypted" | "port", number) => {
            number.parse().map_or(Cell::Bytes, Cell::Integer)
        }
        (_, text) => Cell::Text(Zeroizing::new(text.to_owned())),
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("place", &self.place)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// What `tokio-postgres` needs to connect to `host`, but for the mode.
    fn config(&self, host: &Host) -> Config {
        let mut config = self.base.clone();
        config.host(host.name.clone()).port(host.port);
        if let Some(address) = host.address {
            config.hostaddr(address);
        }
        // The connector speaks TLS, or not.
        config.ssl_mode(SslMode::Require);
        config.ssl_negotiation(SslNegotiation::Direct);
        config
    }
}
