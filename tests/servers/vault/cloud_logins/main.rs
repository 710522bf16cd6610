//! Vault's logins for which a cloud vouches. OpenBao has no such login built in: a server of ours
//! checks the proofs as the documentation of Vault and of each cloud says.
#![allow(
    clippy::expect_used,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::match_bool,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../../../support"]
#[allow(dead_code)] // The clouds' own tests ask more of them.
mod support {
    pub(crate) mod google;
    pub(crate) mod google_services;
    pub(crate) mod https;
    pub(crate) mod key_vault;
    pub(crate) mod log;
    pub(crate) mod process;
    pub(crate) mod served;
    pub(crate) mod side_by_side;
    pub(crate) mod token_authority;
    pub(crate) mod wire;
}

mod aws_iam;
mod azure;
mod gcp;
mod no_token;
mod secrets_stay_secret;
mod sigv4;

use airflow_secrets::{
    Environment, Lookup, SecretsBackend,
    backend::LookupOptions,
    backends::vault::{VaultBackend, VaultCredential},
    settings::{BackendSetup, Kwargs},
};
use serde_json::{Value, json};

use crate::support::{
    served::Served,
    side_by_side::{Variables, airflow},
    wire::{Answer, Request},
};

const CLASS: &str = "airflow.providers.hashicorp.secrets.vault.VaultBackend";

/// A Vault whose logins, at any mount, are granted where `is_genuine` says so of their body, and whose
/// variable `x` is there for who has logged in.
async fn vault(is_genuine: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Served {
    Served::by(move |request: &Request| match request.method.as_str() {
        "POST" if request.path.ends_with("/login") => {
            let body = serde_json::from_str(&request.body).unwrap();
            match is_genuine(&body) {
                true => Answer::login("s.granted"),
                false => Answer::new(400, json!({"errors": ["MARKER: not genuine"]}).to_string()),
            }
        }
        "GET" if request.header("x-vault-token") == Some("s.granted") => {
            Answer::document(json!({"value": "v"}))
        }
        _ => Answer::new(403, json!({"errors": ["permission denied"]}).to_string()),
    })
    .await
}

/// The bodies of the logins that were seen.
fn bodies(vault: &Served) -> Vec<Value> {
    let logins = logins(&vault.seen.all());
    logins.into_iter().map(|(_, body)| body).collect()
}

/// The path and the body of each login among `requests`.
fn logins(requests: &[Request]) -> Vec<(String, Value)> {
    let logins = requests
        .iter()
        .filter(|request| request.path.ends_with("/login"));
    logins
        .map(|login| {
            (
                login.path.clone(),
                serde_json::from_str(&login.body).unwrap(),
            )
        })
        .collect()
}

/// A backend from code.
fn backend(url: &str, login: VaultCredential, environment: &Environment) -> VaultBackend {
    VaultBackend::builder()
        .url(url)
        .credential(login)
        .environment(environment)
        .build()
        .unwrap()
}

/// The variable `x`, or what else happened.
async fn x(backend: &VaultBackend) -> Result<String, String> {
    match backend.get_variable("x", &LookupOptions::new()).await {
        Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(format!("{:?}: {failure}", failure.kind())),
    }
}

/// A backend from settings.
fn from_kwargs(url: &str, kwargs: &Value, environment: &Environment) -> VaultBackend {
    let mut kwargs = kwargs.as_object().unwrap().clone();
    kwargs.insert("url".to_owned(), url.into());
    let kwargs = Kwargs::new("[secrets] backend_kwargs", "test", kwargs);
    VaultBackend::from_setup(BackendSetup::new(kwargs, environment)).unwrap()
}

/// What Airflow and we answer for the variable `x` with each of these kwargs, and the requests that
/// each sent.
async fn side_by_side(
    vault: &Served,
    cases: &[Value],
    variables: &Variables,
) -> [(Vec<Value>, Vec<Request>); 2] {
    let mut variables = variables.clone();
    variables.insert("no_proxy".to_owned(), "127.0.0.1".to_owned());
    let questions = cases.iter().map(|kwargs| {
        let mut kwargs = kwargs.clone();
        kwargs["url"] = vault.url.as_str().into();
        json!({"class": CLASS, "kwargs": kwargs, "environment": {}, "keys": ["x"]})
    });
    let (questions, asked) = (questions.collect::<Vec<_>>(), variables.clone());
    let theirs = tokio::task::spawn_blocking(move || airflow(&asked, &questions));
    let theirs = theirs
        .await
        .unwrap()
        .into_iter()
        .map(|mut answers| answers[0].take());
    let theirs = (theirs.collect(), vault.seen.all());
    vault.seen.clear();
    let environment = variables.into_iter().collect();
    let mut ours = Vec::new();
    for kwargs in cases {
        ours.push(json!(
            x(&from_kwargs(&vault.url, kwargs, &environment)).await.ok()
        ));
    }
    [theirs, (ours, vault.seen.all())]
}
