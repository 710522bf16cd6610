//! Options from code and from the environment. Airflow has no settings for Astro.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use super::{
    AstroBackend, Shared,
    client::{Client, View, wire::Wire},
    credential::{ApiToken, Credential, Key},
    domain::{self, Domain},
    objects::Kind,
    snapshot::Listing,
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{http_options::HttpOptions, keeper::Keeper, proxies, retry::RetryOptions},
    clock::Clock,
    config::Setting,
};

/// Where errors say that an option came from.
const FROM_CODE: &str = "AstroBackend::builder()";

const API_TOKEN: &str = "ASTRO_API_TOKEN";
const KEY_ID: &str = "ASTRONOMER_KEY_ID";
const KEY_SECRET: &str = "ASTRONOMER_KEY_SECRET";
const DOMAIN: &str = "ASTRO_DOMAIN";
const ORGANIZATION: &str = "ASTRO_ORGANIZATION_ID";
const WORKSPACE: &str = "ASTRO_WORKSPACE_ID";
const DEPLOYMENT: &str = "ASTRO_DEPLOYMENT_ID";

/// Makes an [`AstroBackend`]. What code sets comes before what the
/// [`environment`](Self::environment) sets.
///
/// ```
/// use airflow_secrets::{Environment, backends::astro::AstroBackend};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// # let token = "e30.eyJwZXJtaXNzaW9ucyI6WyJvcmdhbml6YXRpb25JZDpvIl19.c2ln";
/// let astro = AstroBackend::builder()
///     .api_token(token)
///     .deployment_id("clm3i0bk2000008l4")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AstroBuilder {
    api_token: Option<Setting<Secret>>,
    key: Option<(Setting<String>, Secret)>,
    domain: Option<Setting<String>>,
    organization: Option<Setting<String>>,
    workspace: Option<Setting<String>>,
    deployment: Option<Setting<String>>,
    resolves_here: bool,
    refresh_interval: Duration,
    environment: Environment,
    http: HttpOptions,
    retries: RetryOptions,
    clock: Clock,
}

impl Default for AstroBuilder {
    fn default() -> Self {
        Self {
            api_token: None,
            key: None,
            domain: None,
            organization: None,
            workspace: None,
            deployment: None,
            resolves_here: false,
            refresh_interval: Duration::from_secs(60),
            environment: Environment::default(),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
            clock: Clock::default(),
        }
    }
}

fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
}

impl AstroBuilder {
    /// An API token of a Deployment, Workspace or Organization. Default: `ASTRO_API_TOKEN` of the
    /// environment.
    #[must_use]
    pub fn api_token(mut self, token: impl Into<Secret>) -> Self {
        self.api_token = Some(from_code("api_token", token.into()));
        self
    }

    /// A Deployment API key, which API tokens replaced: Astro ended such keys in June 2024. It says nothing
    /// of a scope, so the Organization and a Workspace or Deployment have to be set. Default:
    /// `ASTRONOMER_KEY_ID` and `ASTRONOMER_KEY_SECRET` of the environment, where it has no API token.
    #[must_use]
    pub fn deployment_api_key(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.key = Some((from_code("deployment_api_key", id.into()), secret.into()));
        self
    }

    /// The domain of Astro: the token goes to `api.<domain>` alone. `localhost` is
    /// `http://localhost:8888`. Default: `ASTRO_DOMAIN` of the environment, else `astronomer.io`.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(from_code("domain", domain.into()));
        self
    }

    /// The id of the Organization. Default: `ASTRO_ORGANIZATION_ID` of the environment, else that in the
    /// token's permissions.
    #[must_use]
    pub fn organization_id(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(from_code("organization_id", id.into()));
        self
    }

    /// The id of the Workspace, which is asked where no Deployment is set. Default: `ASTRO_WORKSPACE_ID` of
    /// the environment, else that in the token's permissions where they name one alone.
    #[must_use]
    pub fn workspace_id(mut self, id: impl Into<String>) -> Self {
        self.workspace = Some(from_code("workspace_id", id.into()));
        self
    }

    /// The id of the Deployment, for which Astro resolves links and overrides. Default:
    /// `ASTRO_DEPLOYMENT_ID` of the environment, else that in the token's permissions.
    #[must_use]
    pub fn deployment_id(mut self, id: impl Into<String>) -> Self {
        self.deployment = Some(from_code("deployment_id", id.into()));
        self
    }

    /// Lists the Workspace's objects with their links and overrides, and the Deployment's own, and finds out
    /// here what the Deployment sees: twice as many requests, and the report names the overridden fields,
    /// which Astro's own answer may not. Needs a Workspace and a Deployment. Default: no.
    #[must_use]
    pub fn resolve_links_here(mut self, resolves_here: bool) -> Self {
        self.resolves_here = resolves_here;
        self
    }

    /// For how long a listing counts. A token may ask 25 times a second. Default: 60 s.
    #[must_use]
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// Reads from `environment` what is not set here: `ASTRO_API_TOKEN`, `ASTRO_DOMAIN`,
    /// `ASTRONOMER_KEY_ID` and `ASTRONOMER_KEY_SECRET`, which are the Astro CLI's names;
    /// `ASTRO_ORGANIZATION_ID`, `ASTRO_WORKSPACE_ID` and `ASTRO_DEPLOYMENT_ID`; the proxies (`https_proxy`,
    /// `all_proxy`, `no_proxy`) and the authorities to trust (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`,
    /// `SSL_CERT_FILE`, `SSL_CERT_DIR`). Default: an empty environment.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// Limits, TLS and proxy.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// How often a request is repeated.
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// Tells the time by `now` in place of the system's clock; for tests.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// The backend. It connects to nothing.
    ///
    /// # Errors
    /// When there is no token or none of Astro's, the domain is not one, an id is not one, a proxy cannot be
    /// used, or nothing names the Organization and a Workspace or Deployment.
    pub fn build(self) -> Result<AstroBackend, ConfigurationError> {
        if let Some(proxy) = &self.http.proxies {
            proxies::check_all(proxy)?;
        }
        let domain = match self.given(self.domain.as_ref(), DOMAIN) {
            Some(given) => Domain::parse(&given)?,
            None => Domain::parse(&from_code("domain", domain::DEFAULT.to_owned()))?,
        };
        let wire = Arc::new(Wire::new(
            self.environment.clone(),
            self.http.clone(),
            self.retries.clone(),
            domain.is_local(),
        ));
        let (credential, [organization, workspace, deployment]) =
            self.credential(&domain, &wire)?;
        let organization = self.id(self.organization.as_ref(), ORGANIZATION, organization)?;
        let workspace = self.id(self.workspace.as_ref(), WORKSPACE, workspace)?;
        let deployment = self.id(self.deployment.as_ref(), DEPLOYMENT, deployment)?;
        let missing = |name: &str, what: &str| {
            ConfigurationError::new(name, "the environment", format!("is not set: {what}"))
        };
        let Some(organization) = organization else {
            return Err(missing(
                ORGANIZATION,
                "the token names no Organization, or several, so set its id",
            ));
        };
        let view = match (workspace, deployment) {
            (Some(workspace), Some(deployment)) if self.resolves_here => View::WorkspaceFor {
                workspace,
                deployment,
            },
            _ if self.resolves_here => {
                let what =
                    "to resolve links here, set the ids of both the Workspace and the Deployment";
                return Err(missing(DEPLOYMENT, what));
            }
            (_, Some(deployment)) => View::Deployment(deployment),
            (Some(workspace), None) => View::Workspace(workspace),
            (None, None) => {
                let what =
                    "set the id of the Deployment, or that of a Workspace in ASTRO_WORKSPACE_ID";
                return Err(missing(DEPLOYMENT, what));
            }
        };
        let url = format!(
            "{}/v1/organizations/{organization}/environment-objects",
            domain.api()
        );
        let client = Arc::new(Client::new(wire, credential, url, view));
        let listing = |kind| {
            Keeper::new(Listing {
                client: Arc::clone(&client),
                kind,
                clock: self.clock.clone(),
                interval: self.refresh_interval,
                has_warned: AtomicBool::new(false),
            })
        };
        Ok(AstroBackend(Arc::new(Shared {
            connections: listing(Kind::Connection),
            variables: listing(Kind::AirflowVariable),
            environment: listing(Kind::EnvironmentVariable),
            client: Arc::clone(&client),
            clock: self.clock.clone(),
        })))
    }

    /// What code gave, else the variable `name` of the environment, if it is not empty.
    fn given(&self, given: Option<&Setting<String>>, name: &str) -> Option<Setting<String>> {
        let of_environment = || {
            let value = self.environment.non_empty(name)?;
            Some(Setting::new(name, "the environment", value.to_owned()))
        };
        given.cloned().or_else(of_environment)
    }

    /// The same for an id, else that of the token.
    fn id(
        &self,
        given: Option<&Setting<String>>,
        name: &str,
        of_token: Option<String>,
    ) -> Result<Option<String>, ConfigurationError> {
        let of_token = of_token.map(|id| Setting::new(name, "the permissions of the token", id));
        let Some(given) = self.given(given, name).or(of_token) else {
            return Ok(None);
        };
        let id = given.value.trim();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 64 || !id.chars().all(is_plain) {
            return Err(
                given.error("is not an id: copy the one in the address of Astro's user interface")
            );
        }
        Ok(Some(id.to_owned()))
    }

    /// The credential, and the Organization, Workspace and Deployment that it names.
    fn credential(
        &self,
        domain: &Domain,
        wire: &Arc<Wire>,
    ) -> Result<(Credential, [Option<String>; 3]), ConfigurationError> {
        let of_environment = |name: &str| {
            let value = self.environment.non_empty(name)?;
            Some(Setting::new(name, "the environment", Secret::from(value)))
        };
        let key_of_environment = || {
            let id = self.given(None, KEY_ID)?;
            Some((id, of_environment(KEY_SECRET)?.value))
        };
        let of_code = self.api_token.clone();
        let token = of_code.or_else(|| match self.key {
            Some(_) => None,
            None => of_environment(API_TOKEN),
        });
        if let Some(token) = token {
            let token = ApiToken::parse(&token)?;
            let ids = [
                token.organization.clone(),
                token.workspace.clone(),
                token.deployment.clone(),
            ];
            return Ok((Credential::ApiToken(token), ids));
        }
        let Some((id, secret)) = self.key.clone().or_else(key_of_environment) else {
            return Err(ConfigurationError::new(
                API_TOKEN,
                "the environment",
                "is not set: make an API token of the Deployment, Workspace or Organization, and set it",
            ));
        };
        let keeper = Keeper::new(Key {
            id: id.value,
            secret,
            domain: domain.clone(),
            wire: Arc::clone(wire),
        });
        Ok((Credential::Key(keeper), [None, None, None]))
    }
}
