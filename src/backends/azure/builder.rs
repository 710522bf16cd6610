//! Options from code, with Airflow's defaults.

use std::sync::Arc;

use azure_core::http::Url;

use super::{
    AzureCredential, AzureKeyVaultBackend,
    client::wire::{Wire, WireSettings},
    client::{Client, VaultSettings},
    credential::{Authority, Reach, TokenKeeper},
    naming::Naming,
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{http_options::HttpOptions, proxies, retry::RetryOptions},
    config::{Setting, Warning},
    python::text::strip_end_of,
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "AzureKeyVaultBackend::builder()";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
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
    pub(super) connections_prefix: Setting<Option<String>>,
    pub(super) variables_prefix: Setting<Option<String>>,
    pub(super) config_prefix: Setting<Option<String>>,
    pub(super) sep: Setting<String>,
    pub(super) multi_team: bool,
    /// May contain a password until it is checked; so may `authority_host`.
    pub(super) vault_url: Setting<Secret>,
    pub(super) api_version: Option<String>,
    pub(super) verify_challenge_resource: bool,
    pub(super) credential: AzureCredential,
    authority_host: Option<Setting<Secret>>,
    environment: Environment,
    pub(super) http: HttpOptions,
    pub(super) retries: RetryOptions,
    pub(super) warnings: Vec<Warning>,
    look_for_deleted: bool,
}

impl Default for AzureKeyVaultBuilder {
    fn default() -> Self {
        let prefix = |setting, prefix: &str| from_code(setting, Some(prefix.to_owned()));
        Self {
            connections_prefix: prefix("connections_prefix", "airflow-connections"),
            variables_prefix: prefix("variables_prefix", "airflow-variables"),
            config_prefix: prefix("config_prefix", "airflow-config"),
            sep: from_code("sep", "-".to_owned()),
            multi_team: false,
            vault_url: from_code("vault_url", Secret::from("")),
            api_version: None,
            verify_challenge_resource: true,
            credential: AzureCredential::default_chain(),
            authority_host: None,
            environment: Environment::default(),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
            warnings: Vec::new(),
            look_for_deleted: false,
        }
    }
}

impl AzureKeyVaultBuilder {
    /// The vault's URL, such as `https://NAME.vault.azure.net`. It must be set.
    #[must_use]
    pub fn vault_url(mut self, url: impl Into<String>) -> Self {
        self.vault_url = from_code("vault_url", url.into().into());
        self
    }

    /// The prefix of connections' names. With an empty one a name is the id alone; with `None`
    /// connections are not asked for. Default: `airflow-connections`.
    #[must_use]
    pub fn connections_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.connections_prefix.value = prefix.into().map(str::to_owned);
        self
    }

    /// The same for variables. Default: `airflow-variables`.
    #[must_use]
    pub fn variables_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.variables_prefix.value = prefix.into().map(str::to_owned);
        self
    }

    /// The same for configuration entries. Default: `airflow-config`.
    #[must_use]
    pub fn config_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.config_prefix.value = prefix.into().map(str::to_owned);
        self
    }

    /// What stands between a prefix and an id, and in place of every `_`. Default: `-`.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<String>) -> Self {
        self.sep.value = sep.into();
        self
    }

    /// How to log in. Default: [`AzureCredential::default_chain`].
    #[must_use]
    pub fn credential(mut self, credential: AzureCredential) -> Self {
        self.credential = credential;
        self
    }

    /// The authority that gives tokens, such as `login.microsoftonline.us` for a sovereign cloud.
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
    /// host, so that no other server gets the token. Default: yes.
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

    /// Limits, TLS and proxy, for the vault and the authority that gives tokens. What is set there
    /// wins over what was set before; all options are offered.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// How requests are repeated: on 408, 429, 500, 502 to 504 and connection errors. What is set
    /// there wins over what was set before. More than 50 retries count as 50.
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// Whether to ask a second time for a missing secret, to report whether it was deleted and can
    /// be recovered: Key Vault's first answer does not say. Default: no.
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
        if let Some(proxy) = &self.http.proxies {
            proxies::check_all(proxy)?;
        }
        let chain = self.credential.chain(&self.environment)?;
        let wire = Arc::new(Wire::new(WireSettings {
            environment: self.environment.clone(),
            http: self.http.clone(),
            retries: self.retries.clone(),
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
            look_for_deleted: self.look_for_deleted,
        };
        let client = Client::new(settings, wire, TokenKeeper::new(chain, reach));
        let client = client.map_err(|why| self.vault_url.error(why))?;
        let naming = Naming {
            sep: self.sep.value.clone(),
            multi_team: self.multi_team,
        };
        Ok(AzureKeyVaultBackend {
            connections_prefix: self.checked_prefix(&self.connections_prefix, &naming)?,
            variables_prefix: self.checked_prefix(&self.variables_prefix, &naming)?,
            config_prefix: self.checked_prefix(&self.config_prefix, &naming)?,
            warnings: self.warnings,
            naming,
            client,
        })
    }

    /// `prefix` without the separators at its end.
    ///
    /// # Errors
    /// When no secret's name can begin with it.
    fn checked_prefix(
        &self,
        prefix: &Setting<Option<String>>,
        naming: &Naming,
    ) -> Result<Option<String>, ConfigurationError> {
        let Some(text) = &prefix.value else {
            return Ok(None);
        };
        let trimmed = strip_end_of(text, &naming.sep);
        match naming.check_prefix(trimmed) {
            Ok(()) => Ok(Some(trimmed.to_owned())),
            Err(why) if naming.check_prefix("a").is_err() => Err(self.sep.error(why)),
            Err(why) => Err(prefix.error(why)),
        }
    }

    fn checked_vault_url(&self) -> Result<String, ConfigurationError> {
        let text = self.vault_url.value.expose().trim_matches([' ', '/']);
        let why = match Url::parse(text) {
            _ if text.is_empty() => {
                "is not set: give the vault's URL, such as https://NAME.vault.azure.net"
            }
            Ok(url) if url.scheme() != "https" => "must begin with https://: a token is sent there",
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "contains a user name or a password: remove it"
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "contains a query or a fragment: remove it"
            }
            Ok(url) if url.has_host() => return Ok(text.to_owned()),
            _ => "is not a URL such as https://NAME.vault.azure.net",
        };
        Err(self.vault_url.error(why))
    }
}
