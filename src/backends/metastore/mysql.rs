//! MySQL and MariaDB.
//!
//! A lookup is one round trip in the text protocol. Ids travel as hexadecimal literals, which no
//! SQL mode and no character set reads in another way.

mod options;
mod wire;

use std::{fmt, fmt::Write as _, io, sync::Arc};

use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;

use self::{
    options::{Mode, Options, Place},
    wire::{Login, Tls, Wire, WireError},
};
use super::{
    driver::{Fault, FaultKind, Select, Table},
    limits::Limits,
    pool::{Pool, Server},
    row::Row,
    sql::{self, Syntax},
    tls::Check,
    url::DatabaseUrl,
};

/// The last characters of what `utf8mb3`, `latin1` and `ascii` can hold. A server refuses to
/// compare a column with what it cannot hold; such an id is not in it.
const LIMITS: [char; 3] = ['\u{ffff}', '\u{ff}', '\u{7f}'];

/// A MySQL or MariaDB server.
pub(super) struct MySql {
    options: Options,
    place: String,
    schema: Option<String>,
}

impl MySql {
    /// The server that `url` names, its tables in `schema`. What is passed over goes into
    /// `ignored`.
    pub(super) fn from_url(
        url: &DatabaseUrl,
        schema: Option<&str>,
        limits: Limits,
        ignored: &mut Vec<String>,
    ) -> Result<Pool<Self>, String> {
        let options = Options::from_url(url, ignored)?;
        let server = Self {
            place: options.place.to_string(),
            schema: schema.map(|schema| format!("`{}`", schema.replace('`', "``"))),
            options,
        };
        Pool::new(server, limits)
    }

    async fn connect_in(&self, mode: Mode) -> Result<Wire, WireError> {
        let login = Login {
            user: self.options.user.expose(),
            password: self.options.password.expose(),
            database: self.options.database.as_deref(),
        };
        match self.options.place.resolve() {
            #[cfg(unix)]
            Place::Socket(path) => {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Wire::over_socket(stream, &login).await
            }
            Place::Tcp(host, port) => {
                let tls = match mode {
                    Mode::Disabled => None,
                    mode => {
                        let config = self.options.tls.config();
                        let config = config.map_err(|fault| WireError::Tls(fault.message))?;
                        Some(Tls {
                            connector: TlsConnector::from(Arc::new(config)),
                            host: host.clone(),
                            is_required: mode == Mode::Required,
                            is_checked: self.options.tls.check > Check::Nothing,
                        })
                    }
                };
                let stream = TcpStream::connect((host, port)).await?;
                Wire::over_tcp(stream, &login, tls).await
            }
            _ => Err(WireError::Protocol("there are no sockets on this system")),
        }
    }

    /// What an error means that came before the login was done.
    fn connect_fault(&self, error: &WireError) -> Fault {
        let place = &self.place;
        Fault::unavailable(match error {
            WireError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => format!(
                "{place} closed the connection while logging in; does it speak MySQL there?"
            ),
            WireError::Io(error) => {
                let reason = match error.kind() {
                    io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                    io::ErrorKind::NotFound => "no such socket".to_owned(),
                    _ => error.to_string(),
                };
                format!(
                    "cannot connect to {place}: {reason}; check host and port, and that the \
                     server runs"
                )
            }
            WireError::Tls(reason) => format!("no TLS with {place}: {reason}"),
            WireError::Protocol(reason) => format!("cannot log in at {place}: {reason}"),
            WireError::Server(code) => match code {
                1045 | 1698 => format!("{place} does not accept the user or its password"),
                1044 => format!("{place} does not let this user use that database"),
                1049 => format!("{place} has no database of that name"),
                1129 | 1130 => format!("{place} does not let anybody in from here"),
                1040 | 1203 | 1226 => format!("{place} has too many connections already"),
                3159 => format!("{place} insists on TLS; add ssl_mode=REQUIRED"),
                1053 => format!("{place} is shutting down"),
                code => format!("{place} refused the connection (error {code})"),
            },
        })
    }

    /// What an error means that came in answer to a lookup.
    fn fault(&self, table: Table, error: &WireError) -> Fault {
        let (place, table) = (&self.place, table.name());
        let WireError::Server(code) = error else {
            return Fault {
                kind: FaultKind::Broken,
                message: format!("the connection to {place} broke"),
            };
        };
        let kind = match code {
            1054 => FaultKind::UndefinedColumn,
            // The server has closed the connection, or is about to.
            1053 | 1152 | 1158..=1161 | 1927 | 4031 => FaultKind::Broken,
            _ => FaultKind::Unavailable,
        };
        let message = match code {
            1146 | 1049 | 1046 => format!(
                "the database at {place} has no table `{table}` where it was looked for: is it \
                 Airflow's, has `airflow db migrate` been run, and is [database] \
                 sql_alchemy_schema right?"
            ),
            1142 | 1143 | 1044 => format!(
                "the database at {place} does not let this user read the table `{table}`; GRANT \
                 SELECT ON it to the user"
            ),
            1054 => format!(
                "the table `{table}` at {place} lacks a column; is it of Airflow 2.7 or later?"
            ),
            code => format!("{place} refused the query (error {code})"),
        };
        Fault { kind, message }
    }
}

impl Server for MySql {
    type Connection = Wire;

    fn place(&self) -> &str {
        &self.place
    }

    async fn connect(&self) -> Result<Wire, Fault> {
        let connecting = async {
            match self.connect_in(self.options.mode).await {
                // Nothing was asked for but TLS if it can be had.
                Err(WireError::Tls(_)) if self.options.mode == Mode::Preferred => {
                    self.connect_in(Mode::Disabled).await
                }
                connected => connected,
            }
        };
        let connected = match self.options.connect_timeout {
            None => connecting.await,
            Some(limit) => time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(WireError::Io(io::ErrorKind::TimedOut.into()))),
        };
        connected.map_err(|error| self.connect_fault(&error))
    }

    fn is_open(&self, connection: &Wire) -> bool {
        !connection.is_in_transaction()
    }

    async fn select(&self, connection: &mut Wire, select: &Select<'_>) -> Result<Vec<Row>, Fault> {
        let mut ids = select.ids.to_vec();
        let mut limits = LIMITS.into_iter();
        loop {
            let select = Select {
                ids: &ids,
                ..*select
            };
            let sql = sql::statement(&select, self.schema.as_deref(), &mut Literals);
            match (connection.query(&sql).await, limits.next()) {
                (Ok(rows), _) => return Ok(rows),
                (Err(WireError::Server(1267 | 1271)), Some(limit)) => {
                    ids.retain(|id| id.chars().all(|c| c <= limit));
                    if ids.is_empty() {
                        return Ok(Vec::new());
                    }
                }
                (Err(error), _) => return Err(self.fault(select.table, &error)),
            }
        }
    }

    fn compares_loosely(&self) -> bool {
        true
    }
}

/// Parameters written as literals.
struct Literals;

impl Syntax for Literals {
    fn parameter(&mut self, sql: &mut String, value: &str) {
        sql.push_str("_utf8mb4 X'");
        for byte in value.bytes() {
            let _ = write!(sql, "{byte:02x}");
        }
        sql.push('\'');
    }
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql")
            .field("place", &self.place)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
