//! The Google Secret Manager backend against a real `drongo server`, and against local endpoints
//! that check what is sent: `scripts/install-tools` fetches drongo.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod drongo;
    pub(crate) mod example;
    pub(crate) mod google;
    pub(crate) mod google_services;
    pub(crate) mod hostile;
    pub(crate) mod https;
    pub(crate) mod log;
    pub(crate) mod odd_certificates;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod served;
    pub(crate) mod side_by_side;
    pub(crate) mod wire;
}

mod checks;
mod conformance;
mod conforms;
mod credentials;
mod example_run;
mod faults;
mod hostile_answers;
mod impersonation;
mod reads;
mod real_names;
mod secrets_stay_secret;
mod settings;
mod side_by_side;
mod tls;
mod token_life;

use airflow_secrets::{
    Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    backends::gcp::{CloudSecretManagerBackend, CloudSecretManagerBuilder, GcpCredential},
};

/// A builder for a server, whose secrets are in the project `p`, that asks without a token.
fn secret_manager(url: &str) -> CloudSecretManagerBuilder {
    CloudSecretManagerBackend::builder()
        .endpoint(url)
        .project_id("p")
        .credential(GcpCredential::anonymous())
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(backend: &CloudSecretManagerBackend, key: &str) -> Result<String, String> {
    outcome(backend.get_variable(key, &LookupOptions::new()).await)
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
