//! The conformance suite: the backends that need no server pass it, and it finds each rule that a
//! backend breaks.

// A test may panic: so it fails.
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "support/folder.rs"]
mod folder;

use std::{
    fmt, fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use airflow_secrets::{
    Connection, Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::{Freshness, LookupOptions, SkipReason, async_trait},
    backends::{
        breaker::{Breaker, BreakerOptions},
        directory::DirectoryBackend,
        environment::EnvironmentVariablesBackend,
        local_filesystem::LocalFilesystemBackend,
        memory::MemoryBackend,
    },
    testing::Conformance,
};
use folder::Folder;

const URI: &str = "postgres://app:hunter2-marker@db/orders";
const BLUE: &str = "a-blue-marker";

#[tokio::test]
async fn memory_conforms() {
    let red = Connection::builder("pg")
        .conn_type("mysql")
        .build()
        .unwrap();
    let backend = MemoryBackend::new("mine")
        .with_conn_value("pg", URI)
        .with_variable("colour", BLUE)
        .with_config("key", "a-config-marker")
        .with_team_connection("red", red.clone())
        .with_team_variable("red", "colour", "a-red-marker");
    let down = MemoryBackend::new("mine");
    down.go_down(Failure::unavailable("pulled the plug"));
    Conformance::of(backend)
        .connection("pg", URI)
        .variable("colour", BLUE)
        .config("key", "a-config-marker")
        .team_connection("red", "pg", red.get_uri())
        .team_variable("red", "colour", "a-red-marker")
        .unreachable(down)
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_breaker_conforms() {
    let backend = MemoryBackend::new("mine")
        .with_conn_value("pg", URI)
        .with_variable("colour", BLUE)
        .with_config("key", "a-config-marker");
    let down = MemoryBackend::new("mine");
    down.go_down(Failure::unavailable("pulled the plug"));
    let [backend, down] = [backend, down].map(|held| Breaker::new(held, BreakerOptions::new()));
    Conformance::of(backend)
        .connection("pg", URI)
        .variable("colour", BLUE)
        .config("key", "a-config-marker")
        .unreachable(down)
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn environment_variables_conform() {
    let variables = Environment::from_iter([
        ("AIRFLOW_CONN_PG", URI),
        ("AIRFLOW_VAR_COLOUR", BLUE),
        ("AIRFLOW_VAR__RED___COLOUR", "a-red-marker"),
    ]);
    Conformance::of(EnvironmentVariablesBackend::new(variables, true))
        .connection("pg", URI)
        .variable("colour", BLUE)
        .team_variable("red", "colour", "a-red-marker")
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn mounted_files_conform() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    for (kind, id, text) in [("connections", "pg", URI), ("variables", "colour", BLUE)] {
        fs::create_dir(path(kind)).unwrap();
        fs::write(path(kind).join(id), text).unwrap();
    }
    Conformance::of(DirectoryBackend::new(folder.path()))
        .connection("pg", URI)
        .variable("colour", BLUE)
        .unreachable(DirectoryBackend::new(path("gone")))
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn local_files_conform() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("connections.json"), format!(r#"{{"pg": "{URI}"}}"#)).unwrap();
    fs::write(path("variables.json"), format!(r#"{{"colour": "{BLUE}"}}"#)).unwrap();
    let backend = |connections: &str, variables: &str| {
        LocalFilesystemBackend::builder()
            .connections_file_path(path(connections))
            .variables_file_path(path(variables))
            .build()
    };
    Conformance::of(backend("connections.json", "variables.json"))
        .connection("pg", URI)
        .variable("colour", BLUE)
        .unreachable(backend("gone.json", "gone.json"))
        .run()
        .await
        .unwrap();
}

/// One variable, and one way to be wrong about it.
struct Wrong {
    how: How,
    lookups: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    NotAtAll,
    AnotherValue,
    NoNativeKey,
    Stale,
    MissingFails,
    MissingIsFound,
    FailsAsMissing,
    BatchForgetsOne,
    BatchDiffers,
    TeamsShare,
    ShowsItsValue,
    EndsAfterSome,
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::ShowsItsValue => f.write_str(BLUE),
            _ => f.write_str("Wrong"),
        }
    }
}

#[async_trait]
impl SecretsBackend for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let before = self.lookups.fetch_add(1, Ordering::SeqCst);
        let is_held = key == "colour";
        match self.how {
            How::EndsAfterSome if before > 100 => Err(Failure::unavailable("no slot is free")),
            How::AnotherValue if is_held => Ok(Lookup::found("a-red-marker".into(), key)),
            How::NoNativeKey if is_held => Ok(Lookup::found(BLUE.into(), "")),
            How::Stale if is_held => Ok(Lookup::found(BLUE.into(), key)
                .with_freshness(Freshness::cached(std::time::Duration::from_secs(1)))),
            How::MissingFails if !is_held => Err(Failure::access_denied("403")),
            How::MissingIsFound if !is_held => Ok(Lookup::found("x".into(), key)),
            How::TeamsShare if is_held && options.team().is_none() => {
                Ok(Lookup::found("a-red-marker".into(), key))
            }
            _ if is_held && options.team() == Some("red") => {
                Ok(Lookup::found("a-red-marker".into(), key))
            }
            _ if is_held => Ok(Lookup::found(BLUE.into(), key)),
            _ => Ok(Lookup::missing(key)),
        }
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let mut answers = Vec::new();
        for key in keys {
            answers.push(self.get_variable(key, options).await);
        }
        match self.how {
            How::BatchForgetsOne => drop(answers.pop()),
            How::BatchDiffers => answers.fill(Ok(Lookup::skipped(SkipReason::Pattern))),
            _ => {}
        }
        answers
    }
}

async fn violations(how: How) -> Vec<String> {
    let backend = |how| Wrong {
        how,
        lookups: AtomicUsize::new(0),
    };
    let unreachable = MemoryBackend::new("memory");
    if how != How::FailsAsMissing {
        unreachable.go_down(Failure::unavailable("down"));
    }
    let run = Conformance::of(backend(how))
        .variable("colour", BLUE)
        .team_variable("red", "colour", "a-red-marker")
        .unreachable(unreachable)
        .run()
        .await;
    match run {
        Ok(()) => Vec::new(),
        Err(violations) => violations.iter().map(str::to_owned).collect(),
    }
}

#[tokio::test]
async fn each_rule_is_found_to_be_broken_by_a_backend_that_breaks_it() {
    assert_eq!(violations(How::NotAtAll).await, [""; 0]);
    for (how, expected) in [
        (
            How::AnotherValue,
            "found: variable \"colour\": the value differs from the expected one",
        ),
        (
            How::NoNativeKey,
            "found: variable \"colour\": the native key is empty",
        ),
        (
            How::Stale,
            "found: variable \"colour\": the answer is cached 1 s ago, not live",
        ),
        (
            How::MissingFails,
            "missing: variable \"conformance_absent\": failed (AccessDenied: 403)",
        ),
        (How::MissingIsFound, "odd ids: variable \"..\": found"),
        (
            How::FailsAsMissing,
            "failed: variable \"colour\": missing, not a failure",
        ),
        (
            How::FailsAsMissing,
            "failed: its check says that it is reachable",
        ),
        (
            How::BatchForgetsOne,
            "batch: 8 ids of kind variable: 7 answers",
        ),
        (How::BatchDiffers, "batch: variable \"colour\": skipped"),
        (
            How::TeamsShare,
            "teams: variable \"colour\" of team \"red\": no team was given the value",
        ),
        (
            How::ShowsItsValue,
            "secrecy: variable \"colour\": its value is shown",
        ),
        (
            How::EndsAfterSome,
            "cancellation: variable \"colour\" after 64 lookups",
        ),
    ] {
        let violations = violations(how).await;
        assert!(
            violations.iter().any(|line| line.starts_with(expected)),
            "{how:?}: {violations:#?}"
        );
        assert!(!violations.concat().contains(BLUE), "{how:?}");
    }
}
