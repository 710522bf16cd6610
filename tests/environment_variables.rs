//! What a lookup in the environment says beside the value, and what it never says.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{env, process::Command};

use airflow_secrets::{
    Environment, Lookup, SecretsBackend,
    backend::{FailureKind, LookupOptions, SkipReason},
    backends::environment::EnvironmentVariablesBackend,
};

fn backend(variables: &[(&str, &str)], multi_team: bool) -> EnvironmentVariablesBackend {
    let environment = variables.iter().copied().collect::<Environment>();
    EnvironmentVariablesBackend::new(environment, multi_team)
}

#[tokio::test]
async fn the_native_key_is_the_variable_that_answered() {
    let backend = backend(
        &[
            ("AIRFLOW_VAR_COLOUR", "blue"),
            ("AIRFLOW_VAR__RED___COLOUR", "red"),
            ("AIRFLOW_VAR__EMPTY___COLOUR", ""),
        ],
        true,
    );
    for (team, value, name) in [
        (None, "blue", "AIRFLOW_VAR_COLOUR"),
        (Some("red"), "red", "AIRFLOW_VAR__RED___COLOUR"),
        (Some("empty"), "blue", "AIRFLOW_VAR_COLOUR"),
        (Some("other"), "blue", "AIRFLOW_VAR_COLOUR"),
    ] {
        let lookup = backend
            .get_variable("colour", &LookupOptions::new().with_team(team))
            .await;
        assert_eq!(lookup, Ok(Lookup::found(value.into(), name)), "{team:?}");
    }
    let missing = backend
        .get_variable("shape", &LookupOptions::new().with_team("red"))
        .await;
    assert_eq!(missing, Ok(Lookup::missing("AIRFLOW_VAR_SHAPE")));
    assert_eq!(backend.name(), "environment_variables");
}

#[tokio::test]
async fn an_id_that_could_name_a_teams_variable_is_skipped_only_with_multi_team() {
    let variables = [("AIRFLOW_CONN__RED___PG", "postgres://")];
    let lookup = backend(&variables, true)
        .get_conn_value("_red___pg", &LookupOptions::new())
        .await;
    assert!(matches!(
        lookup,
        Ok(Lookup::Skipped {
            reason: SkipReason::Team(_),
            ..
        })
    ));
    let lookup = backend(&variables, false)
        .get_conn_value("_red___pg", &LookupOptions::new())
        .await;
    let found = Lookup::found("postgres://".into(), "AIRFLOW_CONN__RED___PG");
    assert_eq!(lookup, Ok(found));
}

#[tokio::test]
async fn debug_shows_names_and_no_values() {
    let backend = backend(&[("AIRFLOW_VAR_COLOUR", "hunter2")], false);
    let shown = format!(
        "{backend:?} {:?}",
        backend.get_variable("colour", &LookupOptions::new()).await
    );
    assert!(shown.contains("AIRFLOW_VAR_COLOUR"));
    assert!(!shown.contains("hunter2"));
}

/// Runs as a process of its own, with an environment that this one cannot have.
#[cfg(unix)]
#[tokio::test]
async fn a_value_that_is_not_utf_8_is_a_failure() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    const CHILD: &str = "AIRFLOW_SECRETS_TEST_CHILD";
    const NAME: &str = "AIRFLOW_VAR_COLOUR";
    if env::var_os(CHILD).is_none() {
        let status = Command::new(env::current_exe().expect("the test's own path"))
            .args(["--exact", "a_value_that_is_not_utf_8_is_a_failure"])
            .env(CHILD, "1")
            .env(NAME, OsStr::from_bytes(b"hunter2\xff"))
            .status();
        assert!(status.expect("the test starts").success());
        return;
    }
    let backend = EnvironmentVariablesBackend::new(Environment::process(), false);
    let failure = backend.get_variable("colour", &LookupOptions::new()).await;
    let failure = failure.expect_err("the value is not UTF-8");
    assert_eq!(failure.kind(), FailureKind::InvalidValue);
    assert_eq!(failure.native_key(), Some(NAME));
    assert_eq!(
        failure.message(),
        "the environment variable AIRFLOW_VAR_COLOUR is not UTF-8; set it again as UTF-8"
    );
}
