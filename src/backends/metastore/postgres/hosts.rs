//! The servers that a URL names.

use std::{fmt, net::IpAddr};

use super::super::url::{DatabaseUrl, invalid_option};

/// The host where the URL names none: `libpq`'s default, on Unix as Debian builds it.
const DEFAULT_HOST: &str = if cfg!(unix) {
    "/var/run/postgresql"
} else {
    "localhost"
};

const DEFAULT_PORT: u16 = 5432;

/// One of the servers that the URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
    /// `hostaddr`: where it is, if its name shall not be looked up.
    pub(super) address: Option<IpAddr>,
    /// For messages.
    pub(super) place: String,
}

impl Host {
    /// The server `name`; its name is not shown if it `is_doubtful`.
    fn new(name: String, port: u16, is_doubtful: bool) -> Self {
        let place = if is_doubtful {
            "PostgreSQL at the URL's host".to_owned()
        } else if name.starts_with('/') {
            format!("PostgreSQL at {name}/.s.PGSQL.{port}")
        } else if name.contains(':') {
            format!("PostgreSQL at [{name}]:{port}")
        } else {
            format!("PostgreSQL at {name}:{port}")
        };
        Self {
            name,
            port,
            address: None,
            place,
        }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.name.starts_with('/') && self.address.is_none()
    }

    /// The path of the server's Unix socket.
    #[cfg(unix)]
    pub(super) fn socket(&self) -> Option<String> {
        let (folder, port) = (&self.name, self.port);
        self.is_socket()
            .then(|| format!("{folder}/.s.PGSQL.{port}"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// Hosts with their ports, each its own or all the same, and with their addresses.
pub(super) fn join(
    mut hosts: Vec<(String, Option<u16>)>,
    mut ports: Vec<Option<u16>>,
    addresses: &[IpAddr],
    url: &DatabaseUrl,
) -> Result<Vec<Host>, String> {
    if hosts.is_empty() && url.host.is_none() {
        hosts.extend(addresses.iter().map(|address| (address.to_string(), None)));
    }
    if hosts.is_empty() {
        let names = url.host.as_deref().unwrap_or(DEFAULT_HOST);
        hosts.extend(names.split(',').map(|name| (name.to_owned(), None)));
    }
    if ports.is_empty() {
        ports.push(url.port);
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err("the URL lists a different number of ports than of hosts".to_owned());
    }
    let same = ports.first().copied().flatten();
    let is_one = ports.len() == 1;
    let each = ports.into_iter().map(Some).chain(std::iter::repeat(None));
    let hosts = hosts.into_iter().zip(each);
    let hosts = hosts.map(|((name, own), listed)| {
        let name = match name.as_str() {
            "" => DEFAULT_HOST.to_owned(),
            _ => name,
        };
        let port = own.or(if is_one { same } else { listed.flatten() });
        Host::new(name, port.unwrap_or(DEFAULT_PORT), url.is_doubtful)
    });
    let mut hosts = hosts.collect::<Vec<_>>();
    if !addresses.is_empty() && addresses.len() != hosts.len() {
        return Err(
            "the URL's `hostaddr` lists a different number of servers than its hosts".to_owned(),
        );
    }
    for (host, address) in hosts.iter_mut().zip(addresses) {
        host.address = Some(*address);
    }
    Ok(hosts)
}

pub(super) fn parse_port(text: &str) -> Result<Option<u16>, String> {
    match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| invalid_option("port", "a number from 0 to 65535")),
    }
}
