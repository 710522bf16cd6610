//! The role to assume.

use std::{fmt, path::PathBuf, time::Duration};

/// A role to assume with STS: Airflow's `role_arn`, `assume_role_method` and `assume_role_kwargs`.
///
/// ```
/// use airflow_secrets::backends::aws::AssumeRole;
///
/// let role = AssumeRole::new("arn:aws:iam::123456789012:role/airflow").external_id("abc");
/// ```
#[derive(Clone)]
pub struct AssumeRole {
    pub(crate) arn: String,
    pub(crate) web_identity: Option<WebIdentityToken>,
    pub(crate) session_name: Option<String>,
    pub(crate) duration: Option<Duration>,
    pub(crate) external_id: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tag_keys: Vec<String>,
    pub(crate) serial_number: Option<String>,
    pub(crate) token_code: Option<String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) provided_contexts: Vec<(String, String)>,
    pub(crate) provider_id: Option<String>,
}

/// The source of the web identity token that STS is asked with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WebIdentityToken {
    /// This file, which is read for each request to STS.
    File(PathBuf),
    /// Google: an ID token for the credential file that `GOOGLE_APPLICATION_CREDENTIALS` names (of a
    /// service account or of a user), else for gcloud's file, else from the metadata server of a
    /// Google Cloud machine.
    Google {
        /// The audience of the token. A user's token has no audience to choose: its audience is the
        /// client that the user logged in with.
        audience: Option<String>,
    },
}

impl AssumeRole {
    /// The role with this ARN, assumed with the credentials of the backend.
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            web_identity: None,
            session_name: None,
            duration: None,
            external_id: None,
            policy: None,
            policy_arns: Vec::new(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            serial_number: None,
            token_code: None,
            source_identity: None,
            provided_contexts: Vec::new(),
            provider_id: None,
        }
    }

    /// Assumes the role with a web identity token in place of credentials. Default: with credentials.
    #[must_use]
    pub fn web_identity(mut self, token: WebIdentityToken) -> Self {
        self.web_identity = Some(token);
        self
    }

    /// The name of the session. Default: that of Airflow, such as
    /// `airflow_secretsmanagerbackend__connection`; with a web identity token, that of botocore.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }

    /// The lifetime of the credentials, in whole seconds. Default: that of STS, an hour.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The external id that the role's trust policy requires. Default: none.
    #[must_use]
    pub fn external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }

    /// A policy, in JSON, that restricts the session. Default: none.
    #[must_use]
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// Adds a tag to the session. Default: no tags.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }
}

/// Shows names, and no token code.
impl fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRole")
            .field("arn", &self.arn)
            .field("web_identity", &self.web_identity)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}
