//! From checked settings to the credentials of Google's library.

use std::time::Duration;

use google_cloud_auth::{
    credentials::{
        Credentials, anonymous, external_account, impersonated, mds, service_account, user_account,
    },
    errors::CredentialsError,
};
use google_cloud_gax::{
    error::Error,
    exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder},
    retry_policy::RetryPolicy,
    retry_result::RetryResult,
    retry_state::RetryState,
    retry_throttler::RetryThrottler,
};
use serde_json::{Value, json};

use super::{
    super::metadata::MetadataServer,
    file::{CredentialFile, FileType, Role},
};

const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// Who we are, with all that it takes to become it.
#[derive(Debug, Clone)]
pub(in super::super) struct Identity {
    pub(in super::super) source: Source,
    /// `None` is for Google's default.
    pub(in super::super) scopes: Option<Vec<String>>,
    pub(in super::super) impersonation: Option<Impersonation>,
    /// `GOOGLE_CLOUD_QUOTA_PROJECT`.
    pub(in super::super) quota_project: Option<String>,
    pub(in super::super) max_retries: u32,
}

/// Where the first token comes from.
#[derive(Debug, Clone)]
pub(in super::super) enum Source {
    Anonymous,
    MetadataServer(MetadataServer),
    File(Box<CredentialFile>),
}

/// Whom to become, and who vouches for whom on the way there.
#[derive(Debug, Clone)]
pub(in super::super) struct Impersonation {
    pub(in super::super) principal: String,
    pub(in super::super) delegates: Vec<String>,
    /// Where tokens are asked for; `None` is for Google's own.
    pub(in super::super) endpoint: Option<String>,
}

/// Sets what all builders of Google's library have in common.
macro_rules! with_policies {
    ($builder:expr, $identity:expr, $scopes:expr) => {{
        let builder = $builder
            .with_retry_policy(TokenRetries($identity.max_retries))
            .with_retry_throttler(NoThrottle)
            .with_backoff_policy(pauses());
        match $scopes {
            Some(scopes) => builder.with_scopes(scopes),
            None => builder,
        }
    }};
}

impl Identity {
    /// New credentials, which ask for their token at once; this must be in a Tokio runtime.
    ///
    /// # Errors
    /// When Google's library does not take what is configured; its own words, which may hold a
    /// secret, are left out.
    pub(in super::super) fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match &self.impersonation {
            Some(impersonation) => self.impersonated(impersonation),
            None => self.source_credentials(self.scopes.clone()),
        }
    }

    /// The universe that a file says it belongs to.
    pub(in super::super) fn universe_domain(&self) -> Option<&str> {
        match &self.source {
            Source::File(file) => file.universe_domain.as_deref(),
            Source::Anonymous | Source::MetadataServer(_) => None,
        }
    }

    fn source_credentials(
        &self,
        scopes: Option<Vec<String>>,
    ) -> Result<Credentials, CredentialsError> {
        let file = match &self.source {
            Source::Anonymous => return Ok(anonymous::Builder::new().build()),
            Source::MetadataServer(server) => {
                let builder = mds::Builder::default().with_endpoint(server.url());
                let builder = with_policies!(builder, self, scopes);
                let quota = self.quota_project.iter();
                let builder = quota.fold(builder, mds::Builder::with_quota_project_id);
                return builder.build().map_err(|_| refused());
            }
            Source::File(file) => file,
        };
        let document = file.document();
        // A key by itself pays from its own project, whatever the environment says.
        let from_environment = self
            .quota_project
            .as_ref()
            .filter(|_| file.role != Role::Key);
        let quota = from_environment.or(file.quota_project.as_ref());
        let built = match file.file_type {
            FileType::ServiceAccount => {
                let builder = service_account::Builder::new(document);
                let builder = quota
                    .iter()
                    .fold(builder, |b, q| b.with_quota_project_id(*q));
                let scopes = scopes.map(service_account::AccessSpecifier::from_scopes);
                scopes
                    .into_iter()
                    .fold(builder, service_account::Builder::with_access_specifier)
                    .build()
            }
            FileType::AuthorizedUser => {
                // What the user agreed to cannot be changed by a default.
                let scopes = scopes.filter(|_| file.role == Role::Config);
                let builder = with_policies!(user_account::Builder::new(document), self, scopes);
                quota
                    .iter()
                    .fold(builder, |b, q| b.with_quota_project_id(*q))
                    .build()
            }
            FileType::ExternalAccount => {
                let builder = external_account::Builder::new(document);
                let builder = with_policies!(builder, self, scopes);
                quota
                    .iter()
                    .fold(builder, |b, q| b.with_quota_project_id(*q))
                    .build()
            }
            FileType::ImpersonatedServiceAccount => {
                let builder = with_policies!(impersonated::Builder::new(document), self, scopes);
                quota
                    .iter()
                    .fold(builder, |b, q| b.with_quota_project_id(*q))
                    .build()
            }
        };
        built.map_err(|_| refused())
    }

    fn impersonated(&self, to: &Impersonation) -> Result<Credentials, CredentialsError> {
        let builder = match &self.source {
            // Only so can the library be told another endpoint.
            Source::File(file) if file.file_type != FileType::ImpersonatedServiceAccount => {
                impersonated::Builder::new(self.impersonation_document(to, &file.document()))
            }
            _ => {
                let source = self.source_credentials(None)?;
                let builder = impersonated::Builder::from_source_credentials(source)
                    .with_target_principal(&to.principal);
                if to.delegates.is_empty() {
                    builder
                } else {
                    builder.with_delegates(&to.delegates)
                }
            }
        };
        with_policies!(builder, self, self.scopes.clone())
            .build()
            .map_err(|_| refused())
    }

    fn impersonation_document(&self, to: &Impersonation, source: &Value) -> Value {
        let universe = self.universe_domain().unwrap_or(DEFAULT_UNIVERSE);
        let endpoint = match &to.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://iamcredentials.{universe}"),
        };
        let principal = &to.principal;
        let delegates = Some(&to.delegates).filter(|delegates| !delegates.is_empty());
        json!({
            "type": "impersonated_service_account",
            "service_account_impersonation_url":
                format!("{endpoint}/v1/projects/-/serviceAccounts/{principal}:generateAccessToken"),
            "source_credentials": source,
            "delegates": delegates,
        })
    }
}

fn refused() -> CredentialsError {
    CredentialsError::from_msg(false, "a field is missing or is not of the type it must be")
}

fn pauses() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_delay(Duration::from_millis(100))
        .with_maximum_delay(Duration::from_secs(2))
        .clamp()
}

/// Repeats a request for a token while its trouble may pass.
#[derive(Debug, Clone)]
struct TokenRetries(u32);

impl RetryPolicy for TokenRetries {
    fn on_error(&self, state: &RetryState, error: Error) -> RetryResult {
        let source = std::error::Error::source(&error);
        let may_pass = source
            .and_then(|source| source.downcast_ref::<CredentialsError>())
            .is_some_and(CredentialsError::is_transient);
        if !may_pass {
            RetryResult::Permanent(error)
        } else if state.attempt_count > self.0 {
            RetryResult::Exhausted(error)
        } else {
            RetryResult::Continue(error)
        }
    }
}

/// Lets every retry through: how many there are is for the policy to say.
#[derive(Debug, Clone)]
pub(in super::super) struct NoThrottle;

impl RetryThrottler for NoThrottle {
    fn throttle_retry_attempt(&self) -> bool {
        false
    }

    fn on_retry_failure(&mut self, _: &RetryResult) {}

    fn on_success(&mut self) {}
}
