//! The example, run as a user runs it.

use std::collections::BTreeMap;

use crate::{
    TASK, server,
    support::{
        example::{Run, run},
        execution_api::{claims, signed, token},
    },
};

#[tokio::test]
async fn the_example_reads_what_a_tokens_file_allows_and_shows_no_secret() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display().to_string();
    let variables = [
        ("AIRFLOW_HOME", home.as_str()),
        ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", &server.url),
        ("AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT", "60"),
        ("AIRFLOW_CONN_NEAR", "http://me:near-marker@host/s"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = BTreeMap::from(variables);
    let file = folder.path().join("token");
    let path = file.to_str().unwrap();
    // As a shell writes it.
    std::fs::write(&file, format!("{}\n", token(TASK))).unwrap();

    let url = &server.url;
    let found = Run {
        code: Some(0),
        stdout: format!(
            "connection \"pg\": conn_type \"postgres\", host \"db\", login \"app\", password ***, schema \
             \"orders\", port 5432, extra ***, from execution_api: {url}connections/pg\n\
             connection \"near\": conn_type \"http\", host \"host\", login \"me\", password ***, schema \"s\", from \
             environment_variables: AIRFLOW_CONN_NEAR\n\
             variable \"colour\": ***, from execution_api: {url}variables/colour\n"
        ),
        stderr: String::new(),
    };
    let ids = [path, "pg", "near", "variable:colour"];
    assert_eq!(run("execution_api", &ids, &variables), found);

    let absent = run("execution_api", &[path, "absent"], &variables);
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), ""));
    assert!(absent.stderr.contains("absent"), "{}", absent.stderr);

    std::fs::write(&file, signed(&claims(TASK, -60))).unwrap();
    let ended = run("execution_api", &ids[..2], &variables);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains(path), "{}", ended.stderr);

    let nothing = run("execution_api", &[], &variables);
    let why = "Error: \"the file of the token is not given: execution_api TOKEN_FILE [ID | \
               variable:KEY]…\"\n";
    assert_eq!((nothing.code, nothing.stderr.as_str()), (Some(1), why));
}
