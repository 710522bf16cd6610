//! No secret is in what the library shows of itself: `Debug`, `Display`, errors, reports, logs.

// A test may panic: so it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/log.rs"]
mod log;

use std::{fmt::Debug, fs, path::Path, sync::OnceLock};

use airflow_secrets::{
    Environment, Error, Resolver, SecretsBackend,
    backends::{directory::DirectoryBackend, metastore::MetastoreBackend},
    settings::{Settings, Side},
};
use folder::Folder;
use log::Log;

/// Stands for every secret.
const MARKER: &str = "m4rk3r";

/// Everything logged by this process, at every level, on every thread.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(log.clone())
            .init();
        log
    })
}

fn logged() -> String {
    log().text()
}

#[track_caller]
fn assert_clean(shown: &str) {
    assert!(!shown.contains(MARKER), "a secret is shown in {shown}");
}

#[track_caller]
fn assert_hidden(value: &impl Debug) {
    assert_clean(&format!("{value:?} {value:#?}"));
}

#[track_caller]
fn assert_hidden_error(error: &Error) {
    assert_hidden(error);
    assert_clean(&error.to_string());
    if let Some(report) = error.report() {
        assert_hidden(report);
        assert_clean(&report.to_string());
    }
}

/// A home where every source holds secrets, sound ones and spoilt ones.
fn home() -> (Folder, Environment) {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db");
    fs::copy(source, path("airflow.db")).unwrap();
    fs::write(
        path("connections.json"),
        r#"{"local": {"conn_type": "http", "password": "m4rk3r", "extra": {"a": "m4rk3r"}},
            "port": {"password": "m4rk3r", "port": "m4rk3r"}}"#,
    )
    .unwrap();
    fs::write(path("variables.json"), r#"{"local": "m4rk3r", "x": m4rk3r"#).unwrap();
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", folder.path().to_str().unwrap()),
        (
            "AIRFLOW__SECRETS__BACKEND",
            "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        ),
        (
            "AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH",
            &path("connections.json"),
        ),
        (
            "AIRFLOW__SECRETS__BACKEND_KWARG__VARIABLES_FILE_PATH",
            &path("variables.json"),
        ),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"x": "m4rk3r""#),
        ("AIRFLOW__CORE__FERNET_KEY", MARKER),
        ("AIRFLOW_CONN_URI", "http://me:m4rk3r@h/s?a=m4rk3r"),
        ("AIRFLOW_CONN_BAD", "http://me:m4rk3r@h:m4rk3r"),
        ("AIRFLOW_VAR_TEXT", MARKER),
    ]);
    (folder, environment)
}

#[tokio::test]
async fn answers_and_errors_of_every_source_hide_their_secrets() {
    log();
    let (_folder, environment) = home();
    for worker in [false, true] {
        let mut settings = Resolver::from_environment(environment.clone());
        if worker {
            settings = settings.worker();
        }
        assert_hidden(&settings);
        let resolver = settings.build().await.unwrap();
        assert_hidden(&resolver);
        assert_eq!(resolver.warnings().len(), 1);
        for warning in resolver.warnings() {
            assert_hidden(warning);
            assert_clean(&warning.to_string());
        }
        let mut found = 0;
        let ids = ["local", "port", "uri", "bad", "absent", "pg_default"];
        for id in ids {
            match resolver.get_connection(id).await {
                Ok(connection) => {
                    found += 1;
                    assert_hidden(&connection);
                    assert_hidden(&connection.get_uri());
                    assert_clean(&connection.report().to_string());
                    assert_clean(&connection.source().to_string());
                }
                Err(error) => assert_hidden_error(&error),
            }
        }
        assert_eq!(found, 2, "a local one and a URI");
        for key in ["local", "text", "absent"] {
            match resolver.get_variable(key).await {
                Ok(value) => assert_hidden(&value),
                Err(error) => assert_hidden_error(&error),
            }
        }
        for answer in resolver.get_connections(&ids).await {
            match answer {
                Ok(connection) => assert_hidden(&connection),
                Err(error) => assert_hidden_error(&error),
            }
        }
    }
    assert!(logged().contains("local_filesystem"), "nothing was logged");
    assert_clean(&logged());
}

#[tokio::test]
async fn mounted_files_hide_their_secrets() {
    log();
    let folder = Folder::new();
    let sound = "http://me:m4rk3r@h/s?a=m4rk3r";
    for (path, text) in [
        ("connections/sound", sound.as_bytes()),
        ("connections/bad", b"http://me:m4rk3r@h:m4rk3r"),
        ("connections/json", b"{\"password\": \"m4rk3r\""),
        ("connections/bytes", b"m4rk3r\xff"),
        ("variables/text", b"m4rk3r"),
        ("variables/bytes", b"m4rk3r\xff"),
        ("variables/folder/file", b"m4rk3r"),
        // Without a folder of its kind.
        ("flat", b"m4rk3r"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let backend = DirectoryBackend::new(folder.path());
    assert_hidden(&backend);
    let resolver = Resolver::builder().backend(backend).build();
    let mut found = 0;
    for id in ["sound", "bad", "json", "bytes", "flat", "absent"] {
        match resolver.get_connection(id).await {
            Ok(connection) => {
                found += 1;
                assert_hidden(&connection);
                assert_clean(&connection.report().to_string());
            }
            Err(error) => assert_hidden_error(&error),
        }
    }
    for key in ["text", "bytes", "folder", "flat", "absent"] {
        match resolver.get_variable(key).await {
            Ok(value) => {
                found += 1;
                assert_hidden(&value);
            }
            Err(error) => assert_hidden_error(&error),
        }
    }
    assert_eq!(found, 2);
    assert_hidden(&resolver.check().await);
    assert!(logged().contains("directory"), "nothing was logged");
    assert_clean(&logged());
}

#[tokio::test]
async fn settings_hide_their_secrets() {
    log();
    let (_folder, environment) = home();
    assert_hidden(&environment);
    let settings = Settings::load(&environment).unwrap();
    assert_hidden(&settings);
    assert_hidden(&settings.fernet_key(None).await.unwrap());
    assert_hidden(&settings.get("core", "fernet_key").unwrap());
    for side in [Side::Server, Side::Worker] {
        assert_hidden(&settings.custom_backend(side).unwrap());
    }
    assert_clean(&logged());
}

#[test]
fn a_metadata_db_hides_its_password_and_key() {
    let builder = MetastoreBackend::builder()
        .url("sqlite:////nowhere/airflow.db?key=m4rk3r")
        .fernet_key(Some(MARKER.into()));
    assert_hidden(&builder);
    let backend = builder.build().unwrap();
    assert_hidden(&backend);
    assert_hidden(&backend.warnings());
    for url in [
        "postgresql://u:m4rk3r@h:m4rk3r/db",
        "oracle://u:m4rk3r@h/db",
        "sqlite://u:m4rk3r@h/db",
        "m4rk3r",
    ] {
        let error = MetastoreBackend::builder().url(url).build().unwrap_err();
        assert_hidden(&error);
        assert_clean(&error.to_string());
    }
}
