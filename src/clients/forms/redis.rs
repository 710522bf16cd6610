//! Redis: the URL that the crate `redis` reads.

use serde_json::Value;

use super::Form;
use crate::{
    clients::{ClientError, Redis, error::Place, extra::int},
    python::percent,
};

/// The files of TLS, for which the crate `redis` has no place in a URL: the program reads them, and gives
/// their text to `Client::build_with_tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisTls {
    /// `ssl_ca_certs`, the path of the authorities' certificates; without it, the machine's own count.
    pub ca_certs: Option<String>,
    /// `ssl_certfile`, the path of the client's certificate.
    pub certfile: Option<String>,
    /// `ssl_keyfile`, the path of the client's key.
    pub keyfile: Option<String>,
}

/// The members of `extra` that are in [`RedisTls`].
const FILES: [&str; 3] = ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"];

impl Redis {
    /// The URL for the crate `redis`: `redis://` or, with TLS, `rediss://`.
    ///
    /// With `ssl_cert_reqs` of `none` it ends in `#insecure`, which that crate takes with its feature
    /// `tls-rustls-insecure` or `tls-native-tls`.
    ///
    /// # Errors
    /// [`ClientError`] for a cluster, for which [`node_urls`](Self::node_urls) is made, and where `extra`
    /// names authorities or certificates, for which [`url_and_tls`](Self::url_and_tls) is made: no URL has
    /// room for them.
    pub fn url(&self) -> Result<Form, ClientError> {
        self.check_files()?;
        self.url_of_host()
    }

    /// The URL for the crate `redis`, and the files that `Client::build_with_tls` has to be given. Without
    /// TLS there are none.
    ///
    /// # Errors
    /// As [`url`](Self::url), but for authorities and certificates; and where one of them is no text.
    pub fn url_and_tls(&self) -> Result<(Form, RedisTls), ClientError> {
        let file = |name: &str| {
            let value = self.made.params.get(name).filter(|_| self.is_tls());
            let text = value.map(|value| self.made.text(name, value));
            text.transpose().map(|text| text.map(str::to_owned))
        };
        let [ca_certs, certfile, keyfile] = FILES;
        let tls = RedisTls {
            ca_certs: file(ca_certs)?,
            certfile: file(certfile)?,
            keyfile: file(keyfile)?,
        };
        Ok((self.url_of_host()?, tls))
    }

    fn check_files(&self) -> Result<(), ClientError> {
        let is_set = |name: &&str| self.is_tls() && self.made.params.get(name).is_some();
        match FILES.into_iter().find(is_set) {
            Some(name) => Err(self.made.no_room(name, "redis")),
            None => Ok(()),
        }
    }

    fn url_of_host(&self) -> Result<Form, ClientError> {
        if self.is_cluster() {
            let problem = "is true; a cluster has a URL for each node";
            return Err(self.made.wrong("cluster", problem));
        }
        let host = self.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| self.made.error(Place::Field("host"), "is not set"))?;
        self.url_to(host, self.port().unwrap_or(6379))
    }

    /// The URLs of a cluster's nodes: of the host, where it has a port, and of `startup_nodes`.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn node_urls(&self) -> Result<Vec<Form>, ClientError> {
        self.check_files()?;
        let mut urls = Vec::new();
        if let (Some(host), Some(port)) = (self.host(), self.port())
            && !host.is_empty()
        {
            urls.push(self.url_to(host, port)?);
        }
        let nodes = self.made.params.get("startup_nodes");
        for node in nodes.and_then(Value::as_array).into_iter().flatten() {
            let (host, port) = node
                .as_str()
                .and_then(|node| node.rsplit_once(':'))
                .unwrap_or_default();
            let port = port.parse().map_err(|_| {
                let problem = "has a port that is not in the range 0 to 65535";
                self.made.wrong("startup_nodes", problem)
            })?;
            urls.push(self.url_to(host, port)?);
        }
        Ok(urls)
    }

    fn url_to(&self, host: &str, port: u16) -> Result<Form, ClientError> {
        let params = &self.made.params;
        let is_tls = self.is_tls();
        let mut is_insecure = false;
        if is_tls {
            is_insecure = match params.get("ssl_cert_reqs") {
                None => false,
                Some(Value::String(how)) if how == "required" => false,
                Some(Value::String(how)) if how == "none" => true,
                Some(_) => return Err(self.made.no_room("ssl_cert_reqs", "redis")),
            };
            if params
                .get("ssl_check_hostname")
                .is_some_and(|check| *check != Value::Bool(true))
                && !is_insecure
            {
                return Err(self.made.no_room("ssl_check_hostname", "redis"));
            }
        }
        let mut url = if is_tls { "rediss://" } else { "redis://" }.to_owned();
        let password = self.password();
        if self.username().is_some_and(|user| !user.is_empty()) || password.is_some() {
            percent::quote(self.username().unwrap_or_default(), &mut url);
            if let Some(password) = &password {
                url.push(':');
                percent::quote(password.expose(), &mut url);
            }
            url.push('@');
        }
        self.made.push_host(host, "the crate redis", &mut url)?;
        url.push(':');
        url.push_str(&port.to_string());
        let database = match params.get("db") {
            None => 0,
            Some(Value::String(blank)) if blank.is_empty() => 0,
            // A fraction or a truth value is none, though Python would make a number of it.
            Some(database) => Some(database)
                .filter(|database| database.is_i64() || database.is_string())
                .and_then(int)
                .filter(|database| *database >= 0)
                .ok_or_else(|| self.made.wrong("db", "must be the number of a database"))?,
        };
        url.push('/');
        url.push_str(&database.to_string());
        if is_insecure {
            url.push_str("#insecure");
        }
        Ok(Form::new(url, Vec::new()))
    }
}
