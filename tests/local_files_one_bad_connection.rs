//! One bad connection in a file: the whole file's fault where Airflow says so, else its own alone.

// A test may panic: so it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/folder.rs"]
mod folder;

use std::fs;

use airflow_secrets::{
    Lookup, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::local_filesystem::LocalFilesystemBackend,
};
use folder::Folder;
use futures_executor::block_on;

/// What a file with this JSON entry beside a sound one gives for both: a host, or a failure.
fn hosts(bad: &str) -> [Result<String, FailureKind>; 2] {
    let folder = Folder::new();
    let path = folder.path().join("connections.json");
    fs::write(&path, format!(r#"{{"bad": {bad}, "good": "http://good"}}"#)).unwrap();
    let backend = LocalFilesystemBackend::builder()
        .connections_file_path(path.to_str().unwrap())
        .build();
    ["bad", "good"].map(|conn_id| {
        match block_on(backend.get_connection(conn_id, &LookupOptions::new())) {
            Ok(Lookup::Found { value, .. }) => Ok(value.host().unwrap_or_default().to_owned()),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.kind()),
        }
    })
}

const INVALID: Result<String, FailureKind> = Err(FailureKind::InvalidValue);

#[test]
fn what_airflow_holds_fails_alone() {
    for bad in [
        r#"{"port": "x"}"#,
        r#"{"port": 70000}"#,
        r#"{"port": [1]}"#,
        r#"{"host": 5}"#,
        r#"{"login": [1]}"#,
        r#"{"schema": {"a": 1}}"#,
        r#"{"conn_type": true}"#,
        r#"{"description": 5}"#,
        r#"{"uri": "http://h", "description": 5}"#,
        r#"{"port": NaN}"#,
        r#"{"extra": {"a": NaN}}"#,
        r#"{"extra": {"a": 1e999}}"#,
        r#"{"extra_dejson": {"a": [-Infinity]}}"#,
        r#"{"extra": "{\"a\": NaN}"}"#,
        r#"{"extra": "{\"a\": \"\\ud800\"}"}"#,
        r#""http://h?a=NaN""#,
    ] {
        assert_eq!(hosts(bad), [INVALID, Ok("good".to_owned())], "{bad}");
    }
}

#[test]
fn what_airflow_refuses_fails_the_file() {
    for bad in [
        r#"{"extra": "text"}"#,
        r#"{"extra": NaN}"#,
        r#"{"extra": [NaN]}"#,
        r#"{"extra": "NaN"}"#,
        r#"{"extra": "{\"a\": NaN}", "uri": "http://h"}"#,
        "NaN",
        r#"{"password": 5}"#,
        r#"{"host": 5, "extra": "[]"}"#,
        r#"{"port": "x", "password": [1]}"#,
        r#"{"uri": 5}"#,
        r#"{"unknown": "x"}"#,
        r#"{"conn_id": "other"}"#,
        r#""http://h:65536""#,
    ] {
        // Nobody knows what else the file defines.
        assert_eq!(
            hosts(bad),
            [INVALID, Err(FailureKind::Unavailable)],
            "{bad}"
        );
    }
}
