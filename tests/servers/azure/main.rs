//! The Azure Key Vault backend against a Key Vault and a token authority of our own, in
//! `tests/support/key_vault.rs` and `tests/support/token_authority.rs`.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::match_bool,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unnecessary_wraps,
    clippy::unwrap_used
)]

#[path = "../../support"]
mod support {
    pub(crate) mod example;
    pub(crate) mod hostile;
    pub(crate) mod https;
    pub(crate) mod key_vault;
    pub(crate) mod log;
    pub(crate) mod observed;
    pub(crate) mod odd_certificates;
    #[allow(dead_code)] // Servers of other tests start processes.
    pub(crate) mod process;
    pub(crate) mod side_by_side;
    pub(crate) mod token_authority;
}

mod checks;
mod conforms;
mod credentials;
mod example_run;
mod faults;
mod live;
mod reads;
mod refused_logins;
mod secrets_stay_secret;
mod settings;
mod side_by_side;
mod tls;

use airflow_secrets::{
    Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    backends::azure::{AzureKeyVaultBackend, AzureKeyVaultBuilder},
};
use support::key_vault::{Azure, VAULT};

/// A builder for the test vault in `environment`.
fn builder(environment: &Environment) -> AzureKeyVaultBuilder {
    AzureKeyVaultBackend::builder()
        .vault_url(VAULT)
        .environment(environment)
}

/// A backend that may read the test vault.
fn reader(azure: &Azure) -> AzureKeyVaultBackend {
    builder(&azure.environment(&Azure::principal()))
        .build()
        .unwrap()
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(vault: &AzureKeyVaultBackend, key: &str) -> Result<String, String> {
    outcome(vault.get_variable(key, &LookupOptions::new()).await)
}

fn outcome(looked_up: Result<Lookup<Secret>, Failure>) -> Result<String, String> {
    match looked_up {
        Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
        Ok(Lookup::Missing { reason, .. }) => {
            Err(format!("missing: {}", reason.unwrap_or_default()))
        }
        Ok(Lookup::Skipped { reason, .. }) => Err(format!("skipped: {reason}")),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(format!("{:?}: {failure}", failure.kind())),
    }
}
