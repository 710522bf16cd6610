//! Astro's Environment Manager, against a platform of the tests' own that is written from Astro's public
//! description: it checks every parameter and header, and answers under Astro's real names.
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
    pub(crate) mod astro_platform;
    pub(crate) mod clock;
    pub(crate) mod example;
    pub(crate) mod https;
    pub(crate) mod log;
}

mod chain;
mod conforms;
mod credentials;
mod faults;
mod links;
mod odd_lists;
mod odd_objects;
mod on_this_machine;
mod reads;
mod refusals;
mod secrets_stay_secret;

use std::collections::BTreeMap;

use airflow_secrets::{
    Connection, Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    backends::{
        RetryOptions,
        astro::{AstroBackend, AstroBuilder},
    },
};

/// A builder that reads `variables`, and repeats nothing.
fn builder(variables: BTreeMap<String, String>) -> AstroBuilder {
    let environment = variables.into_iter().collect::<Environment>();
    let retries = RetryOptions::new().with_max_retries(0);
    AstroBackend::builder()
        .environment(&environment)
        .retries(retries)
}

/// A connection's URI, or what else happened.
async fn connection(backend: &impl SecretsBackend, conn_id: &str) -> Result<String, String> {
    let looked_up = backend.get_connection(conn_id, &LookupOptions::new()).await;
    outcome(looked_up, |connection: Connection| connection.get_uri())
}

/// A variable's text, or what else happened.
async fn variable(backend: &impl SecretsBackend, key: &str) -> Result<String, String> {
    outcome(
        backend.get_variable(key, &LookupOptions::new()).await,
        |value| value,
    )
}

fn outcome<T>(
    looked_up: Result<Lookup<T>, Failure>,
    text: impl Fn(T) -> Secret,
) -> Result<String, String> {
    match looked_up {
        Ok(Lookup::Found { value, .. }) => Ok(text(value).expose().to_owned()),
        Ok(Lookup::Missing { .. }) => Err("missing".to_owned()),
        Ok(Lookup::Skipped { reason, .. }) => Err(format!("skipped: {reason}")),
        Ok(_) => panic!("another answer"),
        Err(failure) => Err(format!("{:?}: {}", failure.kind(), failure.message())),
    }
}
