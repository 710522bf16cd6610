//! `gcp`: a JWT that a service account signs; Vault checks its signature with the account's public
//! keys. <https://developer.hashicorp.com/vault/docs/auth/gcp#iam-login>

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{Method, VaultCredential, cloud::CloudLogin};
use crate::{
    Environment, Failure, Secret,
    backends::gcp::{GcpCredential, credential::proof::signed_jwt},
    config::Setting,
};

/// A login as a service account of Google's.
#[derive(Debug)]
pub(crate) struct GcpLogin {
    pub(crate) role: String,
    pub(crate) credential: Setting<GcpCredential>,
    /// Of the token that IAM is asked with; empty for Google's default.
    pub(crate) scopes: Vec<String>,
}

impl VaultCredential {
    /// As a service account of Google's, in a role of Vault of type `iam`. Airflow: `auth_type`
    /// `gcp`. A key of the account signs here, and nobody is asked; with a machine's account, or a
    /// file that impersonates one, Google's IAM is asked to sign. Default credentials are found in the
    /// [`environment`](crate::backends::vault::VaultBuilder::environment) of the builder. Needs the
    /// feature `gcp`.
    ///
    /// ```
    /// use airflow_secrets::backends::{gcp::GcpCredential, vault::VaultCredential};
    ///
    /// let credential = VaultCredential::gcp("airflow", GcpCredential::key_path("/run/key.json"));
    /// ```
    #[must_use]
    pub fn gcp(role: impl Into<String>, credential: GcpCredential) -> Self {
        Self::gcp_of(GcpLogin {
            role: role.into(),
            credential: Setting::new("credential", "VaultCredential::gcp()", credential),
            scopes: Vec::new(),
        })
    }

    pub(crate) fn gcp_of(login: GcpLogin) -> Self {
        Self::new(Method::Cloud(Arc::new(login)))
    }
}

#[async_trait]
impl CloudLogin for GcpLogin {
    fn default_mount(&self) -> &'static str {
        "gcp"
    }

    fn what_to_check(&self) -> &'static str {
        "role_id, that the role is of type iam and binds this service account, and this machine's \
         clock"
    }

    async fn body(&self, environment: &Environment) -> Result<Secret, Failure> {
        let audience = format!("vault/{}", self.role);
        let jwt = signed_jwt(&self.credential, &self.scopes, &audience, environment).await?;
        Ok(json!({"role": self.role, "jwt": jwt.expose()})
            .to_string()
            .into())
    }
}
