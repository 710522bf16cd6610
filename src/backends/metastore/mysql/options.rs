//! The options of a MySQL URL, as SQLAlchemy's drivers for it read them: `mysqlclient`, `PyMySQL`
//! and MySQL's own.
//!
//! An option is honoured, or has no meaning for a reader and is passed over in silence, or is
//! passed over with a warning. One that would weaken TLS if it were passed over is an error.

use std::{fmt, path::Path, time::Duration};

use super::super::{
    tls::{Check, TlsOptions, Trust, Versions},
    url::DatabaseUrl,
};
use crate::Secret;

/// Where Debian's servers have their socket; the client library goes there for `localhost`.
const DEFAULT_SOCKET: &str = "/run/mysqld/mysqld.sock";

const DEFAULT_PORT: u16 = 3306;

/// What steers Python's drivers, or what we do in any case.
const WITHOUT_MEANING: [&str; 25] = [
    "allow_local_infile",
    "autocommit",
    "binary_prefix",
    "buffered",
    "charset",
    "client_flag",
    "collation",
    "compress",
    "consume_results",
    "converter_class",
    "force_ipv6",
    "get_warnings",
    "local_infile",
    "max_allowed_packet",
    "pool_name",
    "pool_reset_session",
    "pool_size",
    "raise_on_warnings",
    "raw",
    "read_timeout",
    "sql_mode",
    "use_pure",
    "use_unicode",
    "write_timeout",
    "defer_connect",
];

/// What a URL asks for.
pub(super) struct Options {
    pub(super) place: Place,
    pub(super) user: Secret,
    pub(super) password: Secret,
    pub(super) database: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) mode: Mode,
    pub(super) tls: TlsOptions,
}

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(String, u16),
    Socket(String),
    /// At the default socket, where there is one, else on this port of this machine.
    Local(u16),
}

/// Whether to use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disabled,
    Preferred,
    Required,
}

impl Place {
    /// The place as it is now.
    pub(super) fn resolve(&self) -> Self {
        match self {
            Self::Local(port) if !Path::new(DEFAULT_SOCKET).exists() => {
                Self::Tcp("localhost".to_owned(), *port)
            }
            Self::Local(_) => Self::Socket(DEFAULT_SOCKET.to_owned()),
            place => place.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "MySQL at [{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "MySQL at {host}:{port}"),
            Self::Socket(path) => write!(f, "MySQL at {path}"),
            Self::Local(port) => write!(f, "MySQL at localhost:{port}"),
        }
    }
}

impl Options {
    /// Reads the options of `url`. What is passed over goes into `ignored`.
    pub(super) fn from_url(url: &DatabaseUrl, ignored: &mut Vec<String>) -> Result<Self, String> {
        let mut reader = Reader {
            host: url.host.clone(),
            port: url.port.unwrap_or(DEFAULT_PORT),
            socket: None,
            user: url.username.clone().unwrap_or_default(),
            password: url.password.clone().unwrap_or_default(),
            database: url.database.clone(),
            connect_timeout: None,
            mode: None,
            check: None,
            checks_host: None,
            authorities: None,
            certificate: None,
            key: None,
        };
        for (name, value) in &url.options {
            reader.read(name, value, url, ignored)?;
        }
        reader.finish(url)
    }
}

/// The options read so far.
struct Reader {
    host: Option<String>,
    port: u16,
    socket: Option<String>,
    user: Secret,
    password: Secret,
    database: Option<String>,
    connect_timeout: Option<Duration>,
    mode: Option<Mode>,
    check: Option<Check>,
    checks_host: Option<bool>,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Reader {
    fn read(
        &mut self,
        name: &str,
        value: &str,
        url: &DatabaseUrl,
        ignored: &mut Vec<String>,
    ) -> Result<(), String> {
        match name {
            "host" => self.host = Some(value.to_owned()),
            "port" => self.port = value.trim().parse().map_err(|_| not("a port", name))?,
            "unix_socket" => self.socket = Some(value.to_owned()),
            "user" | "username" => self.user = Secret::from(value),
            "password" | "passwd" => self.password = Secret::from(value),
            "database" | "db" => self.database = Some(value.to_owned()),
            "connect_timeout" | "connection_timeout" => {
                let seconds = value
                    .trim()
                    .parse::<f64>()
                    .map_err(|_| not("a number", name))?;
                self.connect_timeout = Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|limit| !limit.is_zero());
            }
            "ssl_mode" => self.read_mode(value)?,
            "ssl_ca" => self.authorities = Some(value.to_owned()),
            "ssl_cert" => self.certificate = Some(value.to_owned()),
            "ssl_key" => self.key = Some(value.to_owned()),
            "ssl_check_hostname" | "ssl_verify_identity" => {
                self.checks_host = Some(parse_bool(name, value)?);
            }
            "ssl_verify_cert" | "ssl_disabled" | "ssl" => match (name, parse_bool(name, value)?) {
                ("ssl_verify_cert", true) => {
                    self.check = self.check.max(Some(Check::Authority));
                }
                ("ssl_disabled", true) => self.mode = Some(Mode::Disabled),
                ("ssl", true) => self.mode = Some(Mode::Required),
                _ => {}
            },
            _ if name.starts_with("ssl") || name.starts_with("tls") => {
                return Err(format!(
                    "the URL's option `{name}` cannot be honoured, and the connection would be \
                     less safe without it"
                ));
            }
            _ if WITHOUT_MEANING.contains(&name) => {}
            _ => ignored.push(format!(
                "{} is passed over; if Airflow connects without it, remove it",
                url.option(name)
            )),
        }
        Ok(())
    }

    fn read_mode(&mut self, value: &str) -> Result<(), String> {
        let (mode, check) = match value.to_ascii_uppercase().as_str() {
            "DISABLED" => (Mode::Disabled, None),
            "PREFERRED" => (Mode::Preferred, None),
            "REQUIRED" => (Mode::Required, None),
            "VERIFY_CA" => (Mode::Required, Some(Check::Authority)),
            "VERIFY_IDENTITY" => (Mode::Required, Some(Check::AuthorityAndHost)),
            _ => {
                return Err(not(
                    "one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY",
                    "ssl_mode",
                ));
            }
        };
        self.mode = Some(mode);
        self.check = self.check.max(check);
        Ok(())
    }

    fn finish(self, url: &DatabaseUrl) -> Result<Options, String> {
        let identity = match (self.certificate, self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => {
                return Err(
                    "the URL's options `ssl_cert` and `ssl_key` must be given together".to_owned(),
                );
            }
        };
        // Whoever names authorities wants them to count. PyMySQL then looks at the host as well.
        let trust = self.authorities.map_or(Trust::Unset, Trust::File);
        let mut check = self.check.unwrap_or(Check::Nothing);
        if trust != Trust::Unset {
            check = check.max(Check::Authority);
            if self
                .checks_host
                .unwrap_or(url.driver.as_deref() == Some("pymysql"))
            {
                check = Check::AuthorityAndHost;
            }
        } else if check > Check::Nothing || self.checks_host == Some(true) {
            return Err(
                "the URL asks for a look at the server's certificate; name the file of the \
                 authorities to trust with `ssl_ca`"
                    .to_owned(),
            );
        }
        let mode = match self.mode {
            Some(Mode::Disabled) if check > Check::Nothing || identity.is_some() => {
                return Err("the URL both turns TLS off and says how to check it".to_owned());
            }
            Some(Mode::Disabled) => Mode::Disabled,
            Some(Mode::Required) => Mode::Required,
            _ if check > Check::Nothing || identity.is_some() => Mode::Required,
            _ => Mode::Preferred,
        };
        let is_local = self.host.as_deref().is_none_or(|host| host == "localhost");
        let uses_socket = url
            .driver
            .as_deref()
            .is_none_or(|driver| driver == "mysqldb");
        let place = match (self.socket, self.host) {
            (Some(path), _) => Place::Socket(path),
            // The client library takes the socket for `localhost`; asked for TLS, take TCP.
            _ if is_local && uses_socket && mode != Mode::Required => Place::Local(self.port),
            (None, host) => Place::Tcp(host.unwrap_or_else(|| "localhost".to_owned()), self.port),
        };
        Ok(Options {
            place,
            user: self.user,
            password: self.password,
            database: self.database,
            connect_timeout: self.connect_timeout,
            mode,
            tls: TlsOptions {
                trust,
                check,
                identity,
                versions: Versions::Both,
            },
        })
    }
}

fn parse_bool(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Ok(false),
        _ => Err(not("true or false", name)),
    }
}

fn not(what: &str, name: &str) -> String {
    format!("the URL's option `{name}` is not {what}")
}
