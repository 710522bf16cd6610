//! Options from code, with Airflow's defaults.

use std::{path::PathBuf, sync::Arc, sync::atomic::AtomicBool, time::Duration};

use tokio::sync::OnceCell;

use super::{
    KvVersion, VaultBackend, VaultCredential,
    client::{Address, Client, ClientSettings},
    credential::{TokenKeeper, login::VaultAuthority},
    naming::{self, Layout, MountPoint},
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{
        http_options::{ClientCertificate, HttpOptions, Roots},
        proxies::{self, Proxies, Rules},
        retry::RetryOptions,
        tls::Tls,
    },
    config::{Setting, Warning},
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "VaultBackend::builder()";

/// The default address of Airflow's client.
const DEFAULT_URL: &str = "http://localhost:8200";

/// A setting from code.
fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
}

/// Makes a [`VaultBackend`] from code. What is not set is as in Airflow's class; the environment
/// is not read unless it is given.
///
/// ```
/// use airflow_secrets::backends::vault::{VaultCredential, VaultBackend};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// let vault = VaultBackend::builder()
///     .url("https://vault.example.com:8200")
///     .mount_point("airflow")
///     .credential(VaultCredential::approle("astro_role", Some("a secret_id")))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Each is an option of its own.
pub struct VaultBuilder {
    /// May contain a password.
    pub(super) url: Option<Setting<Secret>>,
    pub(super) credential: Option<Setting<VaultCredential>>,
    pub(super) connections_path: Setting<Vec<String>>,
    pub(super) variables_path: Setting<Vec<String>>,
    pub(super) config_path: Setting<Vec<String>>,
    pub(super) mount_point: Setting<Option<String>>,
    pub(super) kv_engine_version: KvVersion,
    pub(super) namespace: Option<Setting<String>>,
    pub(super) use_team_secrets_path: bool,
    pub(super) multi_team: bool,
    pub(super) environment: Environment,
    pub(super) http: HttpOptions,
    pub(super) retries: RetryOptions,
    pub(super) warnings: Vec<Warning>,
    pub(super) request_header: bool,
    pub(super) follow_redirects: bool,
    redirect_hosts: Vec<String>,
    machine_certificates: bool,
    trust_window: Duration,
}

impl Default for VaultBuilder {
    fn default() -> Self {
        let path = |setting, path: &str| from_code(setting, vec![path.to_owned()]);
        Self {
            url: None,
            credential: None,
            connections_path: path("connections_path", "connections"),
            variables_path: path("variables_path", "variables"),
            config_path: path("config_path", "config"),
            mount_point: from_code("mount_point", Some("secret".to_owned())),
            kv_engine_version: KvVersion::V2,
            namespace: None,
            use_team_secrets_path: true,
            multi_team: false,
            environment: Environment::default(),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
            warnings: Vec::new(),
            request_header: true,
            follow_redirects: true,
            redirect_hosts: Vec::new(),
            machine_certificates: false,
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

    /// The credential to log in with. There is no default.
    #[must_use]
    pub fn credential(mut self, credential: VaultCredential) -> Self {
        self.credential = Some(from_code("credential", credential));
        self
    }

    /// The paths of connections below the mount, which are tried in order. An empty path is the mount
    /// itself. Without any path Vault is not asked for connections. Default: `connections`.
    #[must_use]
    pub fn connections_path<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.connections_path.value = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The paths of variables below the mount, as for connections. Default: `variables`.
    #[must_use]
    pub fn variables_path<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.variables_path.value = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The paths of configuration entries below the mount, as for connections. Default: `config`.
    #[must_use]
    pub fn config_path<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.config_path.value = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The path that the KV engine is mounted at. Default: `secret`.
    #[must_use]
    pub fn mount_point(mut self, mount_point: impl Into<String>) -> Self {
        self.mount_point.value = Some(mount_point.into());
        self
    }

    /// Treats the first segment of each id as the mount. Airflow: `mount_point: null`.
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

    /// The namespace of all requests, including the login. Default: none.
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
    /// further authorities. `VAULT_NAMESPACE` and `VAULT_SKIP_VERIFY` are not read, as in Airflow.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Limits, TLS and proxy. What is set there wins over what was set before; all options are
    /// offered.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// How requests are repeated: on 412, 429, 5xx and connection errors. What is set there wins
    /// over what was set before.
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// Trusts the authorities of the machine's own trust store besides the others: those that
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` of the [`environment`](Self::environment) name, else the
    /// operating system's. Default: they are not trusted, as Airflow's client has Mozilla's
    /// authorities and no others. In Airflow's settings, `verify` may name the store's file or
    /// folder, such as `/etc/ssl/certs`, which then takes the place of Mozilla's.
    ///
    /// ```
    /// use airflow_secrets::backends::vault::{VaultBackend, VaultCredential};
    ///
    /// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
    /// let vault = VaultBackend::builder()
    ///     .url("https://vault.company.internal:8200")
    ///     .credential(VaultCredential::token_path("/run/secrets/vault-token"))
    ///     .machine_certificates()
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn machine_certificates(mut self) -> Self {
        self.machine_certificates = true;
        self
    }

    /// Whether to follow a standby's redirect to its leader: to the same scheme, host and port, or to
    /// one of the [`redirect_hosts`](Self::redirect_hosts). Default: yes.
    #[must_use]
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = follow;
        self
    }

    /// Hosts that a redirect may lead to, at any port and with the same scheme: the names of Vault's
    /// nodes, or the host of the address itself if its nodes differ by port. They get the token.
    /// Default: none.
    #[must_use]
    pub fn redirect_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.redirect_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// For how long a token is not suspected after Vault accepted it. A 403 in this time that blames
    /// neither token nor path counts as the path's; later it causes a login. Default: 30 s.
    #[must_use]
    pub fn trust_window(mut self, window: Duration) -> Self {
        self.trust_window = window;
        self
    }

    /// The backend. It connects at the first lookup.
    ///
    /// # Errors
    /// When the credential is not set, or an option is invalid.
    pub fn build(self) -> Result<VaultBackend, ConfigurationError> {
        let credential = self.checked_credential()?;
        let address = self.address()?;
        let client = Arc::new(self.client(address)?);
        let environment = self.environment.clone();
        let authority = VaultAuthority::new(Arc::clone(&client), credential, environment);
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
            warnings: self.warnings,
            version_is_seen: AtomicBool::new(false),
            mount_version: OnceCell::new(),
        })
    }

    fn checked_credential(&self) -> Result<VaultCredential, ConfigurationError> {
        let Some(credential) = &self.credential else {
            let message = "is not set: call `credential` with a VaultCredential";
            return Err(ConfigurationError::new("credential", FROM_CODE, message));
        };
        if credential.value.needs_client_certificate() && self.client_certificate().is_none() {
            return Err(credential.error("the login needs a client certificate: set \"cert\" or VAULT_CLIENT_CERT, or `HttpOptions::with_client_certificate`"));
        }
        match naming::from_setting(credential.value.mount()) {
            Ok(mount) if !mount.is_empty() => Ok(credential.value.clone().mounted_at(mount)),
            Ok(_) => Err(credential.error("auth_mount_point is empty")),
            Err(why) => Err(credential.error(format!("auth_mount_point: {why}"))),
        }
    }

    fn checked_mount_point(&self) -> Result<MountPoint, ConfigurationError> {
        let Some(mount_point) = &self.mount_point.value else {
            return Ok(MountPoint::FirstSegmentOfId);
        };
        match naming::from_setting(mount_point) {
            Ok(mount) if !mount.is_empty() => Ok(MountPoint::Fixed(mount)),
            Ok(_) => Err(self.mount_point.error("is empty")),
            Err(why) => Err(self.mount_point.error(why)),
        }
    }

    fn address(&self) -> Result<Address, ConfigurationError> {
        let from_environment = || {
            let url = self.environment.get("VAULT_ADDR")?;
            Some(Setting::new(
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
        let given = self.http.proxies.clone();
        let proxies = Proxies::new(Rules::Requests, given, &self.environment);
        if let Some(proxy) = proxies.choose(&address.url().into()) {
            proxies::check(&proxy.value).map_err(|why| proxy.error(why))?;
        }
        let settings = ClientSettings {
            proxies,
            tls: Tls {
                roots: self.roots(),
                client_certificate: self.client_certificate(),
            },
            further_roots: self.further_roots(),
            namespace: self.namespace.as_ref().map(|given| given.value.clone()),
            request_header: self.request_header,
            follow_redirects: self.follow_redirects,
            redirect_hosts: self.redirect_hosts.clone(),
            http: self.http.clone(),
            retries: self.retries.clone(),
            address,
        };
        Client::new(settings).map_err(|why| match &self.namespace {
            Some(namespace) => namespace.error(why),
            None => ConfigurationError::new("namespace", FROM_CODE, why),
        })
    }

    fn roots(&self) -> Option<Setting<Roots>> {
        let of_requests = || Roots::of_requests(&self.environment);
        self.http.roots.clone().or_else(of_requests)
    }

    /// Authorities that are trusted in addition.
    fn further_roots(&self) -> Vec<Setting<Roots>> {
        let in_variables = |names: [&str; 2]| {
            let named = names.map(|name| Roots::in_variable(&self.environment, name));
            named.into_iter().flatten().collect::<Vec<_>>()
        };
        let mut further = match self.http.roots {
            None => in_variables(["VAULT_CACERT", "VAULT_CAPATH"]),
            Some(_) => Vec::new(),
        };
        if self.machine_certificates {
            let named = in_variables(["SSL_CERT_FILE", "SSL_CERT_DIR"]);
            let is_named = !named.is_empty();
            further.extend(named);
            let of_machine = || from_code("machine_certificates", Roots::Machine);
            further.extend((!is_named).then(of_machine));
        }
        further
    }

    fn client_certificate(&self) -> Option<Setting<ClientCertificate>> {
        let variable = |name| self.environment.non_empty(name).map(PathBuf::from);
        let in_environment = || {
            let name = "VAULT_CLIENT_CERT";
            let files = ClientCertificate::Files {
                certificate: variable(name)?,
                key: variable("VAULT_CLIENT_KEY"),
            };
            Some(Setting::new(name, "the environment", files))
        };
        self.http.client_certificate.clone().or_else(in_environment)
    }
}

fn checked_paths(given: &Setting<Vec<String>>) -> Result<Vec<String>, ConfigurationError> {
    let paths = given.value.iter().map(|path| naming::from_setting(path));
    paths
        .collect::<Result<_, _>>()
        .map_err(|why| given.error(why))
}
