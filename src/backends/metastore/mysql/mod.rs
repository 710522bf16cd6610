//! MySQL and MariaDB.
//!
//! A lookup is one round trip in the text protocol. Ids are sent as hexadecimal literals, which
//! every SQL mode and every character set reads alike.

mod options;
mod wire;

use std::{fmt, fmt::Write as _, io, sync::Arc};

use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;

use self::{
    options::{Mode, Options, ServerAddress},
    wire::{Login, Tls, Wire, WireError},
};
use super::{
    driver::{Fault, FaultKind, LONGEST_ANSWER, Select, Table},
    limits::Limits,
    password::PasswordSource,
    pool::{Pool, Server},
    row::Row,
    sql::{self, Syntax},
    tls::Check,
    url::DatabaseUrl,
};
use crate::Secret;

/// The last characters that `utf8mb3`, `latin1` and `ascii` can hold. A server refuses to compare
/// a column with a text that the column cannot hold; it cannot contain such an id.
const LIMITS: [char; 3] = ['\u{ffff}', '\u{ff}', '\u{7f}'];

/// A MySQL or MariaDB server.
pub(super) struct MySql {
    options: Options,
    password: Option<PasswordSource>,
    place: String,
    schema: Option<String>,
}

impl MySql {
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
        let server = Self {
            password,
            place: if url.is_doubtful {
                "MySQL at the URL's host".to_owned()
            } else {
                options.place.to_string()
            },
            schema: schema.map(|schema| format!("`{}`", schema.replace('`', "``"))),
            options,
        };
        Pool::new(server, limits)
    }

    async fn connect_in(&self, mode: Mode, password: &Secret) -> Result<Wire, WireError> {
        let login = Login {
            user: self.options.user.expose(),
            password: password.expose(),
            database: self.options.database.as_deref(),
        };
        match self.options.place.resolve() {
            #[cfg(unix)]
            ServerAddress::Socket(path) => {
                // As for the client library, a socket has TLS only where it is asked for.
                let mode = match mode {
                    Mode::Preferred => Mode::Disabled,
                    mode => mode,
                };
                let tls = self.tls(mode, "localhost").await?;
                let stream = tokio::net::UnixStream::connect(path).await?;
                Wire::over(stream, true, &login, tls).await
            }
            ServerAddress::Tcp(host, port) => {
                let tls = self.tls(mode, &host).await?;
                let stream = TcpStream::connect((host, port)).await?;
                stream.set_nodelay(true)?;
                Wire::over(stream, false, &login, tls).await
            }
            _ => Err(WireError::Protocol("this system has no Unix sockets")),
        }
    }

    /// TLS to `host`, unless `mode` is without.
    async fn tls(&self, mode: Mode, host: &str) -> Result<Option<Tls>, WireError> {
        if mode == Mode::Disabled {
            return Ok(None);
        }
        let config = self.options.tls.config().await;
        let config = config.map_err(WireError::Setting)?;
        Ok(Some(Tls {
            connector: TlsConnector::from(Arc::new(config)),
            host: host.to_owned(),
            is_required: mode == Mode::Required,
            is_checked: self.options.tls.check > Check::Nothing,
        }))
    }

    /// The fault for an error before the login was complete.
    fn connect_fault(&self, error: WireError) -> Fault {
        let place = &self.place;
        let unavailable = Fault::unavailable;
        match error {
            WireError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                unavailable(format!(
                    "{place} closed the connection during the login; check that a MySQL server \
                     listens there"
                ))
            }
            WireError::Io(error) => {
                let reason = match error.kind() {
                    io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                    io::ErrorKind::NotFound => "no such socket".to_owned(),
                    _ => error.to_string(),
                };
                unavailable(format!(
                    "cannot connect to {place}: {reason}; check host and port, and that the \
                     server runs"
                ))
            }
            WireError::Tls(reason) => {
                unavailable(format!("no TLS connection to {place}: {reason}"))
            }
            WireError::Protocol(reason) => {
                unavailable(format!("cannot log in at {place}: {reason}"))
            }
            WireError::Configuration(reason) => {
                Fault::configuration(format!("cannot log in at {place}: {reason}"))
            }
            WireError::TooLong => self.too_long(),
            WireError::Setting(fault) => fault,
            WireError::Server(code) => self.refusal(code),
        }
    }

    /// Why the server refused the login.
    fn refusal(&self, code: u16) -> Fault {
        let place = &self.place;
        let (kind, message) = match code {
            1045 | 1698 => (
                FaultKind::AccessDenied,
                format!("{place} refused the user or its password; check both in the URL"),
            ),
            1044 => (
                FaultKind::AccessDenied,
                format!(
                    "{place} does not let this user read the URL's database; GRANT SELECT on its \
                     tables to the user"
                ),
            ),
            1130 => (
                FaultKind::AccessDenied,
                format!("{place} does not accept this user's login from this host"),
            ),
            1862 | 3118 | 4151 => (
                FaultKind::AccessDenied,
                format!("{place} has locked this user, or its password has expired"),
            ),
            1049 => (
                FaultKind::Configuration,
                format!("{place} has no database of the name that the URL gives; correct the URL"),
            ),
            3159 => (
                FaultKind::Configuration,
                format!("{place} accepts only TLS; add ssl_mode=REQUIRED to the URL"),
            ),
            1129 => (
                FaultKind::Unavailable,
                format!(
                    "{place} blocks this host after too many failed connections; FLUSH HOSTS there"
                ),
            ),
            1040 | 1203 | 1226 => (
                FaultKind::Unavailable,
                format!(
                    "{place} has too many connections; close some, or raise the server's limit"
                ),
            ),
            1053 => (FaultKind::Unavailable, format!("{place} is shutting down")),
            code => (
                FaultKind::Unavailable,
                format!("{place} refused the connection (error {code})"),
            ),
        };
        Fault::new(kind, message)
    }

    fn too_long(&self) -> Fault {
        let message = format!(
            "the answer of {} is longer than {LONGEST_ANSWER} bytes (DB-21)",
            self.place
        );
        Fault::new(FaultKind::TooLong, message)
    }

    /// The fault for an error in answer to a lookup.
    fn fault(&self, table: Table, error: &WireError) -> Fault {
        if let WireError::TooLong = error {
            return self.too_long();
        }
        let (place, table) = (&self.place, table.name());
        let WireError::Server(code) = error else {
            let message = format!("the connection to {place} broke");
            return Fault::new(FaultKind::Broken, message);
        };
        let kind = match code {
            1054 => FaultKind::UndefinedColumn,
            1146 | 1049 | 1046 => FaultKind::Configuration,
            1142 | 1143 | 1044 | 1820 => FaultKind::AccessDenied,
            // The server has closed the connection, or is about to.
            1053 | 1152 | 1158..=1161 | 1927 | 4031 => FaultKind::Broken,
            _ => FaultKind::Unavailable,
        };
        let message = match code {
            1146 | 1049 | 1046 => format!(
                "the database at {place} has no table `{table}` where it was looked for: check \
                 that it is Airflow's, that `airflow db migrate` was run, and [database] \
                 sql_alchemy_schema"
            ),
            1142 | 1143 | 1044 => format!(
                "the database at {place} does not let this user read the table `{table}`; GRANT \
                 SELECT ON it to the user"
            ),
            1054 => format!(
                "the table `{table}` at {place} lacks a column; it must be of Airflow 2.7 or later"
            ),
            code => format!("{place} refused the query (error {code})"),
        };
        Fault::new(kind, message)
    }
}

impl Server for MySql {
    type Connection = Wire;

    fn place(&self) -> &str {
        &self.place
    }

    async fn connect(&self) -> Result<Wire, Fault> {
        let password = match &self.password {
            None => self.options.password.clone(),
            Some(source) => {
                let (host, port) = self.options.place.login();
                let password = source.ask(host, port, self.options.user.expose()).await;
                password.map_err(|failure| Fault::no_password(&self.place, &failure))?
            }
        };
        let connecting = async {
            match self.connect_in(self.options.mode, &password).await {
                // TLS is only preferred.
                Err(WireError::Tls(_)) if self.options.mode == Mode::Preferred => {
                    self.connect_in(Mode::Disabled, &password).await
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
        connected.map_err(|error| self.connect_fault(error))
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
            // A collation may treat several rows as equal to one id.
            let most = ids.len().saturating_mul(2);
            let width = select.table.columns().len();
            match (connection.query(&sql, width, most).await, limits.next()) {
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
