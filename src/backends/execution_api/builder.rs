//! Options from code, with Airflow's defaults.

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::{
    ExecutionApiBackend,
    client::{Client, Trust, Wire},
    credential::{ExecutionApiCredential, Tokens},
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{http_options::HttpOptions, proxies, retry::RetryOptions},
    config::Setting,
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "ExecutionApiBackend::builder()";

/// Where Airflow's own API server is, when nothing says otherwise.
const DEFAULT_URL: &str = "http://localhost:8080/execution/";

/// The version of the API that is asked for. An older server answers by the newest that it knows.
const VERSION: &str = "2026-06-30";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
}

/// Makes an [`ExecutionApiBackend`]. What is not set is as in Airflow's client; the environment is not
/// read unless it is given. [`from_settings`](Self::from_settings) takes Airflow's settings.
///
/// ```
/// use airflow_secrets::backends::execution_api::{ExecutionApiBackend, ExecutionApiCredential};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// let execution_api = ExecutionApiBackend::builder()
///     .url("https://airflow.example.com/execution/")
///     .credential(ExecutionApiCredential::file("/run/airflow/token"))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ExecutionApiBuilder {
    /// May contain a password until it is checked.
    pub(super) url: Setting<Secret>,
    credential: Option<ExecutionApiCredential>,
    version: Setting<String>,
    keep_alive: bool,
    pub(super) trust: Trust,
    pub(super) environment: Environment,
    pub(super) attempt_timeout: Duration,
    pub(super) http: HttpOptions,
    pub(super) retries: RetryOptions,
}

impl Default for ExecutionApiBuilder {
    fn default() -> Self {
        Self {
            url: from_code("url", DEFAULT_URL.into()),
            credential: None,
            version: from_code("api_version", VERSION.to_owned()),
            keep_alive: false,
            trust: Trust::default(),
            environment: Environment::default(),
            attempt_timeout: Duration::from_secs(5),
            http: HttpOptions::default(),
            retries: RetryOptions::new()
                .with_max_retries(4)
                .with_first_pause(Duration::from_secs(1))
                .with_longest_pause(Duration::from_secs(90)),
        }
    }
}

impl ExecutionApiBuilder {
    /// The URL of the API, to which `connections/…` is added. Over `http://` anyone on the network can
    /// read the token and the secrets. Default: `http://localhost:8080/execution/`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = from_code("url", url.into().into());
        self
    }

    /// The token. There is no default.
    #[must_use]
    pub fn credential(mut self, credential: ExecutionApiCredential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// The version of the API that is asked for, as a date. Default: `2026-06-30`, that of Airflow 3.3.
    /// A server answers by the newest version that is no newer.
    #[must_use]
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.version.value = version.into();
        self
    }

    /// Whether the token is kept alive while no lookup is made. The server gives a new one with any answer
    /// in the last fifth of a token's life, and the last 30 s at least; a program that asks nothing then
    /// loses its token. With this, a task in the runtime of the first lookup asks for the API's health in
    /// the middle of that time; it ends with the backend. Default: no.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Reads from `environment` what Airflow's client reads: the proxies (`http_proxy`, `https_proxy`,
    /// `all_proxy`, `no_proxy`) and further authorities to trust (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// How long one request may take, to connect included: `[workers] execution_api_timeout`. Default:
    /// 5 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Limits, TLS and proxy. What is set there wins over what was set before; all options are offered.
    /// Authorities that are named there replace those of Airflow's settings.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// How requests are repeated: on 5xx and connection errors alone, as by Airflow's client. What is set
    /// there wins over what was set before. Default: 4 times, after pauses of 1 s to 90 s; the whole lookup
    /// takes at most [`HttpOptions::with_timeout`].
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// The backend. It connects, and reads the token's file, at the first lookup.
    ///
    /// # Errors
    /// When an option is invalid, or no token is given.
    pub fn build(self) -> Result<ExecutionApiBackend, ConfigurationError> {
        if let Some(proxy) = &self.http.proxies {
            proxies::check_all(proxy)?;
        }
        let url = checked_url(&self.url)?;
        let version = HeaderValue::from_str(&self.version.value);
        let version = version.map_err(|_| self.version.error("must be a date"))?;
        let Some(credential) = self.credential else {
            return Err(ConfigurationError::new(
                "credential",
                FROM_CODE,
                "no token is given, and Airflow has no setting for it: name its file or give it with \
                 `ExecutionApiBuilder::credential`",
            ));
        };
        let tokens = Tokens::new(&credential, self.http.timeout());
        let wire = Wire::new(
            self.environment,
            self.http,
            self.trust,
            self.retries,
            self.attempt_timeout,
        );
        let client = Client::new(url, version, tokens, wire, self.keep_alive);
        Ok(ExecutionApiBackend { client })
    }
}

/// The URL without slashes at its end.
fn checked_url(given: &Setting<Secret>) -> Result<String, ConfigurationError> {
    let url = Url::parse(given.value.expose()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match url {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(given.error(
            "must be a URL such as https://host/execution/, without user name, query or fragment",
        )),
    }
}
