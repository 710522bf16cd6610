//! What a session is made from.

use std::time::Duration;

use aws_credential_types::Credentials;

use super::{
    assume_role::AssumeRole,
    http::Wire,
    tls::{ClientCertificate, ProxyTls, Trust},
};
use crate::{Environment, Secret, backends::given::Given};

/// What a session is made from.
#[derive(Debug, Clone)]
pub(super) struct SessionOptions {
    pub(super) environment: Environment,
    pub(super) region_name: Option<Given<String>>,
    pub(super) profile_name: Option<Given<String>>,
    pub(super) keys: Option<StaticKeys>,
    pub(super) endpoint_url: Option<Given<Secret>>,
    pub(super) role: Option<Given<AssumeRole>>,
    pub(super) sts_endpoint_url: Option<Given<Secret>>,
    pub(super) sts_region: Option<String>,
    /// Whom the service must be known to; `None` leaves it to environment and profile.
    pub(super) trust: Option<Trust>,
    pub(super) client_certificate: Option<Given<ClientCertificate>>,
    pub(super) proxy_tls: ProxyTls,
    pub(super) wire: Wire,
    pub(super) timeout: Duration,
    pub(super) max_attempts: Option<u32>,
    pub(super) retry_mode: Option<RetryMode>,
    pub(super) initial_backoff: Duration,
    pub(super) use_fips: Option<bool>,
    pub(super) use_dual_stack: Option<bool>,
    pub(super) ignore_configured_endpoint_urls: bool,
    /// Takes the place of the network.
    #[cfg(test)]
    pub(super) recorder: Option<aws_smithy_runtime_api::client::http::SharedHttpClient>,
}

/// How calls are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryMode {
    /// With growing pauses.
    Standard,
    /// The same, and a client that is throttled slows down.
    Adaptive,
}

/// An access key, its secret, and the token of a session.
#[derive(Debug, Clone)]
pub(super) struct StaticKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Option<Secret>,
}

impl StaticKeys {
    pub(super) fn credentials(&self, provider: &'static str) -> Credentials {
        let token = self.session_token.as_ref();
        Credentials::new(
            &self.access_key_id,
            self.secret_access_key.expose(),
            token.map(|token| token.expose().to_owned()),
            None,
            provider,
        )
    }
}
