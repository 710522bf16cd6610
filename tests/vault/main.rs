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

#[path = "../support"]
mod support {
    pub(crate) mod authority;
    pub(crate) mod log;
    pub(crate) mod login_servers;
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
    #[allow(dead_code)] // Of other backends, settings may be refused.
    pub(crate) mod side_by_side;
    pub(crate) mod wire;
}

mod directory_logins;
mod faults;
mod ids;
mod logins;
mod reads;
mod requests;
mod secrets_stay_secret;
mod side_by_side;
mod tls;
mod token_life;

use airflow_secrets::{
    Failure, FailureKind, Lookup, Secret, SecretsBackend,
    backends::vault::{Login, VaultBackend, VaultBuilder},
};

/// A builder for a server, with its engine mounted at `airflow`.
fn vault(url: &str, login: Login) -> VaultBuilder {
    VaultBackend::builder()
        .url(url)
        .mount_point("airflow")
        .login(login)
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(vault: &VaultBackend, key: &str) -> Result<String, String> {
    outcome(vault.get_variable(key, None).await)
}

fn outcome(looked_up: Result<Lookup<Secret>, Failure>) -> Result<String, String> {
    match looked_up {
        Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
        Ok(Lookup::Missing { reason, .. }) => {
            Err(format!("missing: {}", reason.unwrap_or_default()))
        }
        Ok(Lookup::Skipped { reason }) => Err(format!("skipped: {reason}")),
        Err(failure) => Err(format!("{:?}: {failure}", failure.kind())),
    }
}

fn kind(looked_up: Result<Lookup<Secret>, Failure>) -> FailureKind {
    looked_up.expect_err("a failure").kind()
}
