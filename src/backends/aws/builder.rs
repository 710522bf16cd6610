//! Options from code, with Airflow's defaults.

use std::{
    collections::BTreeMap, marker::PhantomData, path::PathBuf, sync::atomic::AtomicBool,
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{
    AwsBackend, Service,
    assume_role::AssumeRole,
    http::Wire,
    names::{self, Names, Place},
    options::{RetryMode, SessionOptions, StaticKeys},
    pattern::LookupPattern,
    proxy::Proxies,
    tls::{ProxyTls, Trust},
    words::Words,
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::{given::Given, http_client, slots::slots},
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "AwsBackend::builder()";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Given<T> {
    Given::new(setting, FROM_CODE, value)
}

/// Makes an [`AwsBackend`] from code. What is not set is as in Airflow's class; the environment is
/// not read unless it is given.
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
    pub(super) connections: Kind,
    pub(super) variables: Kind,
    pub(super) config: Kind,
    pub(super) sep: String,
    pub(super) words: Words,
    pub(super) multi_team: bool,
    pub(super) session: SessionOptions,
    pub(super) proxies: Option<Given<BTreeMap<String, Secret>>>,
    pub(super) max_concurrent_requests: usize,
    service: PhantomData<fn() -> S>,
}

/// Where one kind of secret is.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) prefix: Option<String>,
    pub(super) pattern: Option<Given<String>>,
}

impl<S: Service> Default for AwsBuilder<S> {
    fn default() -> Self {
        let [connections, variables, config] = S::FACTS.prefixes.map(|prefix| Kind {
            prefix: Some(prefix.to_owned()),
            pattern: None,
        });
        let environment = Environment::default();
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
            session: SessionOptions {
                region_name: None,
                profile_name: None,
                keys: None,
                endpoint_url: None,
                role: None,
                sts_endpoint_url: None,
                sts_region: None,
                trust: None,
                client_certificate: None,
                proxy_tls: ProxyTls::default(),
                wire: Wire {
                    connect_timeout: Duration::from_secs(5),
                    read_timeout: Duration::from_secs(25),
                    proxies: Proxies::Environment(environment.clone()),
                    most_idle_connections: 0,
                    without_tls: false,
                },
                timeout: Duration::from_secs(30),
                max_attempts: None,
                retry_mode: None,
                initial_backoff: Duration::from_secs(1),
                use_fips: None,
                use_dual_stack: None,
                ignore_configured_endpoint_urls: false,
                #[cfg(test)]
                recorder: None,
                environment,
            },
            proxies: None,
            max_concurrent_requests: crate::MAX_CONCURRENT_LOOKUPS,
            service: PhantomData,
        }
    }
}

impl<S: Service> AwsBuilder<S> {
    /// What the names of connections begin with; `None`: they are not asked for. Default:
    /// `airflow/connections`, in the Parameter Store `/airflow/connections`.
    #[must_use]
    pub fn connections_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.connections.prefix = prefix.into().map(str::to_owned);
        self
    }

    /// The same for variables. Default: `airflow/variables`.
    #[must_use]
    pub fn variables_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.variables.prefix = prefix.into().map(str::to_owned);
        self
    }

    /// The same for configuration entries. Default: `airflow/config`.
    #[must_use]
    pub fn config_prefix<'p>(mut self, prefix: impl Into<Option<&'p str>>) -> Self {
        self.config.prefix = prefix.into().map(str::to_owned);
        self
    }

    /// What a connection's id must match to be asked for: a regular expression as Python's
    /// `re.match` reads it, in whatever case. Default: any.
    #[must_use]
    pub fn connections_lookup_pattern(mut self, pattern: impl Into<String>) -> Self {
        let pattern = from_code("connections_lookup_pattern", pattern.into());
        self.connections.pattern = Some(pattern);
        self
    }

    /// The same for variables. Default: any.
    #[must_use]
    pub fn variables_lookup_pattern(mut self, pattern: impl Into<String>) -> Self {
        let pattern = from_code("variables_lookup_pattern", pattern.into());
        self.variables.pattern = Some(pattern);
        self
    }

    /// The same for configuration entries. Default: any.
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

    /// Reads from `environment` what boto3 reads, as far as nothing else says it: region and
    /// profile, the profile files, credentials, endpoints, CA bundles, proxies, retries.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.session.environment = environment.clone();
        self
    }

    /// The region. Default: `AWS_DEFAULT_REGION`, the profile's, else `AWS_REGION`.
    #[must_use]
    pub fn region_name(mut self, region: impl Into<String>) -> Self {
        self.session.region_name = Some(from_code("region_name", region.into()));
        self
    }

    /// The profile. Default: `AWS_DEFAULT_PROFILE`, else `AWS_PROFILE`, else `default`.
    #[must_use]
    pub fn profile_name(mut self, profile: impl Into<String>) -> Self {
        self.session.profile_name = Some(from_code("profile_name", profile.into()));
        self
    }

    /// An access key and, for temporary ones, the session's token. Default: boto3's chain.
    #[must_use]
    pub fn credentials(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<Secret>,
        session_token: Option<Secret>,
    ) -> Self {
        self.session.keys = Some(StaticKeys {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token,
        });
        self
    }

    /// The address of the service. Default: the environment's or the profile's, else AWS's own.
    #[must_use]
    pub fn endpoint_url(mut self, url: impl Into<Secret>) -> Self {
        self.session.endpoint_url = Some(from_code("endpoint_url", url.into()));
        self
    }

    /// A role to assume. Default: none.
    #[must_use]
    pub fn assume_role(mut self, role: AssumeRole) -> Self {
        self.session.role = Some(from_code("role_arn", role));
        self
    }

    /// Trusts the authorities in this PEM file and no others, for the service: Airflow's `verify`
    /// with a path. Default: `AWS_CA_BUNDLE`, the profile's `ca_bundle`, `REQUESTS_CA_BUNDLE`, else
    /// those that Mozilla trusts.
    #[must_use]
    pub fn ca_bundle(mut self, path: impl Into<PathBuf>) -> Self {
        let path = from_code("verify", path.into());
        self.session.trust = Some(Trust::Bundle(path));
        self
    }

    /// Does not check the service's certificate: Airflow's `verify: false`. Whoever is in between
    /// can then read the secrets.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.session.trust = Some(Trust::Unchecked);
        self
    }

    /// The proxy for every request. Default: the environment's.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        let url = url.into();
        let proxies = ["http", "https"].map(|scheme| (scheme.to_owned(), url.clone()));
        self.proxies = Some(from_code("proxies", proxies.into()));
        self
    }

    /// How long a connection may take to come about. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.session.wire.connect_timeout = timeout;
        self
    }

    /// How long an answer may take, once there is a connection. Default: 25 s.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.session.wire.read_timeout = timeout;
        self
    }

    /// How long a call may take in all, with its retries, the wait for a free slot, and the
    /// credentials where there are none yet. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.session.timeout = timeout;
        self
    }

    /// How often a call is made at most. Default: `AWS_MAX_ATTEMPTS`, else the profile's, else 3.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.session.max_attempts = Some(attempts);
        self
    }

    /// How calls are repeated. Default: `AWS_RETRY_MODE`, else the profile's, else
    /// [`RetryMode::Adaptive`].
    #[must_use]
    pub fn retry_mode(mut self, mode: RetryMode) -> Self {
        self.session.retry_mode = Some(mode);
        self
    }

    /// What the first pause before a retry is at most; it doubles with each. Default: 1 s.
    #[must_use]
    pub fn initial_backoff(mut self, backoff: Duration) -> Self {
        self.session.initial_backoff = backoff;
        self
    }

    /// How many requests are under way at once; further ones wait. At least 1; default:
    /// [`MAX_CONCURRENT_LOOKUPS`](crate::MAX_CONCURRENT_LOOKUPS).
    #[must_use]
    pub fn max_concurrent_requests(mut self, requests: usize) -> Self {
        self.max_concurrent_requests = requests.max(1);
        self
    }

    /// The backend. It connects to nothing yet.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub fn build(self) -> Result<AwsBackend<S>, ConfigurationError> {
        let mut options = self.session;
        let wire = &mut options.wire;
        let requests = self.max_concurrent_requests;
        wire.connect_timeout = wire.connect_timeout.min(options.timeout);
        wire.most_idle_connections = requests;
        wire.proxies = match self.proxies {
            None => Proxies::Environment(options.environment.clone()),
            Some(given) => {
                for url in given.value.values() {
                    http_client::proxy(url.expose()).map_err(|why| given.error(why))?;
                }
                Proxies::Given(given.value)
            }
        };
        let place = |kind: Kind| -> Result<Place, ConfigurationError> {
            let pattern = kind.pattern.filter(|given| !given.value.is_empty());
            let pattern = pattern.map(|given| {
                LookupPattern::new(&given.value)
                    .map_err(|why| given.error(format!("this pattern does not compile: {why}")))
            });
            Ok(Place {
                prefix: kind.prefix.map(|prefix| names::trimmed(&prefix, &self.sep)),
                pattern: pattern.transpose()?,
            })
        };
        Ok(AwsBackend {
            names: Names {
                connections: place(self.connections)?,
                variables: place(self.variables)?,
                config: place(self.config)?,
                sep: self.sep.clone(),
                is_path: S::FACTS.is_path,
                multi_team: self.multi_team,
                words: self.words,
            },
            timeout: options.timeout,
            options,
            service: OnceCell::new(),
            slots: slots(requests),
            max_concurrent_requests: requests,
            batch_is_denied: AtomicBool::new(false),
        })
    }
}

#[cfg(feature = "aws-secrets-manager")]
impl AwsBuilder<super::SecretsManager> {
    /// What stands between a prefix and an id; its characters are cut from the end of a prefix.
    /// Default: `/`.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<String>) -> Self {
        self.sep = sep.into();
        self
    }

    /// Further words by which a JSON secret may call the field of a connection: `user` (or
    /// `login`), `password`, `host`, `port`, `schema`, `conn_type` or `extra`. Default: Airflow's
    /// words.
    ///
    /// # Errors
    /// When there is no such field.
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
