//! Google Cloud Secret Manager: Airflow's
//! `airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend`.
//!
//! [`CloudSecretManagerBackend`] reads the latest version of secrets that are named
//! `<prefix><sep><id>`, and in a multi-team deployment `<prefix><sep><team>--<id>` before it.
//!
//! * **Credentials**: see [`GcpCredential`]. However many lookups start at once, there is one
//!   token; a new one is asked for shortly before it ends. A failed login is not repeated for a while
//!   (1 s to 60 s). The account may impersonate another, over others.
//! * **Missing** is a secret that does not exist or has no version. A secret that may not be read is a
//!   failure: Google answers the same for one that does not exist.
//! * **The wire**: a lookup is one `GET` over a kept connection (two where a team has no secret of
//!   its own), repeated at most 3 times on 429, 5xx and connection errors. A payload's checksum is
//!   verified where there is one. Redirects are not followed.
//! * **TLS**: Mozilla's authorities are trusted, and those of the machine; with `REQUESTS_CA_BUNDLE` or
//!   `CURL_CA_BUNDLE`, those in its place. `SSL_CERT_FILE` and `SSL_CERT_DIR` name further ones.
//! * **Emulators**: with `SECRET_MANAGER_EMULATOR_HOST` (`host:port`) in the environment, requests
//!   go there over plain HTTP and carry no token.

mod answer;
mod builder;
mod client;
pub(super) mod credential;
pub(super) mod kwargs;
mod naming;

use async_trait::async_trait;

use self::{answer::Reading, client::Client, naming::Naming};
pub use self::{builder::CloudSecretManagerBuilder, credential::GcpCredential};
use crate::{
    ConfigurationError, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, FailureKind, LookupOptions, SkipReason},
    backends::{registry::BackendSetup, runtime},
};

/// Reads connections, variables and configuration entries from Google Cloud Secret Manager.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct CloudSecretManagerBackend {
    connections_prefix: Option<String>,
    variables_prefix: Option<String>,
    config_prefix: Option<String>,
    naming: Naming,
    client: Client,
}

impl CloudSecretManagerBackend {
    /// A builder with Airflow's defaults.
    #[must_use]
    pub fn builder() -> CloudSecretManagerBuilder {
        CloudSecretManagerBuilder::default()
    }

    /// The backend that Airflow would make from the same keyword arguments and environment.
    ///
    /// # Errors
    /// When an argument is unknown or wrong, credentials are given that cannot be used, or nothing
    /// names a project, as Airflow's class raises.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    async fn value(
        &self,
        names: Result<Vec<String>, SkipReason>,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let names = match names {
            Ok(names) => names,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        self.find(&names, options)
            .await
            .map_err(|failure| match failure.native_key() {
                Some(_) => failure,
                None => failure.at(names.join(", ")),
            })
    }

    /// Asks for each name in turn. The first secret ends the search. So does the first failure, except
    /// that an account which may not read a team's own secret may still read the global one.
    async fn find(
        &self,
        names: &[String],
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let deadline = self.client.deadline(options);
        let parent = self.client.parent(deadline).await?;
        let native_keys = names.iter().map(|name| format!("{parent}{name}"));
        let native_keys = native_keys.collect::<Vec<_>>();
        let mut denied = None;
        for native_key in &native_keys {
            match self.client.access(native_key, deadline).await {
                Ok(Reading::Found(value)) => return Ok(Lookup::found(value, native_key)),
                Ok(Reading::Missing) => {}
                Err(failure) if failure.kind() == FailureKind::AccessDenied => {
                    denied = denied.or(Some(failure.at(native_key)));
                }
                Ok(Reading::TokenRefused(failure)) | Err(failure) => {
                    return Err(failure.at(native_key));
                }
            }
        }
        match denied {
            Some(failure) => Err(failure),
            None => Ok(Lookup::missing(native_keys.join(", ")).because(Some(answer::MISSING))),
        }
    }
}

#[async_trait]
impl SecretsBackend for CloudSecretManagerBackend {
    fn name(&self) -> &'static str {
        "gcp_secret_manager"
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.connections_prefix.as_deref();
        let names = self.naming.names(prefix, conn_id, options.team());
        self.value(
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
        self.value(
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
        let names = self.naming.config_names(prefix, key);
        self.value(
            names.map_err(|reason| reason.about("config_prefix")),
            options,
        )
        .await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let prefix = (self.connections_prefix.as_deref())
            .or(self.variables_prefix.as_deref())
            .or(self.config_prefix.as_deref());
        let names = self.naming.config_names(prefix, CHECK_ID);
        let name = match names {
            Ok(only) => only.concat(),
            Err(reason) => return Ok(CheckOutcome::skipped(reason)),
        };
        runtime::check().map_err(Failure::configuration)?;
        let deadline = self.client.deadline(options);
        let parent = self.client.parent(deadline).await;
        let native_key = format!("{}{name}", parent.map_err(|failure| failure.at(&*name))?);
        match self.client.access_once(&native_key, deadline).await {
            Ok(Reading::Found(_) | Reading::Missing) => Ok(CheckOutcome::reachable(native_key)),
            Ok(Reading::TokenRefused(failure)) | Err(failure) => Err(failure.at(native_key)),
        }
    }
}
