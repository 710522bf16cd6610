//! From checked settings to the credentials of Google's library.

use std::time::Duration;

use google_cloud_auth::{
    credentials::{
        Credentials, anonymous, external_account, impersonated, mds,
        service_account::{self, AccessSpecifier},
        user_account,
    },
    errors::CredentialsError,
};
use google_cloud_gax::{
    exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder},
    retry_policy::{Aip194Strict, RetryPolicyExt as _},
    retry_throttler::CircuitBreaker,
};
use serde_json::{Value, json};

use super::file::{CredentialFile, FileType, Role};
use crate::backends::gcp::metadata::MetadataServer;

/// Who we are, with all that it takes to become it.
#[derive(Debug, Clone)]
pub(in crate::backends::gcp) struct Identity {
    pub(in crate::backends::gcp) source: Source,
    /// `None` is for Google's default.
    pub(in crate::backends::gcp) scopes: Option<Vec<String>>,
    pub(in crate::backends::gcp) impersonation: Option<Impersonation>,
    /// `GOOGLE_CLOUD_QUOTA_PROJECT`.
    pub(in crate::backends::gcp) quota_project: Option<String>,
    pub(in crate::backends::gcp) max_retries: u32,
}

/// Where the first token comes from.
#[derive(Debug, Clone)]
pub(in crate::backends::gcp) enum Source {
    Anonymous,
    MetadataServer(MetadataServer),
    File(Box<CredentialFile>),
}

/// Whom to become, and who vouches for whom on the way there.
#[derive(Debug, Clone)]
pub(in crate::backends::gcp) struct Impersonation {
    pub(in crate::backends::gcp) principal: String,
    pub(in crate::backends::gcp) delegates: Vec<String>,
    /// Where tokens are asked for; `None` is for Google's own.
    pub(in crate::backends::gcp) endpoint: Option<String>,
}

/// Sets what all builders of Google's library have in common but that of a service account's key,
/// which asks nobody for its token.
macro_rules! configured {
    ($builder:expr, $identity:expr, $scopes:expr, $quota_project:expr) => {{
        let builder = $builder
            .with_retry_policy(
                Aip194Strict.with_attempt_limit($identity.max_retries.saturating_add(1)),
            )
            // Lets every retry through: the limit above is all there is.
            .with_retry_throttler(CircuitBreaker::clamp(1, 0, 0))
            .with_backoff_policy(pauses());
        let builder = match $scopes {
            Some(scopes) => builder.with_scopes(scopes),
            None => builder,
        };
        match $quota_project {
            Some(project) => builder.with_quota_project_id(project),
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
    pub(in crate::backends::gcp) fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match &self.impersonation {
            Some(impersonation) => self.impersonated(impersonation),
            None => self.source_credentials(self.scopes.clone()),
        }
    }

    /// The universe that a file says it belongs to.
    pub(in crate::backends::gcp) fn universe_domain(&self) -> Option<&str> {
        match &self.source {
            Source::File(file) => file.universe_domain.as_deref(),
            Source::Anonymous | Source::MetadataServer(_) => None,
        }
    }

    /// What to say where Google's library does not take what is configured.
    pub(in crate::backends::gcp) fn unusable(&self) -> String {
        let given_by = match &self.source {
            Source::File(file) => &file.given_by,
            Source::Anonymous | Source::MetadataServer(_) => "default credentials",
        };
        format!(
            "the credentials of {given_by} cannot be used: a field is missing, or not of the type \
             that it must be"
        )
    }

    fn source_credentials(
        &self,
        scopes: Option<Vec<String>>,
    ) -> Result<Credentials, CredentialsError> {
        let file = match &self.source {
            Source::Anonymous => return Ok(anonymous::Builder::new().build()),
            Source::MetadataServer(server) => {
                let builder = mds::Builder::default().with_endpoint(server.url());
                let builder = configured!(builder, self, scopes, self.quota_project.as_ref());
                return builder.build().map_err(|_| refused());
            }
            Source::File(file) => file,
        };
        let document = file.document();
        // A key by itself pays from its own project, whatever the environment says.
        let of_environment = self.quota_project.as_ref();
        let of_environment = of_environment.filter(|_| file.role != Role::Key);
        let quota = of_environment.or(file.quota_project.as_ref());
        let built = match file.file_type {
            FileType::ServiceAccount => {
                let builder = service_account::Builder::new(document);
                let builder = match scopes.map(AccessSpecifier::from_scopes) {
                    Some(scopes) => builder.with_access_specifier(scopes),
                    None => builder,
                };
                match quota {
                    Some(project) => builder.with_quota_project_id(project),
                    None => builder,
                }
                .build()
            }
            FileType::AuthorizedUser => {
                // What the user agreed to cannot be changed by a default.
                let scopes = scopes.filter(|_| file.role == Role::Config);
                configured!(user_account::Builder::new(document), self, scopes, quota).build()
            }
            FileType::ExternalAccount => configured!(
                external_account::Builder::new(document),
                self,
                scopes,
                quota
            )
            .build(),
            FileType::ImpersonatedServiceAccount => {
                configured!(impersonated::Builder::new(document), self, scopes, quota).build()
            }
        };
        built.map_err(|_| refused())
    }

    fn impersonated(&self, to: &Impersonation) -> Result<Credentials, CredentialsError> {
        // Only with a file can the library be told another endpoint.
        let builder = if let (Source::File(file), Some(endpoint)) = (&self.source, &to.endpoint) {
            impersonated::Builder::new(to.document(endpoint, &file.document()))
        } else {
            impersonated::Builder::from_source_credentials(self.source_credentials(None)?)
                .with_target_principal(&to.principal)
        };
        let builder = if to.delegates.is_empty() {
            builder
        } else {
            builder.with_delegates(&to.delegates)
        };
        let scopes = self.scopes.clone();
        configured!(builder, self, scopes, None::<&String>)
            .build()
            .map_err(|_| refused())
    }
}

impl Impersonation {
    /// A file for it, asked for at `endpoint`, that starts with the file `source`.
    fn document(&self, endpoint: &str, source: &Value) -> Value {
        let principal = &self.principal;
        json!({
            "type": "impersonated_service_account",
            "service_account_impersonation_url":
                format!("{endpoint}/v1/projects/-/serviceAccounts/{principal}:generateAccessToken"),
            "source_credentials": source,
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
