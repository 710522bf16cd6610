//! The options of a PostgreSQL URL, read as `libpq` reads them (and `asyncpg`, where its names
//! differ).
//!
//! An option is honoured, or has no meaning for a reader and is passed over in silence, or is
//! passed over with a warning. One that would weaken TLS if it were passed over is an error.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio_postgres::{
    Config,
    config::{ChannelBinding, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs},
};

use super::super::{
    tls::{Check, TlsOptions, Trust, Versions},
    url::DatabaseUrl,
};

/// Where the server's socket is, where the URL names no host: `libpq`'s default on Debian.
const DEFAULT_HOST: &str = "/var/run/postgresql";

const DEFAULT_PORT: u16 = 5432;

/// What steers Python's drivers, or what we do in any case.
const WITHOUT_MEANING: [&str; 8] = [
    "client_encoding",
    "command_timeout",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "prepare_threshold",
    "server_settings",
    "sslcompression",
    "statement_cache_size",
];

/// What a URL asks for.
pub(super) struct Options {
    /// Everything but host, port and TLS mode.
    pub(super) base: Config,
    pub(super) tls: TlsOptions,
    pub(super) connect_timeout: Option<Duration>,
    /// The schema that `options=-csearch_path=…` names, if it is one and nothing else is asked.
    pub(super) search_path: Option<String>,
    hosts: Vec<Host>,
    is_random: bool,
    mode: SslMode,
}

/// One of the servers; any will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// One way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    TlsIfOffered,
    Tls,
}

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Options {
    /// Reads the options of `url`. What is passed over goes into `ignored`.
    pub(super) fn from_url(url: &DatabaseUrl, ignored: &mut Vec<String>) -> Result<Self, String> {
        let mut reader = Reader::new(url);
        for (name, value) in &url.options {
            reader.read(name, value, url, ignored)?;
        }
        reader.finish(url)
    }

    /// The servers, in the order to try them.
    pub(super) fn hosts(&self) -> Vec<&Host> {
        let mut hosts = self.hosts.iter().collect::<Vec<_>>();
        if self.is_random && !hosts.is_empty() {
            // Where to begin is chance enough; the state is random for each process and call.
            let chance = RandomState::new().hash_one(0_u8);
            let start = usize::try_from(chance % hosts.len() as u64).unwrap_or_default();
            hosts.rotate_left(start);
        }
        hosts
    }

    /// The servers, for messages.
    pub(super) fn place(&self) -> String {
        let hosts = self.hosts.iter().map(Host::to_string).collect::<Vec<_>>();
        hosts.join(", ")
    }

    /// The ways to connect to `host`, in the order to try them. A socket needs no TLS.
    pub(super) fn modes(&self, host: &Host) -> &'static [Mode] {
        match self.mode {
            _ if host.is_socket() => &[Mode::Plain],
            SslMode::Disable => &[Mode::Plain],
            SslMode::Allow => &[Mode::Plain, Mode::Tls],
            SslMode::Prefer => &[Mode::TlsIfOffered, Mode::Plain],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Mode::Tls],
        }
    }
}

impl Host {
    fn is_socket(&self) -> bool {
        self.name.starts_with('/')
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if self.is_socket() {
            write!(f, "PostgreSQL at {name}/.s.PGSQL.{port}")
        } else if name.contains(':') {
            write!(f, "PostgreSQL at [{name}]:{port}")
        } else {
            write!(f, "PostgreSQL at {name}:{port}")
        }
    }
}

/// The options read so far.
struct Reader {
    base: Config,
    hosts: Vec<(String, Option<u16>)>,
    ports: Vec<Option<u16>>,
    mode: Option<SslMode>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    versions: Versions,
    connect_timeout: Option<Duration>,
    search_path: Option<String>,
    is_random: bool,
}

impl Reader {
    fn new(url: &DatabaseUrl) -> Self {
        let mut base = Config::new();
        if let Some(user) = &url.username {
            base.user(user.expose());
        }
        if let Some(password) = &url.password {
            base.password(password.expose());
        }
        if let Some(database) = &url.database {
            base.dbname(database);
        }
        Self {
            base,
            hosts: Vec::new(),
            ports: Vec::new(),
            mode: None,
            root: None,
            certificate: None,
            key: None,
            versions: Versions::Both,
            connect_timeout: None,
            search_path: None,
            is_random: false,
        }
    }

    fn read(
        &mut self,
        name: &str,
        value: &str,
        url: &DatabaseUrl,
        ignored: &mut Vec<String>,
    ) -> Result<(), String> {
        match name {
            "host" => self.read_hosts(value, url)?,
            "port" => {
                for port in value.split(',') {
                    self.ports.push(parse_port(port)?);
                }
            }
            "user" => drop(self.base.user(value)),
            "password" => drop(self.base.password(value)),
            "dbname" | "database" => drop(self.base.dbname(value)),
            "application_name" => drop(self.base.application_name(value)),
            "fallback_application_name" if self.base.get_application_name().is_none() => {
                self.base.application_name(value);
            }
            "options" => self.read_options(value),
            "connect_timeout" | "timeout" => {
                let seconds = value
                    .trim()
                    .parse::<f64>()
                    .map_err(|_| not("a number", name))?;
                self.connect_timeout = Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|limit| !limit.is_zero());
            }
            "target_session_attrs" => self.read_session_attributes(value, ignored)?,
            "load_balance_hosts" => {
                self.is_random = value == "random";
                if self.is_random {
                    self.base.load_balance_hosts(LoadBalanceHosts::Random);
                }
            }
            _ if name.starts_with("keepalives") || name == "tcp_user_timeout" => {
                self.read_keepalives(name, value)?;
            }
            _ if self.read_tls(name, value)? => {}
            _ if WITHOUT_MEANING.contains(&name) => {}
            _ => ignored.push(format!(
                "{} is passed over; if Airflow connects without it, remove it",
                url.option(name)
            )),
        }
        Ok(())
    }

    /// One option about TLS, or about who may listen or answer in its place.
    fn read_tls(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match (name, value) {
            ("sslmode" | "ssl", mode) => self.mode = Some(parse_mode(name, mode)?),
            ("sslrootcert", path) => self.root = Some(path.to_owned()),
            ("sslcert", path) => self.certificate = Some(path.to_owned()),
            ("sslkey", path) => self.key = Some(path.to_owned()),
            // What is done in any case.
            ("ssl_min_protocol_version", "TLSv1" | "TLSv1.1" | "TLSv1.2")
            | ("ssl_max_protocol_version", "TLSv1.3")
            | ("channel_binding", "prefer")
            | ("gssencmode", "disable" | "prefer")
            | ("sslnegotiation", "postgres")
            | ("sslsni", "1") => {}
            ("ssl_min_protocol_version", "TLSv1.3") => self.versions = Versions::Only13,
            ("ssl_max_protocol_version", "TLSv1.2") if self.versions == Versions::Both => {
                self.versions = Versions::Only12;
            }
            ("channel_binding", "disable") => {
                self.base.channel_binding(ChannelBinding::Disable);
            }
            ("channel_binding", "require") => {
                self.base.channel_binding(ChannelBinding::Require);
            }
            ("sslnegotiation", "direct") => {
                self.base.ssl_negotiation(SslNegotiation::Direct);
            }
            (
                "sslcrl"
                | "sslcrldir"
                | "sslpassword"
                | "requirepeer"
                | "require_auth"
                | "gssencmode"
                | "ssl_min_protocol_version"
                | "ssl_max_protocol_version"
                | "channel_binding"
                | "sslnegotiation"
                | "sslsni"
                | "sslcertmode"
                | "ssl_context",
                _,
            ) => {
                return Err(format!(
                    "the URL's option `{name}` cannot be honoured as it is given, and the \
                     connection would be less safe without it"
                ));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `host`: several with commas between them, or the option more than once, each with its port.
    fn read_hosts(&mut self, value: &str, url: &DatabaseUrl) -> Result<(), String> {
        let is_repeated = url
            .options
            .iter()
            .filter(|(name, _)| name == "host")
            .count()
            > 1;
        if is_repeated || (!value.contains(',') && !value.starts_with('/')) {
            let (host, port) = match value.rsplit_once(':') {
                // An IPv6 address has more than one colon.
                Some((host, port)) if !host.contains(':') => (host, parse_port(port)?),
                _ => (value, None),
            };
            self.hosts.push((host.to_owned(), port));
        } else {
            let hosts = value.split(',').map(|host| (host.to_owned(), None));
            self.hosts.extend(hosts);
        }
        Ok(())
    }

    /// `options`: a search path of one schema is ours to follow, so that no pooler can refuse it;
    /// anything else is the server's.
    fn read_options(&mut self, value: &str) {
        let words = value.split_ascii_whitespace().collect::<Vec<_>>();
        let setting = match words.as_slice() {
            ["-c", setting] => Some(*setting),
            [word] => word.strip_prefix("-c").or_else(|| word.strip_prefix("--")),
            _ => None,
        };
        let schema = setting
            .and_then(|setting| setting.split_once('='))
            .filter(|(name, _)| name.eq_ignore_ascii_case("search_path"))
            .map(|(_, schema)| schema);
        match schema {
            Some(schema) if is_plain_name(schema) => {
                self.search_path = Some(schema.to_ascii_lowercase());
            }
            _ => drop(self.base.options(value)),
        }
    }

    fn read_session_attributes(
        &mut self,
        value: &str,
        ignored: &mut Vec<String>,
    ) -> Result<(), String> {
        let attributes = match value {
            "any" => TargetSessionAttrs::Any,
            "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
            "read-only" | "standby" => TargetSessionAttrs::ReadOnly,
            "prefer-standby" => {
                ignored.push(
                    "the URL's option `target_session_attrs=prefer-standby` is passed over: any \
                     server will do"
                        .to_owned(),
                );
                TargetSessionAttrs::Any
            }
            _ => return Err(not("one of those that libpq knows", "target_session_attrs")),
        };
        self.base.target_session_attrs(attributes);
        Ok(())
    }

    fn read_keepalives(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = value
            .trim()
            .parse::<u32>()
            .map_err(|_| not("a number", name))?;
        let seconds = Duration::from_secs(number.into());
        match name {
            "keepalives" => self.base.keepalives(number != 0),
            "keepalives_idle" => self.base.keepalives_idle(seconds),
            "keepalives_interval" => self.base.keepalives_interval(seconds),
            "keepalives_count" => self.base.keepalives_retries(number),
            _ => self
                .base
                .tcp_user_timeout(Duration::from_millis(number.into())),
        };
        Ok(())
    }

    fn finish(self, url: &DatabaseUrl) -> Result<Options, String> {
        let mode = self.mode.unwrap_or(SslMode::Prefer);
        let identity = match (self.certificate, self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => {
                return Err(
                    "the URL's options `sslcert` and `sslkey` must be given together".to_owned(),
                );
            }
        };
        let trust = match self.root.as_deref() {
            None => Trust::Unset,
            Some("system") => Trust::System,
            Some(path) => Trust::File(path.to_owned()),
        };
        let check = match mode {
            SslMode::VerifyFull => Check::AuthorityAndHost,
            SslMode::VerifyCa => Check::Authority,
            // libpq looks at the certificate in any mode once it knows whom to trust.
            _ if trust != Trust::Unset => Check::Authority,
            _ => Check::Nothing,
        };
        if check > Check::Nothing && trust == Trust::Unset {
            return Err(
                "the URL's `sslmode` asks for a look at the server's certificate; name the file of \
                 the authorities to trust with `sslrootcert` (`sslrootcert=system` for the \
                 operating system's)"
                    .to_owned(),
            );
        }
        if trust == Trust::System && mode != SslMode::VerifyFull {
            return Err(
                "the URL's `sslrootcert=system` needs `sslmode=verify-full`, as in libpq"
                    .to_owned(),
            );
        }
        Ok(Options {
            hosts: join(self.hosts, self.ports, url)?,
            base: self.base,
            tls: TlsOptions {
                trust,
                check,
                identity,
                versions: self.versions,
            },
            connect_timeout: self.connect_timeout,
            search_path: self.search_path,
            is_random: self.is_random,
            mode,
        })
    }
}

/// Hosts with their ports: each its own, or all the same.
fn join(
    mut hosts: Vec<(String, Option<u16>)>,
    mut ports: Vec<Option<u16>>,
    url: &DatabaseUrl,
) -> Result<Vec<Host>, String> {
    if hosts.is_empty() {
        let names = url.host.as_deref().unwrap_or(DEFAULT_HOST);
        hosts.extend(names.split(',').map(|name| (name.to_owned(), None)));
    }
    if ports.is_empty() {
        ports.push(url.port);
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err("the URL names another number of ports than of hosts".to_owned());
    }
    let same = ports.first().copied().flatten();
    let is_one = ports.len() == 1;
    let each = ports.into_iter().map(Some).chain(std::iter::repeat(None));
    Ok(hosts
        .into_iter()
        .zip(each)
        .map(|((name, own), listed)| Host {
            name: match name.as_str() {
                "" => DEFAULT_HOST.to_owned(),
                _ => name,
            },
            port: own
                .or(if is_one { same } else { listed.flatten() })
                .unwrap_or(DEFAULT_PORT),
        })
        .collect())
}

/// `sslmode`, and what `asyncpg` takes for `ssl`.
fn parse_mode(name: &str, value: &str) -> Result<SslMode, String> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(not(
                "one of disable, allow, prefer, require, verify-ca and verify-full",
                name,
            ));
        }
    })
}

fn parse_port(text: &str) -> Result<Option<u16>, String> {
    match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| not("a number from 0 to 65535", "port")),
    }
}

/// Whether a name means the same with quotes around it as without, but for its case.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn not(what: &str, name: &str) -> String {
    format!("the URL's option `{name}` is not {what}")
}
