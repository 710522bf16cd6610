//! A role to assume, and how.

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
    pub(super) arn: String,
    pub(super) web_identity: Option<WebIdentityToken>,
    pub(super) session_name: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) external_id: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) policy_arns: Vec<String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive_tag_keys: Vec<String>,
    pub(super) serial_number: Option<String>,
    pub(super) token_code: Option<String>,
    pub(super) source_identity: Option<String>,
    pub(super) provided_contexts: Vec<(String, String)>,
    pub(super) provider_id: Option<String>,
}

/// Where the token comes from that says to STS who we are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WebIdentityToken {
    /// From this file, read anew each time.
    File(PathBuf),
    /// From Google: for the file that `GOOGLE_APPLICATION_CREDENTIALS` names (of a service account
    /// or of a user), else gcloud's, else from the metadata server of a machine of Google's.
    Google {
        /// Whom the token is for. A user's is for the client that the user logged in with.
        audience: Option<String>,
    },
}

impl AssumeRole {
    /// The role of this name, assumed with the credentials that there are.
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

    /// Assumes the role with a token, and without other credentials. Default: with credentials.
    #[must_use]
    pub fn web_identity(mut self, token: WebIdentityToken) -> Self {
        self.web_identity = Some(token);
        self
    }

    /// The name of the session. Default: Airflow's, such as
    /// `airflow_secretsmanagerbackend__connection`, and with a token botocore's.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }

    /// How long the credentials are for, in whole seconds. Default: STS's, an hour.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The external id that the role asks for. Default: none.
    #[must_use]
    pub fn external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }

    /// A policy, in JSON, that narrows what the session may do. Default: none.
    #[must_use]
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// A tag of the session; may be called for each. Default: none.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }
}

/// Shows what names things, and no token code.
impl fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRole")
            .field("arn", &self.arn)
            .field("web_identity", &self.web_identity)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}
