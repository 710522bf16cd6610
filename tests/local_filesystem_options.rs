//! The options of the local filesystem backend, and what its lookups say beside the value.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "local_filesystem_cases/folder.rs"]
mod folder;

use airflow_secrets::{
    Connection, Dialect, Lookup, SecretsBackend,
    backend::{LookupOptions, SkipReason},
    backends::local_filesystem::{LocalFilesystemBackend, LocalFilesystemBuilder},
    settings::Kwargs,
};
use folder::Folder;
use serde_json::{Value, json};

fn kwargs(values: Value) -> Kwargs {
    let Value::Object(values) = values else {
        panic!("kwargs are an object");
    };
    Kwargs::new("[secrets] backend_kwargs", "airflow.cfg:7", values)
}

#[test]
fn kwargs_are_the_paths() {
    let given = kwargs(json!({
        "variables_file_path": "/v.env",
        "connections_file_path": "",
        "configs_file_path": null,
    }));
    let built = LocalFilesystemBuilder::from_kwargs(given).expect("good kwargs");
    let by_hand = LocalFilesystemBackend::builder()
        .variables_file_path("/v.env")
        .connections_file_path("");
    assert_eq!(built, by_hand);
}

#[test]
fn a_kwarg_of_another_type_is_refused() {
    let error = LocalFilesystemBuilder::from_kwargs(kwargs(json!({"configs_file_path": 5})));
    assert_eq!(
        error.expect_err("a number is no path").to_string(),
        "[secrets] backend_kwargs \"configs_file_path\" (airflow.cfg:7): must be a text or null"
    );
}

#[test]
fn an_unknown_kwarg_is_refused() {
    let error = LocalFilesystemBuilder::from_kwargs(kwargs(json!({"variable_file_path": "/v"})));
    assert_eq!(
        error.expect_err("there is no such kwarg").to_string(),
        "[secrets] backend_kwargs \"variable_file_path\" (airflow.cfg:7): unknown argument; known \
         arguments: variables_file_path, connections_file_path, configs_file_path"
    );
}

fn skipped<T>(setting: &'static str) -> Lookup<T> {
    Lookup::skipped(SkipReason::NotSet(setting.into()))
}

#[tokio::test]
async fn without_a_file_everything_is_skipped() {
    for builder in [
        LocalFilesystemBackend::builder(),
        LocalFilesystemBackend::builder()
            .variables_file_path("")
            .connections_file_path("")
            .configs_file_path(""),
    ] {
        let backend = builder.build();
        let connection = backend.get_connection("pg", &LookupOptions::new()).await;
        assert_eq!(connection, Ok(skipped("connections_file_path")));
        let variable = backend.get_variable("v", &LookupOptions::new()).await;
        assert_eq!(variable, Ok(skipped("variables_file_path")));
        let config = backend.get_config("c", &LookupOptions::new()).await;
        assert_eq!(config, Ok(skipped("configs_file_path")));
    }
}

#[tokio::test]
async fn a_changed_file_counts_at_once() {
    let folder = Folder::new();
    let path = folder.write("v.yaml", "v: 1\n");
    let builder = LocalFilesystemBackend::builder();
    let backend = builder.variables_file_path(&path).build();
    let key = format!("{path}#v");
    let found = |value: &str| Ok(Lookup::found(value.into(), &*key));
    assert_eq!(
        backend.get_variable("v", &LookupOptions::new()).await,
        found("1")
    );
    folder.write("v.yaml", "v: 2\n");
    assert_eq!(
        backend
            .get_variable("v", &LookupOptions::new().with_team("team"))
            .await,
        found("2")
    );
    folder.write("v.yaml", "w: 2\n");
    assert_eq!(
        backend.get_variable("v", &LookupOptions::new()).await,
        Ok(Lookup::missing(&*key))
    );
}

#[tokio::test]
async fn connections_are_read_in_the_core_dialect_for_everyone() {
    let folder = Folder::new();
    let path = folder.write("c.env", "pg=postgres://h/?a=1\n");
    let builder = LocalFilesystemBackend::builder();
    let backend = builder.connections_file_path(&path).build();
    let core = Connection::from_uri("pg", "postgres://h/?a=1", Dialect::Core).expect("a URI");
    for dialect in [Dialect::Core, Dialect::TaskSdk] {
        let lookup = backend
            .get_connection("pg", &LookupOptions::new().with_dialect(dialect))
            .await;
        assert_eq!(
            lookup,
            Ok(Lookup::found(core.clone(), format!("{path}#pg")))
        );
    }
    let value = backend.get_conn_value("pg", &LookupOptions::new()).await;
    assert_eq!(value, Ok(Lookup::skipped(SkipReason::NotOffered)));
    assert_eq!(backend.name(), "local_filesystem");
}
