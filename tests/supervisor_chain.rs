//! A task's whole chain: secrets backend, environment, supervisor.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/supervisor.rs"]
mod supervisor;

use airflow_secrets::{
    Environment, Error, FromEnvironment, Resolver, backends::memory::MemoryBackend,
};
use serde_json::json;
use supervisor::{connect, holds_all, start};

const LAST_SOURCE: &str =
    "airflow.sdk.execution_time.secrets.execution_api.ExecutionAPISecretsBackend";

fn worker<const N: usize>(variables: [(&str, &str); N]) -> FromEnvironment {
    let home = [("AIRFLOW_HOME", "/nowhere")];
    let environment = home.into_iter().chain(variables).collect::<Environment>();
    Resolver::from_environment(environment)
        .worker()
        .register("acme.Secrets", |_| {
            Ok(MemoryBackend::new("mine")
                .with_variable("in_all", "mine")
                .with_variable("in_mine", "mine"))
        })
}

/// Each source that was asked, and what it did.
fn attempts(error: &Error) -> Vec<(String, &'static str)> {
    let attempts = error.report().unwrap().attempts().iter();
    attempts
        .map(|attempt| (attempt.backend().to_owned(), attempt.outcome().as_str()))
        .collect()
}

fn pairs(expected: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    expected
        .iter()
        .map(|(name, outcome)| ((*name).to_owned(), *outcome))
        .collect()
}

#[tokio::test]
async fn the_supervisor_comes_after_backend_and_environment() {
    let (address, _) = start(|socket| socket.serve(holds_all));
    let resolver = worker([
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", "acme.Secrets"),
        ("AIRFLOW_VAR_IN_ALL", "environment"),
        ("AIRFLOW_VAR_IN_ENVIRONMENT", "environment"),
    ])
    .supervisor(connect(address).await)
    .build()
    .await
    .unwrap();
    assert_eq!(
        resolver.sources().to_string(),
        "mine, environment_variables, supervisor (Airflow home /nowhere, no airflow.cfg)"
    );
    for (key, value, source) in [
        ("in_all", "mine", "mine: variable in_all"),
        (
            "in_environment",
            "environment",
            "environment_variables: AIRFLOW_VAR_IN_ENVIRONMENT",
        ),
        (
            "elsewhere",
            "value of elsewhere",
            "supervisor: variables/elsewhere",
        ),
    ] {
        let found = resolver.get_variable(key).await.unwrap();
        assert_eq!(
            (found.expose(), found.source().to_string().as_str()),
            (value, source)
        );
    }
    let error = resolver.get_variable("absent").await.unwrap_err();
    let expected = [
        ("mine", "missing"),
        ("environment_variables", "missing"),
        ("supervisor", "missing"),
    ];
    assert_eq!(attempts(&error), pairs(&expected));
    assert_eq!(error.kind().as_str(), "not_found");
    let checked = resolver.check().await;
    assert!(
        format!("{checked:?}").contains("connections/airflow-secrets-check"),
        "{checked:?}"
    );
}

#[tokio::test]
async fn a_denial_of_the_supervisor_is_final() {
    let (address, _) = start(|socket| {
        socket.serve(|_| json!({"type": "ErrorResponse", "error": "PERMISSION_DENIED", "detail": {"status_code": 403}}));
    });
    // Named as the custom backend, it comes before the environment.
    let resolver = worker([
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", LAST_SOURCE),
        ("AIRFLOW_VAR_COLOUR", "blue"),
    ])
    .supervisor(connect(address).await)
    .build()
    .await
    .unwrap();
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "access_denied");
    assert_eq!(attempts(&error), pairs(&[("supervisor", "access_denied")]));
}

#[tokio::test]
async fn a_setting_that_names_the_last_source_puts_it_first() {
    let (address, _) = start(|socket| socket.serve(holds_all));
    let resolver = worker([
        ("AIRFLOW__SECRETS__BACKEND", LAST_SOURCE),
        ("AIRFLOW_VAR_COLOUR", "blue"),
    ])
    .supervisor(connect(address).await)
    .build()
    .await
    .unwrap();
    assert_eq!(
        resolver.sources().to_string(),
        "supervisor, environment_variables (Airflow home /nowhere, no airflow.cfg)"
    );
    let found = resolver.get_variable("colour").await.unwrap();
    assert_eq!(found.expose(), "value of colour");

    let server = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", LAST_SOURCE),
    ];
    let server = Resolver::from_environment(server.into_iter().collect())
        .build()
        .await
        .unwrap();
    let error = server.get_variable("colour").await.unwrap_err();
    let expected = [
        ("execution_api", "skipped"),
        ("environment_variables", "missing"),
        ("metastore", "skipped"),
    ];
    assert_eq!(attempts(&error), pairs(&expected));

    let kwargs = worker([
        ("AIRFLOW__SECRETS__BACKEND", LAST_SOURCE),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"a": 1}"#),
    ]);
    assert_eq!(
        kwargs.build().await.unwrap_err().kind().as_str(),
        "configuration"
    );
}

#[tokio::test]
async fn without_a_last_source_the_report_says_so() {
    let resolver = worker([]).build().await.unwrap();
    let error = resolver.get_connection("pg").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "connection \"pg\" is not defined: environment_variables (AIRFLOW_CONN_PG) missing; \
         execution_api skipped: not configured: there is no last source: no supervisor and no Execution \
         API was given; what only Airflow's API server knows is not found"
    );
}

#[tokio::test]
async fn a_program_that_a_supervisor_started_and_that_gives_no_socket_is_told_what_to_do() {
    let arguments = ["task", "--comm=127.0.0.1:4100", "--logs=127.0.0.1:4101"];
    let resolver = worker([("AIRFLOW_VAR_COLOUR", "blue")])
        .arguments(arguments)
        .build()
        .await
        .unwrap();
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    let error = resolver.get_variable("shape").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "configuration");
    assert!(
        error.to_string().contains("FromEnvironment::supervisor"),
        "{error}"
    );
    assert_eq!(
        attempts(&error),
        pairs(&[
            ("environment_variables", "missing"),
            ("supervisor", "configuration")
        ])
    );
    // Other arguments are the program's own.
    for arguments in [
        &["task", "--comm=127.0.0.1:1"][..],
        &["--comm=x", "--logs=y"],
        &[],
    ] {
        let resolver = worker([]).arguments(arguments).build().await.unwrap();
        let error = resolver.get_variable("shape").await.unwrap_err();
        assert_eq!(error.kind().as_str(), "not_found");
    }
}

#[tokio::test]
async fn the_server_side_has_no_supervisor() {
    let (address, _) = start(|socket| socket.serve(holds_all));
    let environment = [("AIRFLOW_HOME", "/nowhere")]
        .into_iter()
        .collect::<Environment>();
    let error = Resolver::from_environment(environment)
        .supervisor(connect(address).await)
        .build()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "FromEnvironment::supervisor (the program): the server side asks no supervisor: call \
         `worker()`, or give none"
    );
}
