//! Options from code, with Airflow's defaults.

use std::time::Duration;

use super::{
    CloudSecretManagerBackend,
    client::{Client, ClientSettings, wire::Wire},
    credential::{
        GcpCredential,
        identity::{Identity, Impersonation, Source},
        metadata::GOOGLE_UNIVERSE,
        project::{self, Project},
        source,
        token::LIFE,
    },
    naming::{self, Naming},
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{http_options::HttpOptions, proxies, retry::RetryOptions},
    config::Setting,
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "CloudSecretManagerBackend::builder()";

const EMULATOR: &str = "SECRET_MANAGER_EMULATOR_HOST";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
}

/// Makes a [`CloudSecretManagerBackend`] from code. What is not set is as in Airflow's class; the
/// environment is not read unless it is given.
///
/// ```
/// use airflow_secrets::backends::gcp::{CloudSecretManagerBackend, GcpCredential};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// let secret_manager = CloudSecretManagerBackend::builder()
///     .project_id("my-project")
///     .credential(GcpCredential::application_default())
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CloudSecretManagerBuilder {
    pub(super) connections_prefix: Setting<Option<String>>,
    pub(super) variables_prefix: Setting<Option<String>>,
    pub(super) config_prefix: Setting<Option<String>>,
    pub(super) sep: Setting<String>,
    pub(super) multi_team: bool,
    pub(super) project_id: Option<Setting<String>>,
    pub(super) credential: Setting<GcpCredential>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) impersonation_chain: Setting<Vec<String>>,
    pub(super) environment: Environment,
    location: Option<Setting<String>>,
    /// May contain a password until it is checked.
    endpoint: Option<Setting<Secret>>,
    universe_domain: Option<Setting<String>>,
    iam_credentials_endpoint: Option<Setting<Secret>>,
    attempt_timeout: Duration,
    http: HttpOptions,
    retries: RetryOptions,
}

impl Default for CloudSecretManagerBuilder {
    fn default() -> Self {
        let prefix = |setting, prefix: &str| from_code(setting, Some(prefix.to_owned()));
        Self {
            connections_prefix: prefix("connections_prefix", "airflow-connections"),
            variables_prefix: prefix("variables_prefix", "airflow-variables"),
            config_prefix: prefix("config_prefix", "airflow-config"),
            sep: from_code("sep", "-".to_owned()),
            multi_team: false,
            project_id: None,
            credential: from_code("credential", GcpCredential::application_default()),
            scopes: None,
            impersonation_chain: from_code("impersonation_chain", Vec::new()),
            environment: Environment::default(),
            location: None,
            endpoint: None,
            universe_domain: None,
            iam_credentials_endpoint: None,
            attempt_timeout: Duration::from_secs(10),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
        }
    }
}

impl CloudSecretManagerBuilder {
    /// The prefix of connections' names, before the separator; with `None` connections are not asked
    /// for. Default: `airflow-connections`.
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

    /// What stands between a prefix, even an empty one, and an id. Default: `-`.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<String>) -> Self {
        self.sep.value = sep.into();
        self
    }

    /// Whether this is a multi-team deployment: `[core] multi_team`. Default: no.
    #[must_use]
    pub fn multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }

    /// The project that the secrets are in. Without it, that of the impersonated account, else
    /// that of the key file, else, for default credentials, `GOOGLE_CLOUD_PROJECT` of the
    /// [`environment`](Self::environment), the project of their file, or of the machine.
    #[must_use]
    pub fn project_id(mut self, project_id: impl Into<String>) -> Self {
        self.project_id = Some(from_code("project_id", project_id.into()));
        self
    }

    /// The credential that gives the token. Default: [`GcpCredential::application_default`].
    #[must_use]
    pub fn credential(mut self, credential: GcpCredential) -> Self {
        self.credential = from_code("credential", credential);
        self
    }

    /// The OAuth scopes of tokens. Default: `https://www.googleapis.com/auth/cloud-platform`.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The service accounts to impersonate: the last one reads the secrets; each of those before it
    /// may create tokens for the next. Default: none.
    #[must_use]
    pub fn impersonation_chain<A: Into<String>>(
        mut self,
        accounts: impl IntoIterator<Item = A>,
    ) -> Self {
        self.impersonation_chain.value = accounts.into_iter().map(Into::into).collect();
        self
    }

    /// Reads from `environment` what Google's client in Airflow reads:
    /// `GOOGLE_APPLICATION_CREDENTIALS`, `CLOUDSDK_CONFIG`, `HOME`, `GOOGLE_CLOUD_PROJECT`,
    /// `GCLOUD_PROJECT`, `GOOGLE_CLOUD_QUOTA_PROJECT`, `GOOGLE_CLOUD_UNIVERSE_DOMAIN`,
    /// `NO_GCE_CHECK`, `GCE_METADATA_HOST`, `GCE_METADATA_ROOT`, `GCE_METADATA_TIMEOUT`,
    /// `GCE_METADATA_DETECT_RETRIES`, what credential files of type `external_account` need
    /// (`GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES`, `AWS_…`), the proxies (`https_proxy`, `all_proxy`,
    /// `no_proxy`) and the authorities to trust (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`); besides,
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` as further authorities, and `SECRET_MANAGER_EMULATOR_HOST`.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Reads regional secrets of this location, such as `europe-west1`, from its own endpoint. Default:
    /// global secrets.
    #[must_use]
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.location = Some(from_code("location", location.into()));
        self
    }

    /// The URL of Secret Manager. With it, `SECRET_MANAGER_EMULATOR_HOST` is not read. Over `http://`
    /// anyone on the network can read the token. Default: `https://secretmanager.googleapis.com`, that
    /// of the [`location`](Self::location), or that of the universe domain.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(from_code("endpoint", url.into().into()));
        self
    }

    /// The universe that Google's services are in; the credentials must be of the same. Default:
    /// that of the credential file, else `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, else `googleapis.com`.
    #[must_use]
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.universe_domain = Some(from_code("universe_domain", domain.into()));
        self
    }

    /// Where the tokens of impersonated accounts are asked for. Default:
    /// `https://iamcredentials.googleapis.com`, or that of the universe domain. It needs an
    /// [`impersonation_chain`](Self::impersonation_chain).
    #[must_use]
    pub fn iam_credentials_endpoint(mut self, url: impl Into<String>) -> Self {
        let url = from_code("iam_credentials_endpoint", url.into().into());
        self.iam_credentials_endpoint = Some(url);
        self
    }

    /// How long one request may take, to connect included. Default: 10 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Limits, TLS and proxy, for Secret Manager and the services that give tokens. What is set there
    /// wins over what was set before; all options are offered.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// How requests are repeated: on 429, 5xx, `RESOURCE_EXHAUSTED`, `UNAVAILABLE`, a wrong
    /// checksum and connection errors; requests for a token too. What is set there wins over what
    /// was set before.
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// The backend. It reads credential files, and connects to nothing yet.
    ///
    /// # Errors
    /// When an option or a credential file is invalid, or nothing names a project.
    pub fn build(self) -> Result<CloudSecretManagerBackend, ConfigurationError> {
        if let Some(proxy) = &self.http.proxies {
            proxies::check_all(proxy)?;
        }
        self.check_start()?;
        let emulator = self.emulator()?;
        let source = source::read(&self.credential, &self.environment, emulator.is_some())?;
        let universe_domain = self.checked_universe_domain(&source)?;
        let impersonation = self.impersonation(&universe_domain)?;
        let project = self.project(&source)?;
        let endpoint = match (&self.endpoint, &emulator, self.checked_location()?) {
            (Some(endpoint), ..) => checked_url(endpoint)?,
            (None, Some(emulator), _) => emulator.clone(),
            (None, None, Some(location)) => {
                format!("https://secretmanager.{location}.rep.{universe_domain}")
            }
            (None, None, None) => format!("https://secretmanager.{universe_domain}"),
        };
        let (source, impersonation) = match emulator {
            Some(_) => (Source::Anonymous, None),
            None => (source, impersonation),
        };
        let quota_project = self.environment.non_empty("GOOGLE_CLOUD_QUOTA_PROJECT");
        let settings = ClientSettings {
            identity: Identity {
                source,
                scopes: self.scopes.unwrap_or_default(),
                impersonation,
                quota_project: quota_project.map(str::to_owned),
                universe_domain,
            },
            project,
            endpoint,
            location: self.location.map(|location| location.value),
        };
        let wire = Wire::new(
            self.environment,
            self.http,
            self.retries,
            self.attempt_timeout,
        );
        Ok(CloudSecretManagerBackend {
            connections_prefix: self.connections_prefix.value,
            variables_prefix: self.variables_prefix.value,
            config_prefix: self.config_prefix.value,
            naming: Naming {
                sep: self.sep.value,
                multi_team: self.multi_team,
            },
            client: Client::new(settings, wire),
        })
    }

    /// Airflow's class checks the prefix of connections, and with it the separator. The others are
    /// checked here too: with an invalid one no secret is ever found.
    fn check_start(&self) -> Result<(), ConfigurationError> {
        for prefix in [
            &self.connections_prefix,
            &self.variables_prefix,
            &self.config_prefix,
        ] {
            let Some(text) = &prefix.value else {
                continue;
            };
            if naming::is_valid_start(text, &self.sep.value) {
                continue;
            }
            let invalid = if naming::is_valid_start(text, "") {
                self.sep.with(())
            } else {
                prefix.with(())
            };
            return Err(invalid.error(
                "is invalid: the name of a secret has only the letters A-Z and a-z, digits, '-' and '_'",
            ));
        }
        Ok(())
    }

    fn checked_location(&self) -> Result<Option<&str>, ConfigurationError> {
        let Some(location) = &self.location else {
            return Ok(None);
        };
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if location.value.is_empty() || !location.value.chars().all(is_plain) {
            return Err(location.error("is not a location such as europe-west1"));
        }
        Ok(Some(&location.value))
    }

    /// The universe that is asked. The credentials and all settings must agree, so that a token goes to
    /// no other universe.
    fn checked_universe_domain(&self, source: &Source) -> Result<String, ConfigurationError> {
        const VARIABLE: &str = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";
        let of_file = match source {
            Source::File(file) => Some(file.universe_domain.as_deref().unwrap_or(GOOGLE_UNIVERSE)),
            Source::Anonymous | Source::MetadataServer(_) => None,
        };
        let of_environment = self
            .environment
            .non_empty(VARIABLE)
            .map(|domain| Setting::new(VARIABLE, "the environment", domain.to_owned()));
        let given = [&self.universe_domain, &of_environment];
        let domain = of_file.or_else(|| {
            given
                .into_iter()
                .flatten()
                .next()
                .map(|given| given.value.as_str())
        });
        let domain = domain.unwrap_or(GOOGLE_UNIVERSE);
        for given in given.into_iter().flatten() {
            if given.value != domain {
                return Err(given.error(
                    "is not the universe domain of the credentials: check \"universe_domain\" of the \
                     credential file (GCP-25)",
                ));
            }
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if !domain.chars().all(is_plain) {
            return Err(self
                .credential
                .error("names a universe domain that is not a domain"));
        }
        Ok(domain.to_owned())
    }

    /// The address of an emulator, if there is to be one.
    fn emulator(&self) -> Result<Option<String>, ConfigurationError> {
        let Some(host) = self.environment.non_empty(EMULATOR) else {
            return Ok(None);
        };
        if self.endpoint.is_some() {
            return Ok(None);
        }
        let url = Secret::from(format!("http://{host}"));
        let given = Setting::new(EMULATOR, "the environment", url);
        if host.contains('/') || host.contains('@') || checked_url(&given).is_err() {
            return Err(given.error("must be host:port, without http:// before it"));
        }
        Ok(Some(given.value.expose().to_owned()))
    }

    fn impersonation(
        &self,
        universe_domain: &str,
    ) -> Result<Option<Impersonation>, ConfigurationError> {
        let given = &self.impersonation_chain;
        let Some((principal, delegates)) = given.value.split_last() else {
            return match &self.iam_credentials_endpoint {
                Some(endpoint) => Err(endpoint.error("needs an impersonation_chain")),
                None => Ok(None),
            };
        };
        if !principal.contains('@') {
            return Err(given.error("the last account is not the email of a service account"));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
        if !given
            .value
            .iter()
            .all(|account| account.chars().all(is_plain))
        {
            return Err(given.error("an account contains a character that no email of one has"));
        }
        let endpoint = match &self.iam_credentials_endpoint {
            Some(endpoint) => checked_url(endpoint)?,
            None => format!("https://iamcredentials.{universe_domain}"),
        };
        Ok(Some(Impersonation {
            url: format!(
                "{endpoint}/v1/projects/-/serviceAccounts/{principal}:generateAccessToken"
            ),
            delegates: delegates.to_vec(),
            life: LIFE,
        }))
    }

    fn project(&self, source: &Source) -> Result<Project, ConfigurationError> {
        let given = &self.credential;
        let unknown = || project::unknown("project_id", given.origin());
        let wrong =
            "is not a project id: write letters, digits, '-' and, before it, a domain and ':'";
        if let Some(given) = &self.project_id
            && !given.value.is_empty()
        {
            let project = || Project::Known(given.value.clone());
            let is_valid = project::is_valid(&given.value);
            return is_valid.then(project).ok_or_else(|| given.error(wrong));
        }
        let has_scopes = self
            .scopes
            .as_ref()
            .is_some_and(|scopes| !scopes.is_empty());
        let account = self.impersonation_chain.value.last().map(String::as_str);
        let project = project::find(account, source, has_scopes, &self.environment);
        match project.ok_or_else(unknown)? {
            Project::Known(project) if !project::is_valid(&project) => Err(given.error(format!(
                "the project that comes with the credentials or GOOGLE_CLOUD_PROJECT {wrong}"
            ))),
            project => Ok(project),
        }
    }
}

/// A URL of a scheme and a host, without a slash at its end.
fn checked_url(given: &Setting<Secret>) -> Result<String, ConfigurationError> {
    let url = url::Url::parse(given.value.expose()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match url {
        Some(_) => Ok(given.value.expose().trim_end_matches('/').to_owned()),
        None => {
            Err(given
                .error("must be a URL such as https://host, without user name, query or fragment"))
        }
    }
}
