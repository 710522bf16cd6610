//! Limits, TLS and proxy: the options that every backend on the network takes.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{Secret, config::Setting};

/// Where errors say that an option came from.
const FROM_CODE: &str = "HttpOptions";

/// Limits, TLS and proxy of a backend that is asked over HTTP.
///
/// An option that is not set is taken from settings and environment, else it has its default.
///
/// | option | default |
/// |---|---|
/// | [`with_connect_timeout`](Self::with_connect_timeout) | 5 s |
/// | [`with_timeout`](Self::with_timeout) | 30 s |
/// | [`with_max_concurrent_requests`](Self::with_max_concurrent_requests) | 16; Vault: 64 |
/// | [`with_ca_certificates`](Self::with_ca_certificates), [`with_ca_pem`](Self::with_ca_pem) | Mozilla's authorities |
/// | [`with_client_certificate`](Self::with_client_certificate), [`with_client_pem`](Self::with_client_pem) | none |
/// | [`with_proxy`](Self::with_proxy) | none |
/// | [`danger_accept_invalid_certificates`](Self::danger_accept_invalid_certificates) | no |
///
/// ```
/// use std::time::Duration;
///
/// use airflow_secrets::backends::HttpOptions;
///
/// let http = HttpOptions::new()
///     .with_timeout(Duration::from_secs(10))
///     .with_ca_certificates("/etc/ssl/company.pem");
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HttpOptions {
    pub(crate) connect_timeout: Option<Setting<Duration>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_concurrent_requests: Option<usize>,
    pub(crate) roots: Option<Setting<Roots>>,
    pub(crate) client_certificate: Option<Setting<ClientCertificate>>,
    pub(crate) proxies: Option<Setting<ProxyMap>>,
}

/// The proxies that a setting names, by `http`, `https`, `all` or `<scheme>://<host>`.
pub(crate) type ProxyMap = BTreeMap<String, Secret>;

/// The authorities whose signature on a server's certificate is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Mozilla's, which are also those of Python's `certifi`, which Airflow's clients use.
    #[cfg_attr(
        not(any(feature = "vault", feature = "_aws", feature = "azure")),
        allow(dead_code, reason = "no setting of Google's names them")
    )]
    Mozilla,
    /// Those in this PEM file, or in the PEM files of this folder, and no others.
    At(PathBuf),
    /// Those in this PEM text, and no others.
    Pem(Vec<u8>),
    /// Those of the machine's own trust store.
    #[cfg(any(feature = "execution-api", feature = "vault"))]
    Machine,
    /// Any: the server's certificate is not checked.
    Unchecked,
}

/// A client certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    Files {
        certificate: PathBuf,
        /// `None` where the key is in the file of the certificate.
        key: Option<PathBuf>,
    },
    Pem(Secret),
}

impl HttpOptions {
    /// Options of which none is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a connection may take to be made: name, proxy and TLS included. At most the
    /// [total time](Self::with_timeout). Default: 5 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(from_code("connect_timeout", timeout));
        self
    }

    /// How long a whole lookup may take: the login, retries and the wait for a free request
    /// included. Default: 30 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many requests are under way at once; further ones wait. At least 1. Default: 64 for Vault,
    /// else 16.
    #[must_use]
    pub fn with_max_concurrent_requests(mut self, requests: usize) -> Self {
        self.max_concurrent_requests = Some(requests);
        self
    }

    /// Trusts the authorities in this PEM file, or in the PEM files of this folder, and no others.
    /// The files are read at the first lookup. Default: those that the environment names, where the
    /// provider's client in Airflow reads any, else Mozilla's.
    #[must_use]
    pub fn with_ca_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots = Some(from_code("ca_certificates", Roots::At(path.into())));
        self
    }

    /// Trusts the authorities in this PEM text, and no others.
    #[must_use]
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(from_code("ca_pem", Roots::Pem(pem.into())));
        self
    }

    /// Accepts any certificate of the server, in place of checking it. Whoever is between can then
    /// read tokens and secrets. Default: the certificate is checked.
    #[must_use]
    pub fn danger_accept_invalid_certificates(mut self) -> Self {
        let name = "danger_accept_invalid_certificates";
        self.roots = Some(from_code(name, Roots::Unchecked));
        self
    }

    /// Shows this certificate to servers that ask for one: a PEM file, and the PEM file of its key,
    /// which is in the same file if `key` is `None`. Default: none.
    #[must_use]
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: Option<PathBuf>,
    ) -> Self {
        let certificate = certificate.into();
        let files = ClientCertificate::Files { certificate, key };
        self.client_certificate = Some(from_code("client_certificate", files));
        self
    }

    /// Shows the certificate in this PEM text, which holds its key as well.
    #[must_use]
    pub fn with_client_pem(mut self, pem: impl Into<Secret>) -> Self {
        let pem = ClientCertificate::Pem(pem.into());
        self.client_certificate = Some(from_code("client_pem", pem));
        self
    }

    /// Sends every request through this proxy, such as
    /// `http://user:password@proxy.example.com:3128`, whatever the environment's `no_proxy` says.
    /// Default: the proxy that the environment names, if any.
    #[must_use]
    pub fn with_proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxies = Some(from_code("proxy", every_scheme(&url.into())));
        self
    }

    /// These options, and those of `others` that are not set here.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            connect_timeout: self.connect_timeout.or(others.connect_timeout),
            timeout: self.timeout.or(others.timeout),
            max_concurrent_requests: self
                .max_concurrent_requests
                .or(others.max_concurrent_requests),
            roots: self.roots.or(others.roots),
            client_certificate: self.client_certificate.or(others.client_certificate),
            proxies: self.proxies.or(others.proxies),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(30))
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        let given = self.connect_timeout.as_ref().map(|given| given.value);
        given.unwrap_or(Duration::from_secs(5)).min(self.timeout())
    }

    pub(crate) fn max_concurrent_requests(&self, default: usize) -> usize {
        self.max_concurrent_requests.unwrap_or(default).max(1)
    }
}

/// The proxy at `url` for every address.
pub(crate) fn every_scheme(url: &Secret) -> ProxyMap {
    let proxies = ["http", "https"].map(|scheme| (scheme.to_owned(), url.clone()));
    proxies.into()
}

fn from_code<T>(option: &str, value: T) -> Setting<T> {
    Setting::new(option, FROM_CODE, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_later_wins_and_the_rest_stays() {
        let first = HttpOptions::new()
            .with_timeout(Duration::from_secs(7))
            .with_max_concurrent_requests(2)
            .with_ca_certificates("/first.pem");
        let options = HttpOptions::new()
            .with_timeout(Duration::from_secs(9))
            .danger_accept_invalid_certificates()
            .or(first);
        assert_eq!(options.timeout(), Duration::from_secs(9));
        assert_eq!(options.max_concurrent_requests(16), 2);
        let roots = options.roots.map(|roots| roots.value);
        assert_eq!(roots, Some(Roots::Unchecked));
    }

    #[test]
    fn at_least_one_request_is_allowed() {
        let none = HttpOptions::new().with_max_concurrent_requests(0);
        assert_eq!(none.max_concurrent_requests(16), 1);
    }

    #[test]
    fn a_connection_has_no_more_time_than_the_lookup() {
        let seconds = |options: HttpOptions| options.connect_timeout().as_secs();
        assert_eq!(seconds(HttpOptions::new()), 5);
        let timeout = Duration::from_secs(3);
        assert_eq!(seconds(HttpOptions::new().with_timeout(timeout)), 3);
        let long = HttpOptions::new().with_connect_timeout(Duration::from_secs(99));
        assert_eq!(seconds(long), 30);
    }

    #[test]
    fn debug_shows_no_secret() {
        let options = HttpOptions::new()
            .with_proxy("http://user:marker@proxy:3128")
            .with_client_pem("marker");
        let debug = format!("{options:?}");
        assert!(
            debug.contains("proxy") && !debug.contains("marker"),
            "{debug}"
        );
    }
}
