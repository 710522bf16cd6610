//! Options from code, with Airflow's defaults.

use std::{path::PathBuf, sync::Arc, time::Duration};

use azure_core::http::Url;

use super::{
    AzureCredential, AzureKeyVaultBackend,
    client::{Client, VaultSettings},
    credential::{Authority, Reach, TokenKeeper},
    naming::{Naming, trim_prefix},
    wire::{Roots, Wire, WireSettings},
};
use crate::{ConfigurationError, Environment, Secret, backends::given::Given};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "AzureKeyVaultBackend::builder()";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Given<T> {
    Given::new(setting, FROM_CODE, value)
}

/// Makes an [`AzureKeyVaultBackend`] from code. What is not set is as in Airflow's class; the
/// environment is not read unless it is given.
///
/// ```
/// use airflow_secrets::backends::azure::{AzureCredential, AzureKeyVaultBackend};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// let vault = AzureKeyVaultBackend::builder()
///     .vault_url("https://my-airflow.vault.azure.net")
///     .credential(AzureCredential::client_secret("my-tenant", "my-client", "s3cret"))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AzureKeyVaultBuilder {
    pub(super) connections_prefix: Option<String>,
    pub(super) variables_prefix: Option<String>,
    pub(super) config_prefix: Option<String>,
    pub(super) sep: String,
    pub(super) multi_team: bool,
    /// May hold a password, until it is refused; so may the next.
    pub(super) vault_url: Given<Secret>,
    pub(super) api_version: Option<String>,
    pub(super) verify_challenge_resource: bool,
    pub(super) credential: AzureCredential,
    authority_host: Option<Given<Secret>>,
    pub(super) roots: Roots,
    environment: Environment,
    pub(super) connect_timeout: Duration,
    timeout: Duration,
    pub(super) max_retries: u32,
    max_concurrent_requests: usize,
    look_for_deleted: bool,
}

impl Default for AzureKeyVaultBuilder {
    fn default() -> Self {
        Self {
            connections_prefix: Some("airflow-connections".to_owned()),
            variables_prefix: Some("airflow-variables".to_owned()),
            config_prefix: Some("airflow-config".to_owned()),
            sep: "-".to_owned(),
            multi_team: false,
            vault_url: from_code("vault_url", Secret::from("")),
            api_version: None,
            verify_challenge_resource: true,
            credential: AzureCredential::default_chain(),
            authority_host: None,
            roots: Roots::default(),
            environment: Environment::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            max_retries: 3,
            max_concurrent_requests: crate::MAX_CONCURRENT_LOOKUPS,
            look_for_deleted: false,
        }
    }
}

impl AzureKeyVaultBuilder {
    /// The vault's URL, such as `https://NAME.vault.azure.net`. There is no default.
    #[must_use]
    pub fn vault_url(mut self, url: impl Into<String>) -> Self {
        self.vault_url = from_code("vault_url", url.into().into());
        self
    }

    /// What the names of connections begin with. An empty one means bare ids; with `None`
    /// connections are not asked for. Default: `airflow-connections`.
    #[must_use]
    pub fn connections_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.connections_prefix = prefix.into().map(str::to_owned);
        self
    }

    /// The same for variables. Default: `airflow-variables`.
    #[must_use]
    pub fn variables_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.variables_prefix = prefix.into().map(str::to_owned);
        self
    }

    /// The same for configuration entries. Default: `airflow-config`.
    #[must_use]
    pub fn config_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.config_prefix = prefix.into().map(str::to_owned);
        self
    }

    /// What joins a prefix and an id, and takes the place of every `_`. Default: `-`.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<String>) -> Self {
        self.sep = sep.into();
        self
    }

    /// How to come by a token. Default: [`AzureCredential::default_chain`].
    #[must_use]
    pub fn credential(mut self, credential: AzureCredential) -> Self {
        self.credential = credential;
        self
    }

    /// Where tokens are asked for, such as `login.microsoftonline.us` for a sovereign cloud.
    /// Default: `AZURE_AUTHORITY_HOST` of the [`environment`](Self::environment), else that of the
    /// public cloud.
    #[must_use]
    pub fn authority_host(mut self, host: impl Into<String>) -> Self {
        self.authority_host = Some(from_code("authority_host", host.into().into()));
        self
    }

    /// The version of Key Vault's interface. Default: that of Microsoft's Rust client.
    #[must_use]
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = Some(version.into());
        self
    }

    /// Whether the audience that the vault's challenge names must be a domain above the vault's
    /// host: a token must go to no stranger. Default: yes.
    #[must_use]
    pub fn verify_challenge_resource(mut self, verify: bool) -> Self {
        self.verify_challenge_resource = verify;
        self
    }

    /// Whether this is a multi-team deployment: `[core] multi_team`. Default: no.
    #[must_use]
    pub fn multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }

    /// Reads from `environment` what Airflow's clients read: the `AZURE_…` variables and those of
    /// managed identities, the proxies (`https_proxy`, `all_proxy`, `no_proxy`), and the
    /// authorities to trust (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`); besides, `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` as further authorities.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Trusts the authorities in this PEM file, or in the files of this folder, and no others.
    /// Default: those that Mozilla trusts.
    #[must_use]
    pub fn ca_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots = Roots::At(path.into());
        self
    }

    /// How long a connection may take to come about. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a whole lookup may take, its token and retries included. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is repeated on 408, 429, 500, 502 to 504 and connection errors.
    /// Default: 3; more than 50 are as good as 50.
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

    /// Whether to ask a second time for a secret that is not there, to say whether it was deleted
    /// and can be recovered: Key Vault's first answer is the same for both. Default: no.
    #[must_use]
    pub fn look_for_deleted(mut self, look: bool) -> Self {
        self.look_for_deleted = look;
        self
    }

    /// The backend. It connects to nothing yet.
    ///
    /// # Errors
    /// When the vault's URL is missing, or an option cannot be used.
    pub fn build(self) -> Result<AzureKeyVaultBackend, ConfigurationError> {
        let vault_url = self.checked_vault_url()?;
        let authority = match &self.authority_host {
            Some(given) => {
                Authority::parse(given.value.expose()).map_err(|why| given.error(why))?
            }
            None => Authority::from_environment(&self.environment)?,
        };
        let chain = self.credential.chain(&self.environment)?;
        let wire = Arc::new(Wire::new(WireSettings {
            roots: self.roots.clone(),
            environment: self.environment.clone(),
            connect_timeout: self.connect_timeout.min(self.timeout),
            timeout: self.timeout,
            max_retries: self.max_retries,
        }));
        let reach = Reach {
            wire: Arc::clone(&wire),
            authority,
            environment: self.environment.clone(),
        };
        let settings = VaultSettings {
            vault_url,
            api_version: self.api_version.clone(),
            verify_challenge_resource: self.verify_challenge_resource,
            max_concurrent_requests: self.max_concurrent_requests,
            look_for_deleted: self.look_for_deleted,
        };
        let client = Client::new(settings, wire, TokenKeeper::new(chain, reach));
        let client = client.map_err(|why| self.vault_url.error(why))?;
        let trim = |prefix: &Option<String>| prefix.as_deref().map(|p| trim_prefix(p, &self.sep));
        Ok(AzureKeyVaultBackend {
            connections_prefix: trim(&self.connections_prefix),
            variables_prefix: trim(&self.variables_prefix),
            config_prefix: trim(&self.config_prefix),
            naming: Naming {
                sep: self.sep,
                multi_team: self.multi_team,
            },
            client,
        })
    }

    fn checked_vault_url(&self) -> Result<String, ConfigurationError> {
        let text = self.vault_url.value.expose().trim_matches([' ', '/']);
        let why = match Url::parse(text) {
            _ if text.is_empty() => {
                "there is none: it is that of the vault, such as https://NAME.vault.azure.net"
            }
            Ok(url) if url.scheme() != "https" => "must begin with https://: a token is sent there",
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "holds a user name or a password, which a vault's URL has not"
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "has a query or a fragment, which a vault's URL has not"
            }
            Ok(url) if url.has_host() => return Ok(text.to_owned()),
            _ => "is no URL; one looks like https://NAME.vault.azure.net",
        };
        Err(self.vault_url.error(why))
    }
}
