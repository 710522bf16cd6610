//! Azure Key Vault: Airflow's
//! `airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend`.
//!
//! [`AzureKeyVaultBackend`] reads the latest version of a secret: a connection's text, a variable
//! or a configuration entry is the secret's value.
//!
//! * **Names**: the prefix, `sep` and the id, with `sep` in place of every `_`: connection
//!   `my_pg` is the secret `airflow-connections-my-pg`. Two ids can be one name (`my_pg` and
//!   `my-pg`); the report's native key is the name that was asked for. A name that is not 1 to 127
//!   of `[0-9a-zA-Z-]` is skipped: no such secret can exist.
//! * **Credentials**: see [`AzureCredential`]. However many lookups start at once, one token is
//!   asked for; a refusal is not repeated for a while (1 s to 60 s).
//! * **The wire**: a lookup is one `GET` over a kept connection, repeated at most 3 times, with
//!   jitter, on 408, 429, 500, 502 to 504 and connection errors; a `Retry-After` is waited for. The first
//!   lookup goes without a token, for the vault's challenge to name the audience.
//! * **Absent** is what Key Vault answers 404 for, as in Airflow: never there, or deleted. All else
//!   is a failure: a disabled secret (403) is not an absent one.

mod answer;
mod builder;
mod client;
mod credential;
mod kwargs;
mod naming;
mod wire;

use async_trait::async_trait;

use self::{answer::Answer, client::Client, naming::Naming};
pub use self::{builder::AzureKeyVaultBuilder, credential::AzureCredential};
use crate::{
    BackendSetup, ConfigurationError, Failure, Lookup, Secret, SecretsBackend, SkipReason,
};

/// Reads connections, variables and configuration entries from Azure Key Vault.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct AzureKeyVaultBackend {
    naming: Naming,
    connections_prefix: Option<String>,
    variables_prefix: Option<String>,
    config_prefix: Option<String>,
    client: Client,
}

impl AzureKeyVaultBackend {
    /// A builder with Airflow's defaults; it needs a [`vault_url`](AzureKeyVaultBuilder::vault_url).
    #[must_use]
    pub fn builder() -> AzureKeyVaultBuilder {
        AzureKeyVaultBuilder::default()
    }

    /// The backend that Airflow would make from the same keyword arguments and environment.
    ///
    /// # Errors
    /// When an argument is missing or wrong, or `AZURE_…` variables say what cannot be.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    /// Looks under each name in turn; the first secret ends it, and so does the first failure.
    async fn find(
        &self,
        names: Result<Vec<String>, SkipReason>,
    ) -> Result<Lookup<Secret>, Failure> {
        let names = match names {
            Ok(names) => names,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let mut reason = None;
        for name in &names {
            match self.client.get(name).await.map_err(|f| f.at(name))? {
                Answer::Found(value) => return Ok(Lookup::found(value, name)),
                Answer::Missing(why) => reason = reason.or(why),
            }
        }
        Ok(Lookup::Missing {
            native_key: names.join(", "),
            reason: reason.map(str::to_owned),
        })
    }
}

#[async_trait]
impl SecretsBackend for AzureKeyVaultBackend {
    fn name(&self) -> &'static str {
        "azure_key_vault"
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.connections_prefix.as_deref();
        self.find(self.naming.names(prefix, conn_id, team)).await
    }

    async fn get_variable(&self, key: &str, team: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.variables_prefix.as_deref();
        self.find(self.naming.names(prefix, key, team)).await
    }

    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.config_prefix.as_deref();
        self.find(self.naming.names(prefix, key, None)).await
    }
}
