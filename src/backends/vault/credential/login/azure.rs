//! `azure`: a token of Microsoft Entra ID, and the machine that it was given to.
//! <https://developer.hashicorp.com/vault/docs/auth/azure>

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde_json::json;

use super::{Method, VaultCredential, cloud::CloudLogin};
use crate::{
    Environment, Failure, Secret,
    backends::azure::{AzureCredential, credential::proof::proof},
};

/// A login with an Azure identity.
#[derive(Debug)]
struct AzureLogin {
    role: String,
    resource: String,
    credential: AzureCredential,
}

impl VaultCredential {
    /// With an Azure identity: a managed identity of a virtual machine or an app, a service
    /// principal, a workload identity. `role` is the role in Vault, `resource` the one that Vault's
    /// configuration names, such as `https://management.azure.com/`. The credentials of the default
    /// chain are found in the [`environment`](crate::backends::vault::VaultBuilder::environment) of
    /// the builder. Needs the feature `azure`.
    ///
    /// A virtual machine's own metadata service also tells its subscription, resource group, name
    /// and scale set, which are sent along: a role of Vault may be bound to them.
    ///
    /// Airflow has an `auth_type` `azure`, but only writes Vault's configuration with it and never
    /// logs in.
    ///
    /// ```
    /// use airflow_secrets::backends::{azure::AzureCredential, vault::VaultCredential};
    ///
    /// let credential = VaultCredential::azure(
    ///     "airflow",
    ///     "https://management.azure.com/",
    ///     AzureCredential::default_chain(),
    /// );
    /// ```
    #[must_use]
    pub fn azure(
        role: impl Into<String>,
        resource: impl Into<String>,
        credential: AzureCredential,
    ) -> Self {
        Self::new(Method::Cloud(Arc::new(AzureLogin {
            role: role.into(),
            resource: resource.into(),
            credential,
        })))
    }
}

#[async_trait]
impl CloudLogin for AzureLogin {
    fn default_mount(&self) -> &'static str {
        "azure"
    }

    fn what_to_check(&self) -> &'static str {
        "role_id, that the role binds this identity, and azure_resource"
    }

    async fn body(&self, environment: &Environment) -> Result<Secret, Failure> {
        let proof = proof(&self.credential, &self.resource, environment).await?;
        let machine = proof.machine.unwrap_or_default();
        let mut fields = vec![
            ("role", &*self.role),
            ("jwt", proof.token.expose()),
            ("subscription_id", &machine.subscription_id),
            ("resource_group_name", &machine.resource_group_name),
            ("vm_name", &machine.name),
            ("vmss_name", &machine.vm_scale_set_name),
        ];
        fields.retain(|(_, value)| !value.is_empty());
        let body = fields.into_iter().collect::<BTreeMap<_, _>>();
        Ok(json!(body).to_string().into())
    }
}
