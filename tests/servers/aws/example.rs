//! The `aws` example, run as its documentation says.

use std::collections::BTreeMap;

use crate::{
    SETTINGS,
    support::{
        example::{self, Run},
        moto::moto,
    },
};

fn run(url: &str, conn_id: &str) -> Run {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display().to_string();
    let more = [("HOME", home.as_str()), ("AWS_ENDPOINT_URL", url)];
    let variables = SETTINGS.iter().copied().chain(more);
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    example::run("aws", &[conn_id], &variables.collect::<BTreeMap<_, _>>())
}

#[tokio::test]
async fn the_example_tells_of_a_connection_and_of_one_that_is_not_there() {
    let moto = moto().await;
    let document = r#"{"engine": "postgres", "host": "db.example.com", "user": "app", "pass": "secret-marker"}"#;
    moto.secret("airflow/connections/example_pg", document)
        .await;
    let found = "example_pg: Some(\"postgres\") at Some(\"db.example.com\"), from \
                 aws_secrets_manager: airflow/connections/example_pg\n";
    let expected = Run {
        code: Some(0),
        stdout: found.to_owned(),
        stderr: String::new(),
    };
    assert_eq!(run(&moto.url, "example_pg"), expected);
    let absent = run(&moto.url, "example_absent");
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), ""));
    assert!(absent.stderr.contains("example_absent"), "{absent:?}");
}
