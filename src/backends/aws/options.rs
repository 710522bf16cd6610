//! The options of a session.

use std::time::Duration;

use super::{client::http::Wire, credential::AwsCredential};
use crate::{
    Environment, Secret,
    backends::{
        http_options::HttpOptions,
        proxies::{Proxies, Rules},
        retry::RetryOptions,
        tls::Tls,
    },
    config::Setting,
};

/// The options of a session.
#[derive(Debug, Clone)]
pub(super) struct SessionOptions {
    pub(super) environment: Environment,
    pub(super) region_name: Option<Setting<String>>,
    /// Where neither settings, environment nor profile name one.
    pub(super) default_region: Option<Setting<String>>,
    pub(super) profile_name: Option<Setting<String>>,
    pub(super) credential: AwsCredential,
    pub(super) endpoint_url: Option<Setting<Secret>>,
    pub(super) sts_endpoint_url: Option<Setting<Secret>>,
    pub(super) sts_region: Option<String>,
    /// TLS to the service. Without roots, environment and profile name them.
    pub(super) tls: Tls,
    /// TLS to an `https` proxy. Without roots, those of the service are used.
    pub(super) proxy_tls: Tls,
    pub(super) wire: Wire,
    pub(super) timeout: Duration,
    pub(super) retries: RetryOptions,
    pub(super) retry_mode: Option<RetryMode>,
    pub(super) use_fips: Option<bool>,
    pub(super) use_dual_stack: Option<bool>,
    pub(super) ignore_configured_endpoint_urls: bool,
    /// Replaces the network in tests.
    #[cfg(test)]
    pub(super) recorder: Option<aws_smithy_runtime_api::client::http::SharedHttpClient>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            region_name: None,
            default_region: None,
            profile_name: None,
            credential: AwsCredential::default_chain(),
            endpoint_url: None,
            sts_endpoint_url: None,
            sts_region: None,
            tls: Tls::default(),
            proxy_tls: Tls::default(),
            wire: Wire {
                connect_timeout: Duration::ZERO,
                read_timeout: Duration::from_secs(25),
                proxies: Proxies::none(),
                max_requests: 0,
                without_tls: false,
            },
            timeout: Duration::ZERO,
            retries: RetryOptions::default(),
            retry_mode: None,
            use_fips: None,
            use_dual_stack: None,
            ignore_configured_endpoint_urls: false,
            #[cfg(test)]
            recorder: None,
        }
    }
}

impl SessionOptions {
    /// The same with limits, TLS and proxy as `http` says, else the environment, and so many requests
    /// at once.
    pub(super) fn with_http(self, http: HttpOptions, max_requests: usize) -> Self {
        Self {
            timeout: http.timeout(),
            wire: Wire {
                connect_timeout: http.connect_timeout(),
                max_requests,
                proxies: Proxies::new(Rules::Botocore, http.proxies, &self.environment),
                ..self.wire
            },
            tls: Tls {
                roots: http.roots,
                client_certificate: http.client_certificate,
            },
            ..self
        }
    }
}

/// How calls are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryMode {
    /// After pauses that grow.
    Standard,
    /// As [`Standard`](Self::Standard); a client that is throttled also sends fewer requests.
    Adaptive,
}
