//! The options of a PostgreSQL URL, read as `libpq` reads them (and `asyncpg`, where its names
//! differ).
//!
//! An option is honoured, or has no meaning for a reader and is ignored silently, or is
//! ignored with a warning. One that would weaken TLS if it were ignored is an error.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};

use tokio_postgres::{
    Config,
    config::{ChannelBinding, LoadBalanceHosts},
};

use super::{
    super::{
        tls::{Check, TlsOptions, Trust, Versions},
        url::{DatabaseUrl, UrlOption, agree, contradiction, invalid_option},
    },
    hosts::{Host, join, parse_port},
};

/// Options that may come more than once: libpq reads each of the hosts and their ports, and any name
/// will do for the application.
const MAY_REPEAT: [&str; 3] = ["application_name", "host", "port"];

/// The options that bound TLS' version.
const VERSIONS: [&str; 2] = ["ssl_min_protocol_version", "ssl_max_protocol_version"];

/// Options that only concern Python's drivers, or that change nothing here.
const WITHOUT_MEANING: [&str; 7] = [
    "client_encoding",
    "command_timeout",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "prepare_threshold",
    "sslcompression",
    "statement_cache_size",
];

/// What a URL asks for.
pub(super) struct Options {
    /// Everything but host, port and TLS.
    pub(super) base: Config,
    /// Whether TLS begins without a request for it.
    pub(super) is_direct: bool,
    /// The `transaction_read_only` that the server must have: `on` or `off`.
    pub(super) read_only: Option<&'static str>,
    pub(super) tls: TlsOptions,
    pub(super) connect_timeout: Option<Duration>,
    /// The schema that `options=-csearch_path=…` names, if it is one and nothing else is asked.
    pub(super) search_path: Option<String>,
    hosts: Vec<Host>,
    is_random: bool,
    mode: SslMode,
}

/// One way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    TlsIfOffered,
    Tls,
}

/// `sslmode`, from the weakest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Options {
    /// Reads the options of `url`. What is ignored goes into `ignored`.
    pub(super) fn from_url(url: &DatabaseUrl, ignored: &mut Vec<String>) -> Result<Self, String> {
        url.refuse_repeats(&MAY_REPEAT)?;
        let mut reader = Reader::new(url);
        for option in &url.options {
            reader.read(option, url, ignored)?;
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
        let hosts = self.hosts.iter().map(|host| host.place.as_str());
        hosts.collect::<Vec<_>>().join(", ")
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

/// The options read so far.
struct Reader {
    base: Config,
    hosts: Vec<(String, Option<u16>)>,
    addresses: Vec<IpAddr>,
    ports: Vec<Option<u16>>,
    mode: Option<SslMode>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    versions: Option<Versions>,
    connect_timeout: Option<Duration>,
    search_path: Option<String>,
    is_random: bool,
    is_direct: bool,
    read_only: Option<&'static str>,
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
            addresses: Vec::new(),
            ports: Vec::new(),
            mode: None,
            root: None,
            certificate: None,
            key: None,
            versions: None,
            connect_timeout: None,
            search_path: None,
            is_random: false,
            is_direct: false,
            read_only: None,
        }
    }

    fn read(
        &mut self,
        option: &UrlOption,
        url: &DatabaseUrl,
        ignored: &mut Vec<String>,
    ) -> Result<(), String> {
        let (name, value) = (option.name.as_str(), option.value.as_str());
        match name {
            "host" => self.read_hosts(value, url)?,
            "hostaddr" => {
                let addresses = value.split(',').map(|address| address.trim().parse());
                let addresses = addresses.collect::<Result<_, _>>();
                self.addresses =
                    addresses.map_err(|_| invalid_option(name, "an IP address for each host"))?;
            }
            "unix_sock" => {
                let host = value.rsplit_once("/.s.PGSQL.");
                let host = host.and_then(|(folder, port)| Some((folder, parse_port(port).ok()??)));
                let (folder, port) = host.ok_or_else(|| {
                    invalid_option(name, "the path of a socket such as /folder/.s.PGSQL.5432")
                })?;
                self.hosts = vec![(folder.to_owned(), Some(port))];
            }
            // It may name another schema.
            "server_settings" => {
                return Err(
                    "the URL's option `server_settings` cannot be honoured; say the same by \
                     `options=-c name=value` (DB-6)"
                        .to_owned(),
                );
            }
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
                    .map_err(|_| invalid_option(name, "a number of seconds"))?;
                self.connect_timeout = Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|limit| !limit.is_zero());
            }
            "target_session_attrs" => self.read_session_attributes(value, ignored)?,
            "load_balance_hosts" => {
                self.is_random = match value {
                    "random" => true,
                    "disable" => false,
                    _ => return Err(invalid_option(name, "random or disable")),
                };
                if self.is_random {
                    self.base.load_balance_hosts(LoadBalanceHosts::Random);
                }
            }
            _ if name.starts_with("keepalives") || name == "tcp_user_timeout" => {
                self.read_keepalives(name, value)?;
            }
            _ if self.read_tls(name, value)? => {}
            _ if WITHOUT_MEANING.contains(&name) => {}
            _ => ignored.push(option.ignored()?),
        }
        Ok(())
    }

    /// One option about TLS or the server's identity.
    fn read_tls(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match (name, value) {
            ("sslmode" | "ssl", mode) => {
                agree(&mut self.mode, parse_mode(name, mode)?, &["sslmode", "ssl"])?;
            }
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
            ("ssl_min_protocol_version", "TLSv1.3") => {
                agree(&mut self.versions, Versions::Only13, &VERSIONS)?;
            }
            ("ssl_max_protocol_version", "TLSv1.2") => {
                agree(&mut self.versions, Versions::Only12, &VERSIONS)?;
            }
            ("channel_binding", "disable") => {
                self.base.channel_binding(ChannelBinding::Disable);
            }
            ("channel_binding", "require") => {
                self.base.channel_binding(ChannelBinding::Require);
            }
            ("sslnegotiation", "direct") => {
                self.is_direct = true;
            }
            (
                "sslcrl"
                | "sslcrldir"
                | "sslpassword"
                | "requirepeer"
                | "require_auth"
                // Its file may ask for TLS, or for another server.
                | "service"
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
                    "the URL's option `{name}` cannot be honoured with this value, and the \
                     connection would be less safe without it (DB-6)"
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
            .filter(|option| option.name == "host")
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

    /// `options`: a search path of one schema is followed here, so that no pooler can refuse it;
    /// anything else is sent to the server.
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
        self.read_only = match value {
            "any" => None,
            "read-write" | "primary" => Some("off"),
            "read-only" | "standby" => Some("on"),
            "prefer-standby" => {
                ignored.push(
                    "the URL's option `target_session_attrs=prefer-standby` is ignored: any \
                     server is used (DB-6)"
                        .to_owned(),
                );
                None
            }
            _ => {
                return Err(invalid_option(
                    "target_session_attrs",
                    "one of any, read-write, read-only, primary, standby and prefer-standby",
                ));
            }
        };
        Ok(())
    }

    fn read_keepalives(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = value
            .trim()
            .parse::<u32>()
            .map_err(|_| invalid_option(name, "a whole number"))?;
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
        if self.is_direct && mode < SslMode::Require {
            return Err(
                "the URL's `sslnegotiation=direct` needs `sslmode=require` or a stricter mode, as \
                 in libpq (DB-16)"
                    .to_owned(),
            );
        }
        let is_bound = self.base.get_channel_binding() == ChannelBinding::Require;
        if is_bound && mode == SslMode::Disable {
            return Err(contradiction(&["channel_binding", "sslmode"]));
        }
        Ok(Options {
            tls: self.tls(mode, url)?,
            hosts: join(self.hosts, self.ports, &self.addresses, url)?,
            base: self.base,
            is_direct: self.is_direct,
            read_only: self.read_only,
            connect_timeout: self.connect_timeout,
            search_path: self.search_path,
            is_random: self.is_random,
            mode,
        })
    }

    /// What `mode` does with the options about certificates.
    fn tls(&self, mode: SslMode, url: &DatabaseUrl) -> Result<TlsOptions, String> {
        let trust = match self.root.as_deref() {
            None => Trust::Unset,
            Some("system") => Trust::System(url.system_authorities.clone()),
            Some(path) => Trust::File(path.to_owned()),
        };
        if matches!(trust, Trust::System(_)) && mode != SslMode::VerifyFull {
            return Err(
                "the URL's `sslrootcert=system` needs `sslmode=verify-full`, as in libpq (DB-16)"
                    .to_owned(),
            );
        }
        // As in libpq, nobody looks at the files then.
        if mode == SslMode::Disable {
            return Ok(TlsOptions::unchecked());
        }
        let identity = match (&self.certificate, &self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            _ => {
                return Err(
                    "the URL's options `sslcert` and `sslkey` must be given together (DB-8)"
                        .to_owned(),
                );
            }
        };
        let check = match mode {
            SslMode::VerifyFull => Check::AuthorityAndHost,
            SslMode::VerifyCa => Check::Authority,
            // libpq checks the certificate in every mode once an authority is named.
            _ if trust != Trust::Unset => Check::Authority,
            _ => Check::Nothing,
        };
        if check > Check::Nothing && trust == Trust::Unset {
            return Err(
                "the URL's `sslmode` checks the server's certificate, and `sslrootcert` is not set; \
                 set it to the file of the trusted authorities, or to `system` for the operating \
                 system's (DB-8)"
                    .to_owned(),
            );
        }
        Ok(TlsOptions {
            trust,
            check,
            identity,
            versions: self.versions.unwrap_or(Versions::Both),
        })
    }
}

/// `sslmode`, or `asyncpg`'s `ssl`.
fn parse_mode(name: &str, value: &str) -> Result<SslMode, String> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(invalid_option(
                name,
                "one of disable, allow, prefer, require, verify-ca and verify-full",
            ));
        }
    })
}

/// Whether a name means the same with and without quotes, apart from its case.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
