//! AWS Secrets Manager and the Parameter Store against a real `moto_server`, which
//! `scripts/install-tools` fetches.
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
    pub(crate) mod authority;
    pub(crate) mod example;
    pub(crate) mod google;
    pub(crate) mod hostile;
    pub(crate) mod https;
    pub(crate) mod log;
    pub(crate) mod moto;
    pub(crate) mod observed;
    pub(crate) mod odd_certificates;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod served;
    pub(crate) mod side_by_side;
    pub(crate) mod slow;
    pub(crate) mod wire;
}

mod bad_settings;
mod checks;
mod client_certificates;
mod conforms;
mod containers;
mod credential_process;
mod credentials;
mod denied_batches;
mod example;
mod faults;
mod google_federation;
mod hostile_answers;
mod huge_limits;
mod instance_metadata;
mod log;
mod many_ids;
mod plain_http;
mod profile_files;
mod profiles;
mod proxies;
mod reads;
mod secrets_stay_secret;
mod side_by_side;
mod single_sign_on;
mod sts_addresses;
mod tls;
mod trusted_authorities;
mod waits;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use airflow_secrets::{
    Environment, Error, Failure, Lookup, Resolver, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::aws::{SecretsManagerBackend, SystemsManagerParameterStoreBackend},
    settings::{BackendSetup, Warning},
};
use serde_json::Value;

const SECRETS_MANAGER: &str =
    "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend";
const PARAMETER_STORE: &str =
    "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend";

/// Credentials and a region, and no way to a machine's own.
const SETTINGS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIATEST"),
    ("AWS_SECRET_ACCESS_KEY", "environment-secret-marker"),
    ("AWS_DEFAULT_REGION", support::moto::REGION),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// [`SETTINGS`] and more, of which an empty one takes a setting away.
fn environment(more: &[(&str, &str)]) -> Environment {
    let variables = SETTINGS.iter().chain(more);
    let mut kept = HashMap::new();
    for (name, value) in variables {
        kept.insert(*name, *value);
    }
    kept.retain(|_, value| !value.is_empty());
    Environment::from_iter(kept)
}

/// What Airflow's settings make of these keyword arguments, and the warnings.
type Made = Result<(Arc<dyn SecretsBackend>, Vec<Warning>), Error>;

/// The backend of `class_path` with these keyword arguments, made as Airflow's settings make it.
async fn make(class_path: &str, kwargs: Value, environment: &Environment, teams: bool) -> Made {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display().to_string();
    let kwargs = kwargs.to_string();
    let teams = teams.to_string();
    let settings = [
        ("AIRFLOW_HOME", home.as_str()),
        ("AIRFLOW__CORE__MULTI_TEAM", &teams),
        ("AIRFLOW__SECRETS__BACKEND", "test.Backend"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
    ];
    let environment = environment.iter().chain(settings).collect();
    let made = Arc::new(Mutex::new(None::<Arc<dyn SecretsBackend>>));
    let kept = Arc::clone(&made);
    let is_secrets_manager = class_path == SECRETS_MANAGER;
    let factory = move |setup: BackendSetup<'_>| {
        let backend: Arc<dyn SecretsBackend> = if is_secrets_manager {
            Arc::new(SecretsManagerBackend::from_setup(setup)?)
        } else {
            Arc::new(SystemsManagerParameterStoreBackend::from_setup(setup)?)
        };
        *kept.lock().unwrap() = Some(Arc::clone(&backend));
        Ok(backend)
    };
    let resolver = Resolver::from_environment(environment)
        .register("test.Backend", factory)
        .build()
        .await?;
    let backend = made.lock().unwrap().take().unwrap();
    Ok((backend, resolver.warnings().to_vec()))
}

async fn backend(class_path: &str, url: &str, mut kwargs: Value) -> Arc<dyn SecretsBackend> {
    kwargs["endpoint_url"] = url.into();
    let made = make(class_path, kwargs, &environment(&[]), false).await;
    made.unwrap().0
}

async fn secrets_manager(url: &str, kwargs: Value) -> Arc<dyn SecretsBackend> {
    backend(SECRETS_MANAGER, url, kwargs).await
}

async fn parameter_store(url: &str, kwargs: Value) -> Arc<dyn SecretsBackend> {
    backend(PARAMETER_STORE, url, kwargs).await
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(backend: &Arc<dyn SecretsBackend>, key: &str) -> Result<String, String> {
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

fn kind(looked_up: Result<Lookup<Secret>, Failure>) -> FailureKind {
    looked_up.expect_err("a failure").kind()
}
