//! Google Cloud Secret Manager: Airflow's
//! `airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend`.
//!
//! [`CloudSecretManagerBackend`] reads the latest version of secrets that are named
//! `<prefix><sep><id>`, and in a multi-team deployment `<prefix><sep><team>--<id>` before it.
//!
//! * **Credentials**: see [`GcpCredentials`]. However many lookups start at once, there is one
//!   token; it is renewed before it ends. A failed login is not repeated for a while (1 s to 60 s).
//!   The account may impersonate another, over others.
//! * **Absent**, as in Airflow, is also what may not be read, and what no secret can be called;
//!   the report has the reason, and a permission that is denied is logged once for each name.
//! * **The wire**: a lookup is one `GET` over a kept connection (two where a team has no secret of
//!   its own), repeated at most 3 times on 429, 5xx and connection errors. A payload's checksum is
//!   verified where there is one.
//! * **Emulators**: with `SECRET_MANAGER_EMULATOR_HOST` (`host:port`) in the environment, requests
//!   go there over plain HTTP and carry no token.
//!
//! Google's library reads a few variables of the process itself, whatever environment is given:
//! `SSL_CERT_FILE`, `SSL_CERT_DIR`, the proxies (`https_proxy`, `no_proxy` …), what an
//! `external_account` on AWS needs (`AWS_…`), `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES`, and
//! `GCE_METADATA_HOST` and `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, where they win.

mod answer;
mod builder;
mod client;
mod credential;
mod kwargs;
mod metadata;
mod naming;
mod project;

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use self::{
    answer::{Missing, Reading},
    client::Client,
    naming::Naming,
};
pub use self::{builder::CloudSecretManagerBuilder, credential::GcpCredentials};
use crate::{
    BackendSetup, ConfigurationError, Failure, Lookup, Secret, SecretsBackend, SkipReason,
};

/// For how many names it is remembered that they were logged as denied.
const MOST_REMEMBERED: usize = 10_000;

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
    /// The names that were logged as denied.
    denied: Mutex<HashSet<String>>,
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
    ) -> Result<Lookup<Secret>, Failure> {
        let names = match names {
            Ok(names) => names,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        self.find(&names)
            .await
            .map_err(|failure| match failure.native_key() {
                Some(_) => failure,
                None => failure.at(names.join(", ")),
            })
    }

    /// Asks for each name in turn; the first that is there ends it, and so does the first failure.
    async fn find(&self, names: &[String]) -> Result<Lookup<Secret>, Failure> {
        let deadline = self.client.deadline();
        let live = self.client.live(deadline).await?;
        let mut reason = None;
        for name in names {
            let native_key = live.native_key(name);
            match self.client.access(&live, &native_key, deadline).await {
                Ok(Reading::Found(value)) => return Ok(Lookup::found(value, native_key)),
                Ok(Reading::Missing(missing)) => {
                    self.log_denial(name, missing);
                    reason = reason.or(missing.reason());
                }
                Err(failure) => return Err(failure.at(native_key)),
            }
        }
        let native_keys = names.iter().map(|name| live.native_key(name));
        Ok(Lookup::Missing {
            native_key: native_keys.collect::<Vec<_>>().join(", "),
            reason: reason.map(str::to_owned),
        })
    }

    /// Says once for each name that it may not be read.
    fn log_denial(&self, name: &str, missing: Missing) {
        if !matches!(missing, Missing::Denied | Missing::ServiceDisabled) {
            return;
        }
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        if denied.len() < MOST_REMEMBERED && denied.insert(name.to_owned()) {
            let reason = missing.reason().unwrap_or_default();
            tracing::warn!(secret = name, "Secret Manager: {reason}");
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
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.connections_prefix.as_deref();
        self.value(self.naming.names(prefix, conn_id, team)).await
    }

    async fn get_variable(&self, key: &str, team: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.variables_prefix.as_deref();
        self.value(self.naming.names(prefix, key, team)).await
    }

    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        let prefix = self.config_prefix.as_deref();
        self.value(self.naming.config_names(prefix, key)).await
    }
}
