//! The Vault backend against a real OpenBao: `scripts/install-tools` fetches it.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../../support"]
mod support {
    pub(crate) mod authority;
    pub(crate) mod hostile;
    #[allow(dead_code)] // Other tests need more of it.
    pub(crate) mod https;
    pub(crate) mod log;
    pub(crate) mod login_servers;
    pub(crate) mod observed;
    pub(crate) mod odd_certificates;
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
    #[allow(dead_code)] // Of other backends, settings may be refused.
    pub(crate) mod side_by_side;
    pub(crate) mod slow;
    pub(crate) mod wire;
}

mod approle_files;
mod checks;
mod conforms;
mod directory_logins;
mod faults;
mod hostile_answers;
mod ids;
mod logins;
mod machine_trust;
mod memory;
mod reads;
mod requests;
mod rotation;
mod secrets_stay_secret;
mod side_by_side;
mod tls;
mod token_life;
mod trusted_authorities;
mod waits;

use airflow_secrets::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::vault::{VaultBackend, VaultBuilder, VaultCredential},
};

/// A builder for a server, with its engine mounted at `airflow`.
fn vault(url: &str, login: VaultCredential) -> VaultBuilder {
    VaultBackend::builder()
        .url(url)
        .mount_point("airflow")
        .credential(login)
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(vault: &VaultBackend, key: &str) -> Result<String, String> {
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

fn kind(looked_up: Result<Lookup<Secret>, Failure>) -> FailureKind {
    looked_up.expect_err("a failure").kind()
}
