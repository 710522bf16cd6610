//! The `aws` example, run as its documentation says.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{SETTINGS, support::moto::moto};

/// The example that `cargo test` builds beside this test.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile.join("examples/aws");
    assert!(
        example.exists(),
        "run `cargo build --example aws --features aws-secrets-manager` first; `cargo test` alone \
         does it"
    );
    example
}

fn run(url: &str, conn_id: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(example())
        .arg(conn_id)
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL", url)
        .envs(SETTINGS.iter().copied())
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_example_tells_of_a_connection_and_of_one_that_is_not_there() {
    let moto = moto().await;
    let document = r#"{"engine": "postgres", "host": "db.example.com", "user": "app", "pass": "secret-marker"}"#;
    moto.secret("airflow/connections/example_pg", document)
        .await;
    let output = run(&moto.url, "example_pg");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "example_pg: Some(\"postgres\") at Some(\"db.example.com\"), from aws_secrets_manager: \
         airflow/connections/example_pg\n"
    );
    let output = run(&moto.url, "example_absent");
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("example_absent"), "{error}");
}
