//! A task's whole chain: secrets backend, environment, supervisor.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/supervisor.rs"]
mod supervisor;

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use airflow_secrets::{
    Environment, Error, FromEnvironment, Resolver, SecretsBackend as _,
    backend::LookupOptions,
    backends::{
        memory::MemoryBackend,
        supervisor::{SupervisorArguments, SupervisorBackend},
    },
};
use futures_util::future::join_all;
use serde_json::json;
use supervisor::{connect, holds_all, start};

const LAST_SOURCE: &str =
    "airflow.sdk.execution_time.secrets.execution_api.ExecutionAPISecretsBackend";

const REMEDY: &str =
    "where the task's SDK has it, give the SDK's with `FromEnvironment::supervisor`";

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

/// The arguments of a supervisor's task.
fn arguments(comm: SocketAddr, logs: SocketAddr) -> [String; 3] {
    [
        "task".to_owned(),
        format!("--comm={comm}"),
        format!("--logs={logs}"),
    ]
}

fn port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_program_that_a_supervisor_started_asks_it_by_itself_over_one_connection() {
    let (comm, requests) = start(|socket| socket.serve(holds_all));
    let (logs, logs_address) = port();
    let resolver = worker([("AIRFLOW_VAR_ENV_TOKEN", "told of")])
        .arguments(arguments(comm, logs_address))
        .build()
        .await
        .unwrap();
    let names = resolver.sources().names().collect::<Vec<_>>();
    assert_eq!(names, ["environment_variables", "supervisor"]);
    assert_eq!(requests.lock().unwrap().len(), 0);
    // The stand-in takes one connection, as a supervisor does.
    let keys = (0..50).map(|n| format!("key{n}")).collect::<Vec<_>>();
    let found = join_all(keys.iter().map(|key| resolver.get_variable(key))).await;
    for found in found {
        assert_eq!(found.unwrap().source().backend(), "supervisor");
    }
    let token = resolver.get_variable("env_token").await.unwrap();
    assert_eq!(token.expose(), "told of");
    let told = requests.lock().unwrap();
    let mask = told.iter().find(|body| body["value"] == "told of");
    assert_eq!(mask.unwrap()["type"], "MaskSecret");
    // The log's socket is taken as well, and still open.
    let (log, _) = logs.accept().unwrap();
    log.set_nonblocking(true).unwrap();
    let read = (&log).read(&mut [0]).unwrap_err();
    assert_eq!(read.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn where_the_sdk_has_the_supervisors_socket_the_program_is_told_what_to_do() {
    let (logs, logs_address) = port();
    let (closed, comm) = port();
    drop(closed);
    let resolver = worker([("AIRFLOW_VAR_COLOUR", "blue")])
        .arguments(arguments(comm, logs_address))
        .build()
        .await
        .unwrap();
    // The log could show what the supervisor was not told of: so nothing is given.
    for key in ["colour", "shape"] {
        let error = resolver.get_variable(key).await.unwrap_err();
        let first = if key == "colour" {
            "unavailable"
        } else {
            "missing"
        };
        assert_eq!(error.kind().as_str(), "unavailable");
        assert_eq!(
            attempts(&error),
            pairs(&[
                ("environment_variables", first),
                ("supervisor", "unavailable")
            ])
        );
        assert!(error.to_string().contains(REMEDY), "{error}");
    }
    drop(logs);
}

#[tokio::test]
async fn a_supervisor_that_could_not_be_reached_is_asked_anew_by_the_next_lookup() {
    let (logs, logs_address) = port();
    drop(logs);
    let (comm, _) = start(|socket| socket.serve(holds_all));
    let supervisor = SupervisorArguments::find(arguments(comm, logs_address)).unwrap();
    let supervisor = SupervisorBackend::started_by(supervisor);
    let options = LookupOptions::new();
    let failed = supervisor.get_variable("in_all", &options).await;
    let failure = failed.unwrap_err();
    assert_eq!(failure.kind().as_str(), "unavailable");
    let place = format!("the supervisor's socket for the log at {logs_address}");
    assert!(failure.to_string().starts_with(&place), "{failure}");
    let _logs = TcpListener::bind(logs_address).unwrap();
    let found = supervisor.get_variable("in_all", &options).await.unwrap();
    assert!(found.value().is_some());
}

#[tokio::test]
async fn arguments_of_a_supervisor_that_cannot_be_read_are_an_error_that_names_them() {
    for (arguments, argument, name) in [
        (
            ["--comm=localhost:4100", "--logs=127.0.0.1:4101"],
            "--comm=localhost:4100",
            "--comm",
        ),
        (
            ["--comm=127.0.0.1:4100", "--logs=127.0.0.1:99999"],
            "--logs=127.0.0.1:99999",
            "--logs",
        ),
    ] {
        let resolver = worker([("AIRFLOW_VAR_COLOUR", "blue")]).arguments(arguments);
        let resolver = resolver.build().await.unwrap();
        // What the environment holds could not be hidden in the task's log.
        for (key, expected) in [("shape", "configuration"), ("colour", "unavailable")] {
            let error = resolver.get_variable(key).await.unwrap_err();
            assert_eq!(error.kind().as_str(), expected, "{error}");
            let why = format!(
                "the program was started with \"{argument}\", which is not the address of a \
                 supervisor: it must be an IP address and a port, such as {name}=127.0.0.1:4100"
            );
            assert!(error.to_string().contains(&why), "{error}");
        }
        assert_eq!(SupervisorArguments::find(arguments), None);
    }
}

#[tokio::test]
async fn a_supervisor_that_is_given_comes_before_the_arguments() {
    let (given, requests) = start(|socket| socket.serve(holds_all));
    let (_, nowhere) = port();
    let resolver = worker([])
        .arguments(arguments(nowhere, nowhere))
        .supervisor(connect(given).await)
        .build()
        .await
        .unwrap();
    let found = resolver.get_variable("shape").await.unwrap();
    assert_eq!(found.source().backend(), "supervisor");
    assert_eq!(requests.lock().unwrap()[0]["key"], "shape");
    // Other arguments are the program's own.
    for arguments in [
        &["task", "--comm=127.0.0.1:1"][..],
        &["--comm=x", "--logs=y"],
        &["--comm=localhost:1", "--logs=/var/log"],
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
        "FromEnvironment::supervisor (the program): only tasks have this source, and this is \
         the server side: call `worker()`, or begin with `Resolver::for_worker`"
    );
}
