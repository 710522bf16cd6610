//! The options of a MySQL URL, as SQLAlchemy's drivers for it read them: `mysqlclient`, `PyMySQL`
//! and MySQL's own.
//!
//! An option is honoured, or has no meaning for a reader and is ignored silently, or is
//! ignored with a warning. One that would weaken TLS if it were ignored is an error.

use std::{fmt, path::Path, time::Duration};

use super::super::{
    tls::{Check, TlsOptions, Trust, Versions},
    url::{DatabaseUrl, UrlOption, agree, contradiction, invalid_option},
};
use crate::{Secret, python::number};

/// The socket of Debian's servers; the client library connects to it for `localhost`.
const DEFAULT_SOCKET: &str = "/run/mysqld/mysqld.sock";

const DEFAULT_PORT: u16 = 3306;

/// Options that only concern Python's drivers, or that change nothing here.
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
    pub(super) place: ServerAddress,
    pub(super) user: Secret,
    pub(super) password: Secret,
    pub(super) database: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) mode: Mode,
    pub(super) tls: TlsOptions,
}

/// The server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerAddress {
    Tcp(String, u16),
    Socket(String),
    /// The default socket if it exists, else this port of this machine.
    Local(u16),
}

/// Whether to use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disabled,
    Preferred,
    Required,
}

impl ServerAddress {
    /// The address to connect to now.
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

impl ServerAddress {
    /// Host, or socket, and port, for whoever makes a password.
    pub(super) fn login(&self) -> (&str, u16) {
        match self {
            Self::Tcp(host, port) => (host, *port),
            Self::Socket(path) => (path, DEFAULT_PORT),
            Self::Local(port) => ("localhost", *port),
        }
    }
}

impl fmt::Display for ServerAddress {
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
    /// Reads the options of `url`. What is ignored goes into `ignored`.
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
            is_disabled: None,
            is_on: None,
            check: None,
            checks_authority: None,
            checks_host: None,
            authorities: None,
            certificate: None,
            key: None,
        };
        url.refuse_repeats(&[])?;
        for option in &url.options {
            reader.read(option, ignored)?;
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
    /// `ssl_disabled`.
    is_disabled: Option<bool>,
    /// `ssl`.
    is_on: Option<bool>,
    /// What `ssl_mode` checks.
    check: Option<Check>,
    /// `ssl_verify_cert`.
    checks_authority: Option<bool>,
    checks_host: Option<bool>,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Reader {
    fn read(&mut self, option: &UrlOption, ignored: &mut Vec<String>) -> Result<(), String> {
        let (name, value) = (option.name.as_str(), option.value.as_str());
        match name {
            "host" => self.host = Some(value.to_owned()),
            "port" => {
                let port = value.trim().parse();
                self.port = port.map_err(|_| invalid_option(name, "a number from 0 to 65535"))?;
            }
            "unix_socket" => self.socket = Some(value.to_owned()),
            "user" | "username" => self.user = Secret::from(value),
            "password" | "passwd" => self.password = Secret::from(value),
            "database" | "db" => self.database = Some(value.to_owned()),
            "connect_timeout" | "connection_timeout" => {
                let seconds = number::int(value)
                    .ok_or_else(|| invalid_option(name, "a whole number of seconds"))?;
                let limit = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
                self.connect_timeout = limit.map(Duration::from_secs);
            }
            "ssl_mode" => self.read_mode(value)?,
            "ssl_ca" => self.authorities = Some(value.to_owned()),
            "ssl_cert" => self.certificate = Some(value.to_owned()),
            "ssl_key" => self.key = Some(value.to_owned()),
            "ssl_check_hostname" | "ssl_verify_identity" => agree(
                &mut self.checks_host,
                parse_bool(name, value)?,
                &["ssl_check_hostname", "ssl_verify_identity"],
            )?,
            "ssl_verify_cert" => self.checks_authority = Some(parse_bool(name, value)?),
            "ssl_disabled" => self.is_disabled = Some(parse_bool(name, value)?),
            "ssl" => self.is_on = Some(parse_bool(name, value)?),
            // Their files may ask for TLS, or for another server.
            "read_default_file" | "read_default_group" | "option_files" => {
                return Err(format!(
                    "the URL's option `{name}` cannot be honoured, and the connection might be less \
                     safe without it; write what the file says into the URL (DB-6)"
                ));
            }
            _ if WITHOUT_MEANING.contains(&name) => {}
            _ => ignored.push(option.ignored()?),
        }
        Ok(())
    }

    fn read_mode(&mut self, value: &str) -> Result<(), String> {
        let (mode, check) = match value {
            "DISABLED" => (Mode::Disabled, None),
            "PREFERRED" => (Mode::Preferred, None),
            "REQUIRED" => (Mode::Required, None),
            "VERIFY_CA" => (Mode::Required, Some(Check::Authority)),
            "VERIFY_IDENTITY" => (Mode::Required, Some(Check::AuthorityAndHost)),
            _ => {
                return Err(invalid_option(
                    "ssl_mode",
                    "one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY",
                ));
            }
        };
        self.mode = Some(mode);
        self.check = check;
        Ok(())
    }

    fn finish(self, url: &DatabaseUrl) -> Result<Options, String> {
        self.refuse_contradictions()?;
        let identity = match (self.certificate, self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => {
                return Err(
                    "the URL's options `ssl_cert` and `ssl_key` must be given together".to_owned(),
                );
            }
        };
        // Named authorities are always checked (DB-11). PyMySQL then checks the host as well.
        let trust = self.authorities.map_or(Trust::Unset, Trust::File);
        let mut check = self.check.unwrap_or(Check::Nothing);
        if self.checks_authority == Some(true) {
            check = check.max(Check::Authority);
        }
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
                "the URL asks to check the server's certificate, and `ssl_ca` is not set; set it to \
                 the file of the trusted authorities"
                    .to_owned(),
            );
        }
        let needs_tls = check > Check::Nothing || identity.is_some();
        let mode = match self.mode {
            None | Some(Mode::Preferred) if needs_tls || self.is_on == Some(true) => Mode::Required,
            None if self.is_disabled == Some(true) => Mode::Disabled,
            None => Mode::Preferred,
            Some(mode) => mode,
        };
        let turns_tls_off = mode == Mode::Disabled || self.is_disabled == Some(true);
        if needs_tls && (turns_tls_off || self.is_on == Some(false)) {
            return Err(
                "the URL both turns TLS off and says how to check it; remove one of the two \
                 (DB-16)"
                    .to_owned(),
            );
        }
        let is_local = self.host.as_deref().is_none_or(|host| host == "localhost");
        let uses_socket = url
            .driver
            .as_deref()
            .is_none_or(|driver| driver == "mysqldb");
        let place = match (self.socket, self.host) {
            // The client library reads the socket's path for this machine alone.
            (Some(path), _) if is_local || !uses_socket => ServerAddress::Socket(path),
            // The client library connects to the socket for `localhost`; TLS needs TCP.
            _ if is_local && uses_socket && mode != Mode::Required => {
                ServerAddress::Local(self.port)
            }
            (_, host) => {
                ServerAddress::Tcp(host.unwrap_or_else(|| "localhost".to_owned()), self.port)
            }
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

impl Reader {
    /// Refuses options of which one turns on what another turns off.
    fn refuse_contradictions(&self) -> Result<(), String> {
        let checks = |check| self.check >= Some(check);
        let is_required = self.mode == Some(Mode::Required);
        for (contradict, names) in [
            (
                self.is_disabled == Some(true) && self.is_on == Some(true),
                ["ssl_disabled", "ssl"],
            ),
            (
                self.is_disabled == Some(true)
                    && self.mode.is_some_and(|mode| mode != Mode::Disabled),
                ["ssl_disabled", "ssl_mode"],
            ),
            (
                self.is_disabled == Some(false) && self.mode == Some(Mode::Disabled),
                ["ssl_disabled", "ssl_mode"],
            ),
            (
                self.is_on == Some(true) && self.mode.is_some_and(|mode| mode != Mode::Required),
                ["ssl", "ssl_mode"],
            ),
            (
                self.is_on == Some(false) && is_required,
                ["ssl", "ssl_mode"],
            ),
            (
                self.checks_authority == Some(false) && checks(Check::Authority),
                ["ssl_verify_cert", "ssl_mode"],
            ),
            (
                self.checks_authority == Some(false) && self.checks_host == Some(true),
                ["ssl_verify_cert", "ssl_verify_identity"],
            ),
            (
                self.checks_host == Some(false) && checks(Check::AuthorityAndHost),
                ["ssl_verify_identity", "ssl_mode"],
            ),
        ] {
            if contradict {
                return Err(contradiction(&names));
            }
        }
        Ok(())
    }
}

fn parse_bool(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Ok(false),
        _ => Err(invalid_option(name, "true or false")),
    }
}
