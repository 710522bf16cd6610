//! `aws_iam`: a signed `sts:GetCallerIdentity`, which Vault sends to AWS to learn who signed it.
//! <https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method>

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{Method, VaultCredential, cloud::CloudLogin};
use crate::{
    Environment, Failure, Secret,
    backends::aws::{
        AwsCredential,
        caller_identity::{self, BODY, URL},
    },
};

/// The header by which a Vault server knows that a request was signed for it.
const SERVER_ID: &str = "x-vault-aws-iam-server-id";

/// A login with AWS credentials: Airflow's `auth_type` `aws_iam`. `Debug` shows no secret.
///
/// ```
/// use airflow_secrets::backends::{
///     aws::AwsCredential,
///     vault::{AwsIamLogin, VaultCredential},
/// };
///
/// let login = AwsIamLogin::new(AwsCredential::default_chain())
///     .role("airflow")
///     .server_id("vault.example.com");
/// let credential = VaultCredential::aws_iam(login);
/// ```
#[derive(Debug, Clone)]
pub struct AwsIamLogin {
    credential: AwsCredential,
    role: Option<String>,
    region: Option<String>,
    server_id: Option<String>,
}

impl AwsIamLogin {
    /// A login with these credentials. Those of the default chain, and of a role, are found in the
    /// [`environment`](crate::backends::vault::VaultBuilder::environment) of the builder.
    #[must_use]
    pub fn new(credential: AwsCredential) -> Self {
        Self {
            credential,
            role: None,
            region: None,
            server_id: None,
        }
    }

    /// The role in Vault: Airflow's `role_id`. Default: Vault takes the name of the AWS role or user.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// The AWS region that the request is signed for: Airflow's `region`. It must be that of the
    /// STS endpoint in Vault's configuration. Default: for an access key in code or settings
    /// `us-east-1`; else the region of the environment or the profile, else `us-east-1`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The value of the header `X-Vault-AWS-IAM-Server-ID`, where Vault's configuration asks for
    /// one (`iam_server_id_header_value`): a request that was signed for another server is of no use
    /// then. Default: no such header, as Airflow sends none.
    #[must_use]
    pub fn server_id(mut self, server_id: impl Into<String>) -> Self {
        self.server_id = Some(server_id.into());
        self
    }
}

impl VaultCredential {
    /// With AWS credentials. Airflow: `auth_type` `aws_iam`. Needs one of the features
    /// `aws-secrets-manager` and `aws-parameter-store`.
    #[must_use]
    pub fn aws_iam(login: AwsIamLogin) -> Self {
        Self::new(Method::Cloud(Arc::new(login)))
    }
}

#[async_trait]
impl CloudLogin for AwsIamLogin {
    fn default_mount(&self) -> &'static str {
        "aws"
    }

    fn what_to_check(&self) -> &'static str {
        "role_id, that the role binds this AWS principal, the region, and this machine's clock"
    }

    async fn body(&self, environment: &Environment) -> Result<Secret, Failure> {
        let server_id = self.server_id.as_deref().map(|id| (SERVER_ID, id));
        let headers = caller_identity::signed_headers(
            &self.credential,
            self.region.as_deref(),
            server_id,
            environment,
        )
        .await?;
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), [String::from_utf8_lossy(value.as_bytes())]));
        let headers = json!(headers.collect::<BTreeMap<_, _>>()).to_string();
        let body = json!({
            "role": self.role,
            "iam_http_request_method": "POST",
            "iam_request_url": BASE64_STANDARD.encode(URL),
            "iam_request_headers": BASE64_STANDARD.encode(headers),
            "iam_request_body": BASE64_STANDARD.encode(BODY),
        });
        Ok(body.to_string().into())
    }
}
