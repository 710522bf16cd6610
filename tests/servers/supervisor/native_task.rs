//! The example: Airflow takes its success, and hides what it logs.

use serde_json::json;

use crate::{
    support::openbao::OpenBao,
    worker::{Airflow, Ran, Task, Variables},
};

fn variables(set: &[(&str, &str)]) -> Variables {
    let set = set.iter().copied();
    set.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The settings of a worker whose secrets are in `vault`.
pub(crate) fn in_vault(vault: &OpenBao) -> Variables {
    let kwargs = json!({"url": vault.url, "token": "root", "mount_point": "airflow", "kv_engine_version": 2});
    variables(&[
        (
            "AIRFLOW__WORKERS__SECRETS_BACKEND",
            "airflow.providers.hashicorp.secrets.vault.VaultBackend",
        ),
        (
            "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS",
            &kwargs.to_string(),
        ),
    ])
}

fn values(ran: &Ran) -> Vec<(String, String, Option<String>)> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let lines = ran.events("resolved");
    let lines = lines.iter().map(|line| {
        let source = text(&line["source"]).or(text(&line["error"])).unwrap();
        (text(&line["id"]).unwrap(), source, text(&line["value"]))
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_runs_it_to_success_and_hides_what_it_logs() {
    let vault = OpenBao::dev().await;
    vault.mount_kv("airflow", 2).await;
    for (path, document) in [
        (
            "connections/warehouse",
            json!({"conn_uri": "postgres://app:vault-password-marker@db/orders?api_key=vault-extra-marker"}),
        ),
        (
            "variables/vault_token",
            json!({"value": "vault-variable-marker"}),
        ),
        ("variables/vault_colour", json!({"value": "vault-colour"})),
    ] {
        vault.put("airflow", path, document).await;
    }
    let airflow = Airflow::start(
        &json!([{"conn_id": "pg", "conn_type": "postgres", "password": "server-password-marker"}]),
        &json!([
            {"key": "server_token", "val": "server-variable-marker"},
            {"key": "server_colour", "val": "server-colour"},
        ]),
    )
    .await;
    let mut worker = in_vault(&vault);
    worker.extend(variables(&[
        ("NATIVE_TASK_CONNECTIONS", "warehouse pg env absent"),
        (
            "NATIVE_TASK_VARIABLES",
            "vault_token vault_colour server_token server_colour env_token env_colour",
        ),
        ("NATIVE_TASK_REVEAL", "1"),
        ("AIRFLOW_CONN_ENV", "http://me:env-password-marker@host"),
        ("AIRFLOW_VAR_ENV_TOKEN", "env-variable-marker"),
        ("AIRFLOW_VAR_ENV_COLOUR", "env-colour"),
    ]));
    let ran = airflow.run(Task::Example, &worker);
    assert_eq!(
        (ran.exit_code, ran.state.as_str()),
        (0, "success"),
        "{ran:#?}"
    );
    let expected = [
        (
            "warehouse",
            "vault: -mount=airflow connections/warehouse",
            Some("***"),
        ),
        ("pg", "supervisor: connections/pg", Some("***")),
        (
            "env",
            "environment_variables: AIRFLOW_CONN_ENV",
            Some("***"),
        ),
        ("absent", "not_found", None),
        (
            "vault_token",
            "vault: -mount=airflow variables/vault_token",
            Some("***"),
        ),
        (
            "vault_colour",
            "vault: -mount=airflow variables/vault_colour",
            Some("vault-colour"),
        ),
        (
            "server_token",
            "supervisor: variables/server_token",
            Some("***"),
        ),
        (
            "server_colour",
            "supervisor: variables/server_colour",
            Some("server-colour"),
        ),
        (
            "env_token",
            "environment_variables: AIRFLOW_VAR_ENV_TOKEN",
            Some("***"),
        ),
        (
            "env_colour",
            "environment_variables: AIRFLOW_VAR_ENV_COLOUR",
            Some("env-colour"),
        ),
    ];
    let expected = expected
        .map(|(id, source, value)| (id.to_owned(), source.to_owned(), value.map(str::to_owned)));
    assert_eq!(values(&ran), expected);
    for text in [&ran.log, &ran.printed] {
        assert!(!text.contains("marker"), "{text}");
    }

    // A task in Python, which logs the same, has the same hidden.
    let python = airflow.run(Task::Python, &worker);
    let shown = |ran: &Ran| {
        let lines = ran.events("resolved").into_iter();
        let lines = lines.map(|line| (line["id"].clone(), line["value"].clone()));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(shown(&python), shown(&ran), "{}", python.printed);

    // So has what a task writes to its standard output.
    let questions = airflow.file(
        "questions",
        &json!([["connection", "warehouse"], ["variable", "env_token"]]),
    );
    worker.insert("TASK_QUESTIONS".to_owned(), questions);
    let ran = airflow.run(Task::Native, &worker);
    assert_eq!(ran.output[1], "env-variable-marker");
    let lines = ran.log.lines().filter(|line| line.contains("task.stdout"));
    assert_eq!(lines.clone().count(), 2, "{}", ran.log);
    for line in lines {
        assert!(line.contains("***") && !line.contains("marker"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_knows_nothing_of_supervisors_finds_what_a_task_finds() {
    let airflow = Airflow::start(
        &json!([{"conn_id": "pg", "conn_type": "postgres", "password": "server-password-marker"}]),
        &json!([{"key": "colour", "val": "blue"}]),
    )
    .await;
    let worker = variables(&[
        ("TASK_PLAIN", "1"),
        ("AIRFLOW_CONN_ENV", "http://me:env-password-marker@host"),
    ]);
    let ran = airflow.run(Task::Native, &worker);
    // It says nothing of its end, so the API server has not heard of it.
    assert_eq!(
        (ran.exit_code, ran.state.as_str()),
        (0, "running"),
        "{ran:#?}"
    );
    for line in [
        "pg from supervisor: connections/pg: ***",
        "env from environment_variables: AIRFLOW_CONN_ENV: ***",
        "colour from supervisor: variables/colour: blue",
        "absent: not_found",
    ] {
        assert!(ran.log.contains(line), "{line}: {ran:#?}");
    }
    for text in [&ran.log, &ran.printed] {
        assert!(!text.contains("marker"), "{text}");
    }
}
