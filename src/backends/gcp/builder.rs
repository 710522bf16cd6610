//! Options from code, with Airflow's defaults.

use std::{sync::Mutex, time::Duration};

use super::{
    CloudSecretManagerBackend,
    client::{Client, ClientSettings},
    credential::{
        GcpCredentials,
        identity::{Identity, Impersonation, Source},
        source,
    },
    naming::{self, Naming},
    project::{self, Project},
};
use crate::{ConfigurationError, Environment, Secret, backends::given::Given};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "CloudSecretManagerBackend::builder()";

const EMULATOR: &str = "SECRET_MANAGER_EMULATOR_HOST";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Given<T> {
    Given::new(setting, FROM_CODE, value)
}

/// Makes a [`CloudSecretManagerBackend`] from code. What is not set is as in Airflow's class; the
/// environment is not read unless it is given.
///
/// ```
/// use airflow_secrets::backends::gcp::{CloudSecretManagerBackend, GcpCredentials};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// let secret_manager = CloudSecretManagerBackend::builder()
///     .project_id("my-project")
///     .credentials(GcpCredentials::application_default())
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CloudSecretManagerBuilder {
    pub(super) connections_prefix: Given<Option<String>>,
    pub(super) variables_prefix: Given<Option<String>>,
    pub(super) config_prefix: Given<Option<String>>,
    pub(super) sep: Given<String>,
    pub(super) multi_team: bool,
    pub(super) project_id: Option<Given<String>>,
    pub(super) credentials: Given<GcpCredentials>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) impersonation_chain: Given<Vec<String>>,
    pub(super) environment: Environment,
    /// May hold a password, until it is refused.
    endpoint: Option<Given<Secret>>,
    universe_domain: Option<String>,
    iam_credentials_endpoint: Option<Given<Secret>>,
    attempt_timeout: Duration,
    timeout: Duration,
    max_retries: u32,
    max_concurrent_requests: usize,
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
            credentials: from_code("credentials", GcpCredentials::application_default()),
            scopes: None,
            impersonation_chain: from_code("impersonation_chain", Vec::new()),
            environment: Environment::default(),
            endpoint: None,
            universe_domain: None,
            iam_credentials_endpoint: None,
            attempt_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            max_retries: 3,
            max_concurrent_requests: crate::MAX_CONCURRENT_LOOKUPS,
        }
    }
}

impl CloudSecretManagerBuilder {
    /// What names of connections begin with, before the separator; with `None` connections are not
    /// asked for. Default: `airflow-connections`.
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

    /// Who asks. Default: [`GcpCredentials::application_default`].
    #[must_use]
    pub fn credentials(mut self, credentials: GcpCredentials) -> Self {
        self.credentials = from_code("credentials", credentials);
        self
    }

    /// The OAuth scopes of tokens. Default: `https://www.googleapis.com/auth/cloud-platform`.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The service accounts to become: the last one asks, and each of those before it vouches for
    /// the next. Default: none.
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
    /// `GCE_METADATA_DETECT_RETRIES`; besides, `SECRET_MANAGER_EMULATOR_HOST`.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Where Secret Manager is, such as `https://secretmanager.europe-west1.rep.googleapis.com`.
    /// Default: `https://secretmanager.googleapis.com`, or that of the universe domain. With it,
    /// `SECRET_MANAGER_EMULATOR_HOST` is not read. Over `http://` the token can be read by all who
    /// are in between.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(from_code("endpoint", url.into().into()));
        self
    }

    /// The universe that Google's services are in; the credentials must be of the same. Default:
    /// that of the credential file, else `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, else `googleapis.com`.
    #[must_use]
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.universe_domain = Some(domain.into());
        self
    }

    /// Where the tokens of impersonated accounts are asked for. Default:
    /// `https://iamcredentials.googleapis.com`, or that of the universe domain. It takes credentials
    /// from a file that is not itself of type `impersonated_service_account`.
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

    /// How long a whole lookup may take, its token and retries included. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a request is repeated on 429, 5xx, `RESOURCE_EXHAUSTED`, `UNAVAILABLE`, a wrong
    /// checksum and connection errors; a request for a token too. Default: 3.
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

    /// The backend. It reads credential files, and connects to nothing yet.
    ///
    /// # Errors
    /// When an option cannot be used, a credential file is not good, or nothing names a project.
    pub fn build(self) -> Result<CloudSecretManagerBackend, ConfigurationError> {
        self.check_start()?;
        let emulator = self.emulator()?;
        let impersonation = self.impersonation()?;
        let source = source::read(&self.credentials, &self.environment, emulator.is_some())?;
        self.check_iam_credentials_endpoint(impersonation.as_ref(), &source)?;
        let project = self.project(impersonation.as_ref(), &source)?;
        let mut identity = Identity {
            source,
            scopes: self.scopes,
            impersonation,
            quota_project: self
                .environment
                .non_empty("GOOGLE_CLOUD_QUOTA_PROJECT")
                .map(str::to_owned),
            max_retries: self.max_retries,
        };
        let mut universe_domain = self
            .universe_domain
            .or_else(|| identity.universe_domain().map(str::to_owned))
            .or_else(|| {
                self.environment
                    .non_empty("GOOGLE_CLOUD_UNIVERSE_DOMAIN")
                    .map(str::to_owned)
            });
        if emulator.is_some() {
            (identity.source, identity.impersonation) = (Source::Anonymous, None);
            universe_domain = None;
        }
        let endpoint = match self.endpoint {
            Some(endpoint) => Some(checked_url(&endpoint)?),
            None => emulator,
        };
        let client = Client::new(ClientSettings {
            identity,
            project,
            endpoint,
            universe_domain,
            attempt_timeout: self.attempt_timeout.min(self.timeout),
            total_timeout: self.timeout,
            max_retries: self.max_retries,
            max_concurrent_requests: self.max_concurrent_requests,
        });
        Ok(CloudSecretManagerBackend {
            connections_prefix: self.connections_prefix.value,
            variables_prefix: self.variables_prefix.value,
            config_prefix: self.config_prefix.value,
            naming: Naming {
                sep: self.sep.value,
                multi_team: self.multi_team,
            },
            client,
            denied: Mutex::default(),
        })
    }

    /// Airflow's class checks the prefix of connections, and with it the separator.
    fn check_start(&self) -> Result<(), ConfigurationError> {
        let Some(prefix) = &self.connections_prefix.value else {
            return Ok(());
        };
        if naming::is_valid_start(prefix, &self.sep.value) {
            return Ok(());
        }
        let message = "a secret's name has the letters A-Z and a-z, digits, '-' and '_' alone";
        Err(if naming::is_valid_start(prefix, "") {
            self.sep.error(message)
        } else {
            self.connections_prefix.error(message)
        })
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
        let given = Given::new(EMULATOR, "the environment", url);
        if host.contains('/') || host.contains('@') || checked_url(&given).is_err() {
            return Err(given.error("must be host:port, without http:// before it"));
        }
        Ok(Some(given.value.expose().to_owned()))
    }

    fn impersonation(&self) -> Result<Option<Impersonation>, ConfigurationError> {
        let given = &self.impersonation_chain;
        let Some((principal, delegates)) = given.value.split_last() else {
            return Ok(None);
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
            return Err(given.error("an account has a character that no email of one has"));
        }
        let endpoint = self.iam_credentials_endpoint.as_ref().map(checked_url);
        Ok(Some(Impersonation {
            principal: principal.clone(),
            delegates: delegates.to_vec(),
            endpoint: endpoint.transpose()?,
        }))
    }

    /// Google's library takes another endpoint only along with a file.
    fn check_iam_credentials_endpoint(
        &self,
        impersonation: Option<&Impersonation>,
        source: &Source,
    ) -> Result<(), ConfigurationError> {
        let is_used = impersonation.is_some()
            && matches!(source, Source::File(file) if file.may_be_impersonated_from());
        match &self.iam_credentials_endpoint {
            Some(given) if !is_used => Err(given.error(
                "is for an impersonation_chain that starts with credentials from a file, which is \
                 not itself of type impersonated_service_account",
            )),
            _ => Ok(()),
        }
    }

    fn project(
        &self,
        impersonation: Option<&Impersonation>,
        source: &Source,
    ) -> Result<Project, ConfigurationError> {
        let given = &self.credentials;
        let unknown = || project::unknown("project_id", &given.origin);
        let wrong = "is no project's id: letters, digits, '-' and, before it, a domain and ':'";
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
        let project = project::find(impersonation, source, has_scopes, &self.environment);
        match project.ok_or_else(unknown)? {
            Project::Known(project) if !project::is_valid(&project) => Err(given.error(format!(
                "the project that comes with the credentials or GOOGLE_CLOUD_PROJECT {wrong}"
            ))),
            project => Ok(project),
        }
    }
}

/// A URL of a scheme and a host, without a slash at its end.
fn checked_url(given: &Given<Secret>) -> Result<String, ConfigurationError> {
    let url = reqwest::Url::parse(given.value.expose())
        .ok()
        .filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
    match url {
        Some(_) => Ok(given.value.expose().trim_end_matches('/').to_owned()),
        None => Err(given.error("must be a URL of http:// or https:// with a host, and no more")),
    }
}
