//! Options from code, with Airflow's defaults.

use std::{marker::PhantomData, sync::atomic::AtomicBool, time::Duration};

use tokio::sync::OnceCell;

use super::{
    AwsBackend, Service,
    answer::words::Words,
    credential::AwsCredential,
    naming::{Names, Prefix},
    options::{RetryMode, SessionOptions},
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{http_options::HttpOptions, proxies, retry::RetryOptions},
    config::{Setting, Warning},
    python::{re::Pattern, text::strip_end_of},
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "AwsBackend::builder()";

/// A setting that code gave.
fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
}

/// Makes an [`AwsBackend`] from code. Options that are not set have the defaults of Airflow's class.
/// The environment is read only if [`environment`](Self::environment) gives it.
///
/// ```
/// # #[cfg(feature = "aws-secrets-manager")]
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// use airflow_secrets::{Environment, backends::aws::SecretsManagerBackend};
///
/// let backend = SecretsManagerBackend::builder()
///     .environment(&Environment::process())
///     .connections_prefix("airflow/connections")
///     .region_name("eu-west-1")
///     .build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "aws-secrets-manager"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct AwsBuilder<S: Service> {
    pub(super) connections: PrefixOptions,
    pub(super) variables: PrefixOptions,
    pub(super) config: PrefixOptions,
    pub(super) sep: String,
    pub(super) words: Words,
    pub(super) multi_team: bool,
    pub(super) session: SessionOptions,
    pub(super) http: HttpOptions,
    pub(super) retries: RetryOptions,
    pub(super) warnings: Vec<Warning>,
    service: PhantomData<fn() -> S>,
}

/// The prefix and the lookup pattern of one kind of secret.
#[derive(Debug, Clone)]
pub(super) struct PrefixOptions {
    pub(super) prefix: Option<String>,
    pub(super) pattern: Option<Setting<String>>,
}

impl<S: Service> Default for AwsBuilder<S> {
    fn default() -> Self {
        let [connections, variables, config] = S::FACTS.prefixes.map(|prefix| PrefixOptions {
            prefix: Some(prefix.to_owned()),
            pattern: None,
        });
        Self {
            connections,
            variables,
            config,
            sep: "/".to_owned(),
            words: if S::FACTS.is_path {
                Words::default()
            } else {
                Words::airflow()
            },
            multi_team: false,
            session: SessionOptions::default(),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
            warnings: Vec::new(),
            service: PhantomData,
        }
    }
}

impl<S: Service> AwsBuilder<S> {
    /// The prefix of the names of connections. With `None` every connection is *skipped*. Default:
    /// `airflow/connections`, in the Parameter Store `/airflow/connections`.
    #[must_use]
    pub fn connections_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.connections.prefix = prefix.into().map(str::to_owned);
        self
    }

    /// The prefix of the names of variables. With `None` every variable is *skipped*. Default:
    /// `airflow/variables`, in the Parameter Store `/airflow/variables`.
    #[must_use]
    pub fn variables_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.variables.prefix = prefix.into().map(str::to_owned);
        self
    }

    /// The prefix of the names of configuration entries. With `None` every entry is *skipped*.
    /// Default: `airflow/config`, in the Parameter Store `/airflow/config`.
    #[must_use]
    pub fn config_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.config.prefix = prefix.into().map(str::to_owned);
        self
    }

    /// A connection is read only if its id matches this regular expression, in the syntax of
    /// Python's `re.match`, without regard to case. Others are *skipped*. Default: all are read.
    #[must_use]
    pub fn connections_lookup_pattern(mut self, pattern: impl Into<String>) -> Self {
        let pattern = from_code("connections_lookup_pattern", pattern.into());
        self.connections.pattern = Some(pattern);
        self
    }

    /// The lookup pattern for the keys of variables. Default: all are read.
    #[must_use]
    pub fn variables_lookup_pattern(mut self, pattern: impl Into<String>) -> Self {
        let pattern = from_code("variables_lookup_pattern", pattern.into());
        self.variables.pattern = Some(pattern);
        self
    }

    /// The lookup pattern for configuration entries. Default: all are read.
    #[must_use]
    pub fn config_lookup_pattern(mut self, pattern: impl Into<String>) -> Self {
        let pattern = from_code("config_lookup_pattern", pattern.into());
        self.config.pattern = Some(pattern);
        self
    }

    /// Whether this is a multi-team deployment: `[core] multi_team`. Default: no.
    #[must_use]
    pub fn multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }

    /// The environment to read boto3's variables from, for what no other option sets: region and
    /// profile, the paths of the profile files, credentials, endpoints, CA bundles, proxies,
    /// retries. Default: an empty environment.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.session.environment = environment.clone();
        self
    }

    /// The AWS region, such as `eu-west-1`. Default: `AWS_DEFAULT_REGION`, the profile's, else
    /// `AWS_REGION`. Without any, each lookup fails with a *configuration* failure.
    #[must_use]
    pub fn region_name(mut self, region: impl Into<String>) -> Self {
        self.session.region_name = Some(from_code("region_name", region.into()));
        self
    }

    /// The profile in AWS's two profile files. Default: `AWS_DEFAULT_PROFILE`, else `AWS_PROFILE`,
    /// else `default`.
    #[must_use]
    pub fn profile_name(mut self, profile: impl Into<String>) -> Self {
        self.session.profile_name = Some(from_code("profile_name", profile.into()));
        self
    }

    /// The credentials. Default: [`AwsCredential::default_chain`].
    #[must_use]
    pub fn credential(mut self, credential: AwsCredential) -> Self {
        self.session.credential = credential;
        self
    }

    /// The URL of the service. Default: that of the environment or the profile, else AWS's own for
    /// the region.
    #[must_use]
    pub fn endpoint_url(mut self, url: impl Into<Secret>) -> Self {
        self.session.endpoint_url = Some(from_code("endpoint_url", url.into()));
        self
    }

    /// Limits, TLS and proxy. Options set in `options` replace those set before. All options are
    /// supported. Authorities and client certificate are used for the service. Default of the
    /// authorities: `AWS_CA_BUNDLE`, else the profile's `ca_bundle`, else `REQUESTS_CA_BUNDLE`, else
    /// Mozilla's. Default of the concurrent requests: 64 for Secrets Manager, 16 for the Parameter
    /// Store.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// Retries after throttling, 5xx and connection errors. Options set in `options` replace those
    /// set before. Default of the number of retries: that of `AWS_MAX_ATTEMPTS`, else of the profile,
    /// else 2.
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// The limit for an answer once the connection is open: botocore's `read_timeout`. Default:
    /// 25 s.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.session.wire.read_timeout = timeout;
        self
    }

    /// Whether a throttled client slows down. Default: `AWS_RETRY_MODE`, else the profile's
    /// `retry_mode`, else [`RetryMode::Adaptive`].
    #[must_use]
    pub fn retry_mode(mut self, mode: RetryMode) -> Self {
        self.session.retry_mode = Some(mode);
        self
    }

    /// Makes the backend. It connects at the first lookup.
    ///
    /// # Errors
    /// When an option is invalid: a pattern that does not compile, a proxy that is not supported.
    pub fn build(self) -> Result<AwsBackend<S>, ConfigurationError> {
        if let Some(given) = &self.http.proxies {
            proxies::check_all(given)?;
        }
        let requests = self
            .http
            .max_concurrent_requests(S::FACTS.concurrent_requests);
        let mut options = self.session.with_http(self.http, requests);
        options.retries = self.retries;
        let prefix_of = |options: PrefixOptions| -> Result<Prefix, ConfigurationError> {
            let pattern = options.pattern.filter(|given| !given.value.is_empty());
            let pattern = pattern.map(|given| {
                Pattern::new(&given.value)
                    .map_err(|why| given.error(format!("this pattern does not compile: {why}")))
            });
            Ok(Prefix {
                prefix: options
                    .prefix
                    .map(|prefix| strip_end_of(&prefix, &self.sep).to_owned()),
                pattern: pattern.transpose()?,
            })
        };
        Ok(AwsBackend {
            warnings: self.warnings,
            names: Names {
                connections: prefix_of(self.connections)?,
                variables: prefix_of(self.variables)?,
                config: prefix_of(self.config)?,
                sep: self.sep.clone(),
                is_path: S::FACTS.is_path,
                multi_team: self.multi_team,
                words: self.words,
            },
            timeout: options.timeout,
            options,
            service: OnceCell::new(),
            max_concurrent_requests: requests,
            batch_is_denied: AtomicBool::new(false),
        })
    }
}

#[cfg(feature = "aws-secrets-manager")]
impl AwsBuilder<super::SecretsManager> {
    /// The text between a prefix and an id. Its characters are removed from the end of a prefix.
    /// Default: `/`.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<String>) -> Self {
        self.sep = sep.into();
        self
    }

    /// Further keys that a JSON secret may use for a field of a connection: `user` (or `login`),
    /// `password`, `host`, `port`, `schema`, `conn_type` or `extra`. Default: Airflow's keys alone.
    ///
    /// # Errors
    /// When `field` is none of these fields.
    pub fn extra_conn_words<W: Into<String>>(
        mut self,
        field: &str,
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, ConfigurationError> {
        let added = self.words.add(field, words.into_iter().map(Into::into));
        added.map_err(|why| ConfigurationError::new("extra_conn_words", FROM_CODE, why))?;
        Ok(self)
    }
}
