//! What `Serialize` gives: reports and errors in the examples' form, never a secret.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use airflow_secrets::{
    ConfigurationError, Connection, Dialect, Environment, Failure, Resolver,
    backends::memory::MemoryBackend,
};
use serde_json::{json, to_value};

#[tokio::test]
async fn an_error_says_what_was_asked_and_what_each_source_did() {
    let down = MemoryBackend::new("vault");
    down.go_down(Failure::unavailable("no route").with_retry_after(Duration::from_secs(3)));
    let resolver = Resolver::builder()
        .backend(down)
        .backend(MemoryBackend::new("mine"))
        .build();
    let error = resolver.get_variable("colour").await.unwrap_err();
    let attempts = json!([
        {"backend": "vault", "outcome": "unavailable", "native_key": "variable colour",
         "message": "no route"},
        {"backend": "mine", "outcome": "missing", "native_key": "variable colour",
         "message": null},
    ]);
    assert_eq!(
        to_value(&error).unwrap(),
        json!({
            "key": "colour", "error": "unavailable", "message": error.to_string(),
            "attempts": attempts,
        })
    );
    let report = to_value(error.report().unwrap()).unwrap();
    assert_eq!(report, json!({"attempts": attempts, "warnings": []}));
    assert_eq!(
        to_value(error.failure().unwrap()).unwrap(),
        json!({"kind": "unavailable", "native_key": "variable colour", "message": "no route",
               "is_transient": true, "retry_after": 3.0})
    );
    let error = resolver.get_connection("").await.unwrap_err();
    assert_eq!(
        to_value(&error).unwrap(),
        json!({"conn_id": "", "error": "invalid_id", "message": error.to_string(), "attempts": []})
    );
}

#[test]
fn a_connection_is_serialized_without_its_secrets() {
    let uri = "postgres://app:hunter2@db:5432/orders?token=hunter2";
    let connection = Connection::from_uri("pg", uri, Dialect::Core).unwrap();
    assert_eq!(
        to_value(connection.redacted()).unwrap(),
        json!({
            "conn_id": "pg", "conn_type": "postgres", "description": null, "host": "db",
            "login": "app", "password": "***", "schema": "orders", "port": 5432, "extra": "***",
            "uri": "***",
        })
    );
}

#[tokio::test]
async fn sources_and_settings_errors_say_where_they_were_read() {
    let environment = Environment::from_iter([("AIRFLOW_HOME", "/nowhere")]);
    let resolver = Resolver::from_environment(environment)
        .build()
        .await
        .unwrap();
    assert_eq!(
        to_value(resolver.sources()).unwrap(),
        json!({"names": ["environment_variables", "metastore"], "airflow_home": "/nowhere",
               "config_file": null})
    );
    assert_eq!(
        to_value(ConfigurationError::new(
            "[core] x",
            "airflow.cfg:2",
            "is invalid"
        ))
        .unwrap(),
        json!({"setting": "[core] x", "origin": "airflow.cfg:2", "message": "is invalid"})
    );
}
