//! Options from code, with Airflow's defaults.

use std::{path::PathBuf, sync::Arc, sync::atomic::AtomicBool, time::Duration};

use tokio::sync::OnceCell;

use super::{
    KvVersion, Login, VaultBackend,
    client::{Address, Client, ClientSettings},
    credential::{TokenKeeper, login::VaultAuthority},
    paths::{self, Layout, MountPoint},
    proxy::{self, Proxies},
    tls::{ClientCertificate, Roots, Tls},
};
use crate::{ConfigurationError, Environment, Secret, backends::given::Given};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "VaultBackend::builder()";

/// The address of last resort, as that of Airflow's client.
const DEFAULT_URL: &str = "http://localhost:8200";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Given<T> {
    Given::new(setting, FROM_CODE, value)
}

/// Makes a [`VaultBackend`] from code. What is not set is as in Airflow's class; the environment
/// is not read unless it is given.
///
/// ```
/// use airflow_secrets::backends::vault::{Login, VaultBackend};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// let vault = VaultBackend::builder()
///     .url("https://vault.example.com:8200")
///     .mount_point("airflow")
///     .login(Login::approle("astro_role", Some("a secret_id")))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Each is an option of its own.
pub struct VaultBuilder {
    /// May hold a password.
    pub(super) url: Option<Given<Secret>>,
    pub(super) login: Option<Given<Login>>,
    pub(super) connections_path: Given<Vec<String>>,
    pub(super) variables_path: Given<Vec<String>>,
    pub(super) config_path: Given<Vec<String>>,
    pub(super) mount_point: Given<Option<String>>,
    pub(super) kv_engine_version: KvVersion,
    pub(super) namespace: Option<Given<String>>,
    pub(super) use_team_secrets_path: bool,
    pub(super) multi_team: bool,
    pub(super) environment: Environment,
    pub(super) tls: Tls,
    pub(super) proxies: Given<Proxies>,
    pub(super) request_header: bool,
    pub(super) follow_redirects: bool,
    redirect_hosts: Vec<String>,
    connect_timeout: Duration,
    pub(super) timeout: Duration,
    max_retries: u32,
    max_concurrent_requests: usize,
    trust_window: Duration,
}

impl Default for VaultBuilder {
    fn default() -> Self {
        let path = |setting, path: &str| from_code(setting, vec![path.to_owned()]);
        Self {
            url: None,
            login: None,
            connections_path: path("connections_path", "connections"),
            variables_path: path("variables_path", "variables"),
            config_path: path("config_path", "config"),
            mount_point: from_code("mount_point", Some("secret".to_owned())),
            kv_engine_version: KvVersion::V2,
            namespace: None,
            use_team_secrets_path: true,
            multi_team: false,
            environment: Environment::default(),
            tls: Tls::default(),
            proxies: from_code("proxies", Proxies::new()),
            request_header: true,
            follow_redirects: true,
            redirect_hosts: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            max_retries: 3,
            max_concurrent_requests: crate::MAX_CONCURRENT_LOOKUPS,
            trust_window: Duration::from_secs(30),
        }
    }
}

impl VaultBuilder {
    /// The address of Vault, such as `https://vault.example.com:8200`. Without it, `VAULT_ADDR` of
    /// the [`environment`](Self::environment), else `http://localhost:8200`.
    #[must_use]
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        self.url = Some(from_code("url", url.into()));
        self
    }

    /// How to come by a token. There is no default.
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        self.login = Some(from_code("login", login));
        self
    }

    /// Where connections are, below the mount: paths that are tried in order. An empty path is
    /// the mount itself; with no path at all connections are not asked for. Default: `connections`.
    #[must_use]
    pub fn connections_path<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.connections_path.value = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The same for variables. Default: `variables`.
    #[must_use]
    pub fn variables_path<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.variables_path.value = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The same for configuration entries. Default: `config`.
    #[must_use]
    pub fn config_path<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.config_path.value = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Where the KV engine is mounted. Default: `secret`.
    #[must_use]
    pub fn mount_point(mut self, mount_point: impl Into<String>) -> Self {
        self.mount_point.value = Some(mount_point.into());
        self
    }

    /// Takes the first segment of each id for the mount: Airflow's `mount_point: null`.
    #[must_use]
    pub fn mount_point_in_id(mut self) -> Self {
        self.mount_point.value = None;
        self
    }

    /// The version of the KV engine. Default: 2.
    #[must_use]
    pub fn kv_engine_version(mut self, version: KvVersion) -> Self {
        self.kv_engine_version = version;
        self
    }

    /// The namespace of all requests, the login among them. Default: none.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(from_code("namespace", namespace.into()));
        self
    }

    /// Whether this is a multi-team deployment: `[core] multi_team`. Default: no.
    #[must_use]
    pub fn multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }

    /// Whether a team's secrets are below a path of its name, in a multi-team deployment.
    /// Default: yes.
    #[must_use]
    pub fn use_team_secrets_path(mut self, use_team_secrets_path: bool) -> Self {
        self.use_team_secrets_path = use_team_secrets_path;
        self
    }

    /// Reads from `environment` what Airflow's client reads: `VAULT_ADDR` where no url is given,
    /// `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY` where no client certificate is, the proxies
    /// (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`), and the authorities to trust
    /// (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`); besides, `VAULT_CACERT` and `VAULT_CAPATH` as
    /// further authorities. Not, as Airflow's does not either, `VAULT_NAMESPACE` and
    /// `VAULT_SKIP_VERIFY`.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Trusts the authorities in this PEM file, or in the files of this folder, and no others:
    /// Airflow's `verify` with a path. Default: those that Mozilla trusts.
    #[must_use]
    pub fn ca_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.roots = Roots::At(path.into());
        self
    }

    /// Does not check the server's certificate: Airflow's `verify: false`. Whoever is in between
    /// can then read the token.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.tls.roots = Roots::Unchecked;
        self
    }

    /// The client certificate to show, in PEM; without `key`, its key is in the same file.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: Option<PathBuf>,
    ) -> Self {
        self.tls.identity = Some(ClientCertificate {
            certificate: certificate.into(),
            key,
        });
        self
    }

    /// The proxy for every request, such as `http://user:password@proxy.example.com:3128`.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxies.value = Proxies::from([("all".to_owned(), url.into())]);
        self
    }

    /// Whether to follow a standby's redirect to its leader. Default: yes, on the same host.
    #[must_use]
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = follow;
        self
    }

    /// Further hosts that a redirect may lead to, where Vault's nodes have names of their own.
    #[must_use]
    pub fn redirect_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.redirect_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// How long a connection may take to come about. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a whole lookup may take, its login and retries included. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is repeated on 412, 429, 5xx and connection errors. Default: 3.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// How many requests are under way at once; further ones wait. At least 1; default:
    /// [`MAX_CONCURRENT_LOOKUPS`](crate::MAX_CONCURRENT_LOOKUPS).
    #[must_use]
    pub fn max_concurrent_requests(mut self, requests: usize) -> Self {
        self.max_concurrent_requests = requests.max(1);
        self
    }

    /// For how long a token that Vault took is above suspicion: a 403 in this time is the path's.
    /// Default: 30 s.
    #[must_use]
    pub fn trust_window(mut self, window: Duration) -> Self {
        self.trust_window = window;
        self
    }

    /// The backend. It connects to nothing yet.
    ///
    /// # Errors
    /// When the login is missing, or an option cannot be used.
    pub fn build(self) -> Result<VaultBackend, ConfigurationError> {
        let login = self.checked_login()?;
        let address = self.address()?;
        let client = Arc::new(self.client(address)?);
        let authority = VaultAuthority::new(Arc::clone(&client), login);
        Ok(VaultBackend {
            layout: Layout {
                mount_point: self.checked_mount_point()?,
                use_team_secrets_path: self.use_team_secrets_path,
                multi_team: self.multi_team,
            },
            version: self.kv_engine_version,
            connections_path: checked_paths(&self.connections_path)?,
            variables_path: checked_paths(&self.variables_path)?,
            config_path: checked_paths(&self.config_path)?,
            client,
            tokens: TokenKeeper::new(Box::new(authority), self.trust_window),
            version_is_seen: AtomicBool::new(false),
            mount_version: OnceCell::new(),
        })
    }

    fn checked_login(&self) -> Result<Login, ConfigurationError> {
        let Some(login) = &self.login else {
            let message = "there is none: say how to log in";
            return Err(ConfigurationError::new("login", FROM_CODE, message));
        };
        if login.value.needs_client_certificate() && self.identity().is_none() {
            return Err(login.error("a login with a certificate needs a client certificate"));
        }
        match paths::from_setting(login.value.mount()) {
            Ok(mount) if !mount.is_empty() => Ok(login.value.clone().mounted_at(mount)),
            Ok(_) => Err(login.error("auth_mount_point is empty")),
            Err(why) => Err(login.error(format!("auth_mount_point: {why}"))),
        }
    }

    fn checked_mount_point(&self) -> Result<MountPoint, ConfigurationError> {
        let Some(mount_point) = &self.mount_point.value else {
            return Ok(MountPoint::FirstSegmentOfId);
        };
        match paths::from_setting(mount_point) {
            Ok(mount) if !mount.is_empty() => Ok(MountPoint::Fixed(mount)),
            Ok(_) => Err(self.mount_point.error("is empty")),
            Err(why) => Err(self.mount_point.error(why)),
        }
    }

    fn address(&self) -> Result<Address, ConfigurationError> {
        let from_environment = || {
            let url = self.environment.get("VAULT_ADDR")?;
            Some(Given::new(
                "VAULT_ADDR",
                "the environment",
                Secret::from(url),
            ))
        };
        let url = self.url.clone().or_else(from_environment);
        let url = url.unwrap_or_else(|| from_code("url", DEFAULT_URL.into()));
        Address::parse(url.value.expose()).map_err(|why| url.error(why))
    }

    fn client(&self, address: Address) -> Result<Client, ConfigurationError> {
        let proxy = proxy::choose(address.url(), &self.proxies.value, &self.environment);
        if let Some(proxy) = &proxy {
            proxy::check(proxy).map_err(|why| self.proxies.error(why))?;
        }
        let settings = ClientSettings {
            proxy,
            tls: self.tls_in_environment(),
            namespace: self.namespace.as_ref().map(|given| given.value.clone()),
            request_header: self.request_header,
            follow_redirects: self.follow_redirects,
            redirect_hosts: self.redirect_hosts.clone(),
            connect_timeout: self.connect_timeout.min(self.timeout),
            total_timeout: self.timeout,
            max_retries: self.max_retries,
            max_concurrent_requests: self.max_concurrent_requests,
            address,
        };
        Client::new(settings).map_err(|why| match &self.namespace {
            Some(namespace) => namespace.error(why),
            None => ConfigurationError::new("namespace", FROM_CODE, why),
        })
    }

    fn identity(&self) -> Option<ClientCertificate> {
        let from_environment = || {
            let certificate = self.path_variable("VAULT_CLIENT_CERT")?;
            let key = self.path_variable("VAULT_CLIENT_KEY");
            Some(ClientCertificate { certificate, key })
        };
        self.tls.identity.clone().or_else(from_environment)
    }

    fn tls_in_environment(&self) -> Tls {
        let mut tls = self.tls.clone();
        tls.identity = self.identity();
        if tls.roots == Roots::Mozilla {
            let bundles = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
            let bundle = bundles.iter().find_map(|name| self.path_variable(name));
            tls.roots = bundle.map_or(Roots::Mozilla, Roots::At);
            let further = ["VAULT_CACERT", "VAULT_CAPATH"];
            tls.further_roots
                .extend(further.iter().filter_map(|name| self.path_variable(name)));
        }
        tls
    }

    fn path_variable(&self, name: &str) -> Option<PathBuf> {
        self.environment.non_empty(name).map(PathBuf::from)
    }
}

fn checked_paths(given: &Given<Vec<String>>) -> Result<Vec<String>, ConfigurationError> {
    let paths = given.value.iter().map(|path| paths::from_setting(path));
    paths
        .collect::<Result<_, _>>()
        .map_err(|why| given.error(why))
}
