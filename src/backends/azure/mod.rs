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
//!   jitter, on 408, 429, 500, 502 to 504 and connection errors; a `Retry-After` is waited for. The
//!   first lookup goes without a token, for the vault's challenge to name the audience. Redirects are
//!   not followed.
//! * **Missing** is a secret for which Key Vault answers `SecretNotFound`: one that never existed, or
//!   was deleted. All else is a failure: a disabled secret (403) is not a missing one.

mod answer;
mod builder;
mod client;
pub(super) mod credential;
mod kwargs;
mod naming;

use async_trait::async_trait;

use self::{answer::Reading, client::Client, naming::Naming};
pub use self::{builder::AzureKeyVaultBuilder, credential::AzureCredential};
use crate::{
    ConfigurationError, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, SkipReason},
    backends::registry::BackendSetup,
    config::Warning,
};

/// Reads connections, variables and configuration entries from Azure Key Vault.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct AzureKeyVaultBackend {
    warnings: Vec<Warning>,
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
    /// When an argument is missing or invalid, or an `AZURE_…` variable is.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    /// Asks for each name in turn. The first secret ends the search, and so does the first failure.
    async fn find(
        &self,
        names: Result<Vec<String>, SkipReason>,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let names = match names {
            Ok(names) => names,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let mut reason = None;
        for name in &names {
            match self
                .client
                .get(name, options)
                .await
                .map_err(|f| f.at(name))?
            {
                Reading::Found(value) => return Ok(Lookup::found(value, name)),
                Reading::Missing(why) => reason = reason.or(why),
            }
        }
        Ok(Lookup::missing(names.join(", ")).because(reason))
    }
}

#[async_trait]
impl SecretsBackend for AzureKeyVaultBackend {
    fn name(&self) -> &'static str {
        "azure_key_vault"
    }

    fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.connections_prefix.as_deref();
        let names = self.naming.names(prefix, conn_id, options.team());
        self.find(
            names.map_err(|reason| reason.about("connections_prefix")),
            options,
        )
        .await
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.variables_prefix.as_deref();
        let names = self.naming.names(prefix, key, options.team());
        self.find(
            names.map_err(|reason| reason.about("variables_prefix")),
            options,
        )
        .await
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.config_prefix.as_deref();
        let names = self.naming.names(prefix, key, None);
        self.find(
            names.map_err(|reason| reason.about("config_prefix")),
            options,
        )
        .await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let prefix = (self.connections_prefix.as_deref())
            .or(self.variables_prefix.as_deref())
            .or(self.config_prefix.as_deref());
        let names = self.naming.names(prefix, CHECK_ID, None);
        let name = match names {
            Ok(only) => only.concat(),
            Err(reason) => return Ok(CheckOutcome::skipped(reason)),
        };
        match self.client.get_once(&name, options).await {
            Ok(_) => Ok(CheckOutcome::reachable(name)),
            Err(failure) => Err(failure.at(name)),
        }
    }
}
