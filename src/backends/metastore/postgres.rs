//! PostgreSQL, directly or behind `PgBouncer`.
//!
//! A lookup is one message and its answer, a simple query with its ids as literals: a pooler that
//! hands each message to another server connection has nothing to mix up, and the server less to
//! do than for the same with parameters. Nothing is sent at start-up but who we are, which database, and what the URL's options ask for.

mod options;

use std::{error::Error as _, fmt, io, time::Duration};

use postgres_protocol::escape::escape_literal;
use tokio::time;
use tokio_postgres::{
    Client, Config, Error, SimpleQueryMessage, SimpleQueryRow, config::SslMode, error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use self::options::{Host, Mode, Options};
use super::{
    driver::{Fault, FaultKind, Select, Table},
    limits::Limits,
    pool::{Pool, Server},
    row::{Cell, Row},
    sql::{self, Syntax},
    url::DatabaseUrl,
};

/// A PostgreSQL server.
pub(super) struct Postgres {
    options: Options,
    place: String,
    schema: Option<String>,
}

/// A connection, and how to reach the server once more to cancel a statement.
pub(super) struct Connection {
    client: Client,
    tls: MakeRustlsConnect,
}

impl Postgres {
    /// The server that `url` names, its tables in `schema`. What is passed over goes into
    /// `ignored`.
    pub(super) fn from_url(
        url: &DatabaseUrl,
        schema: Option<&str>,
        limits: Limits,
        ignored: &mut Vec<String>,
    ) -> Result<Pool<Self>, String> {
        let options = Options::from_url(url, ignored)?;
        let schema = schema.or(options.search_path.as_deref());
        let server = Self {
            place: options.place(),
            schema: schema.map(|schema| format!("\"{}\"", schema.replace('"', "\"\""))),
            options,
        };
        Pool::new(server, limits)
    }

    /// Connects to `host`, in the ways that `sslmode` allows, one after the other.
    async fn connect_to(&self, host: &Host) -> Result<Connection, Fault> {
        let mut fault = None;
        for mode in self.options.modes(host) {
            match self.connect_once(host, *mode).await {
                Ok(connection) => return Ok(connection),
                // A way that fails for what another way may do better.
                Err((first, true)) => fault = fault.or(Some(first)),
                Err((first, false)) => return Err(fault.unwrap_or(first)),
            }
        }
        Err(fault.unwrap_or_else(|| Fault::unavailable("there is no way to connect")))
    }

    /// Connects in one way. A fault comes with whether TLS, or the lack of it, may be to blame.
    async fn connect_once(&self, host: &Host, mode: Mode) -> Result<Connection, (Fault, bool)> {
        let config = self.options.config(host, mode);
        let tls = self.options.tls.config().map_err(|fault| (fault, false))?;
        let tls = MakeRustlsConnect::new(tls);
        let connecting = config.connect(tls.clone());
        let connected = match self.options.connect_timeout {
            None => connecting.await,
            Some(limit) => match time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => return Err((unanswered(&host.to_string(), limit), false)),
            },
        };
        match connected {
            Ok((client, connection)) => {
                // Ends with the client, or with the connection.
                tokio::spawn(connection);
                Ok(Connection { client, tls })
            }
            Err(error) => Err((connect_fault(&error, host, mode), blames_tls(&error))),
        }
    }
}

fn unanswered(place: &str, limit: Duration) -> Fault {
    Fault::unavailable(format!(
        "{place} did not take the connection within {limit:?}; check host, port and firewall"
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
                Err(fault) => faults.push(fault.message),
            }
        }
        Err(Fault::unavailable(faults.join("; ")))
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
        let answer = connection.client.simple_query(&sql).await;
        let messages = answer.map_err(|error| self.fault(select.table, &error))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(found) => Some(row(select.table, found)),
            _ => None,
        });
        Ok(rows.collect())
    }

    fn give_up(&self, connection: Connection) {
        let cancel = connection.client.cancel_token();
        let tls = connection.tls;
        tokio::spawn(async move {
            // A courtesy to the server: the answer is given up whether or not this arrives.
            let _ = time::timeout(Duration::from_secs(5), cancel.cancel_query(tls)).await;
        });
    }
}

impl Postgres {
    /// What an `error` means that came in answer to a lookup.
    fn fault(&self, table: Table, error: &Error) -> Fault {
        let place = &self.place;
        let Some(answer) = error.as_db_error() else {
            return Fault {
                kind: FaultKind::Broken,
                message: format!("the connection to {place} broke"),
            };
        };
        let table = table.name();
        let code = answer.code();
        let kind = match *code {
            SqlState::UNDEFINED_COLUMN => FaultKind::UndefinedColumn,
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
                "the database at {place} has no table `{table}` where it was looked for: is it \
                 Airflow's, has `airflow db migrate` been run, and are [database] \
                 sql_alchemy_schema and the search path right?"
            ),
            SqlState::INSUFFICIENT_PRIVILEGE => format!(
                "the database at {place} does not let this user read the table `{table}`; GRANT \
                 SELECT ON {table}, and USAGE on its schema, to it"
            ),
            SqlState::UNDEFINED_COLUMN => format!(
                "the table `{table}` at {place} lacks a column; is it of Airflow 2.7 or later?"
            ),
            _ => format!("{place} refused the query (SQLSTATE {})", code.code()),
        };
        Fault { kind, message }
    }
}

/// Whether a connection failed for what may go well with TLS, or without.
fn blames_tls(error: &Error) -> bool {
    match error.as_db_error() {
        // `pg_hba.conf` may ask for TLS, or for none.
        Some(answer) => *answer.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => is_tls(error),
    }
}

fn is_tls(error: &Error) -> bool {
    error.to_string().contains("TLS handshake")
}

/// Why a connection could not be made, in words of our own: the server's hold the user's name.
fn connect_fault(error: &Error, host: &Host, mode: Mode) -> Fault {
    let Some(answer) = error.as_db_error() else {
        let cause = error.source();
        let io = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
        return Fault::unavailable(match (io, cause) {
            _ if is_tls(error) => match cause {
                Some(cause) => format!("no TLS with {host}: {cause}"),
                None => format!("no TLS with {host}"),
            },
            (Some(io), _) if error.to_string().contains("connect") => format!(
                "cannot connect to {host}: {}; check host and port, and that the server runs",
                reason(io)
            ),
            (Some(_), _) => format!(
                "{host} closed the connection while logging in; does it speak PostgreSQL, and on \
                 this port?"
            ),
            // The driver's own words, such as that there is no password.
            (None, Some(cause)) => format!("cannot log in at {host}: {cause}"),
            (None, None) => format!("cannot connect to {host}: {error}"),
        });
    };
    let code = answer.code();
    Fault::unavailable(match *code {
        SqlState::INVALID_PASSWORD => format!("{host} does not accept the user or its password"),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => format!(
            "{host} does not let this user in from here {}: there is no such user, or \
             pg_hba.conf says so",
            match mode {
                Mode::Plain => "without TLS",
                Mode::TlsIfOffered | Mode::Tls => "with TLS, if it has any",
            }
        ),
        SqlState::INVALID_CATALOG_NAME => format!("{host} has no database of that name"),
        SqlState::INSUFFICIENT_PRIVILEGE => {
            format!("{host} does not let this user connect to that database")
        }
        SqlState::TOO_MANY_CONNECTIONS => format!("{host} has too many connections already"),
        SqlState::CANNOT_CONNECT_NOW => {
            format!("{host} is starting, stopping or recovering")
        }
        // PgBouncer's word for everything it refuses; only the parameter's name is passed on.
        _ if answer
            .message()
            .starts_with("unsupported startup parameter: options") =>
        {
            format!(
                "{host} is a PgBouncer that refuses the URL's `options`; have it ignore them \
             (ignore_startup_parameters), or set the search path for the role"
            )
        }
        _ => format!(
            "{host} refused the connection (SQLSTATE {}); check user, password and database",
            code.code()
        ),
    })
}

/// An I/O error in words, without the number of the operating system's error.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        _ => error.to_string(),
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
    /// What `tokio-postgres` needs to connect to `host` in the way of `mode`.
    fn config(&self, host: &Host, mode: Mode) -> Config {
        let mut config = self.base.clone();
        config.host(host.name.clone()).port(host.port);
        config.ssl_mode(match mode {
            Mode::Plain => SslMode::Disable,
            Mode::TlsIfOffered => SslMode::Prefer,
            Mode::Tls => SslMode::Require,
        });
        config
    }
}
