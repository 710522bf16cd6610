//! The same questions to the real Airflow and to our resolver, in the same environment, with the
//! same server.

use serde_json::{Value, json};

use crate::{
    settings::CLASS,
    support::{
        drongo::Drongo,
        google::{key_file, payload, refusal},
        served::Served,
        side_by_side::{Question, Variables, assert_same, settings},
    },
};

/// Texts as they may stand in a secret.
const CONNECTIONS: &[&str] = &[
    "postgres://u:p%2Fw@h:5432/s?sslmode=require&a=1",
    r#"{"conn_type": "http", "host": "https://é.example", "port": 8443, "extra": {"b": [1, null]}}"#,
    "",
    " ",
    "no uri",
    "http://h:port",
    r#"{"conn_type": "http""#,
    "\u{feff}http://h",
    "aws://?region_name=eu&x=%7B%22a%22%3A1%7D\n",
];

const VALUES: &[&str] = &[
    "text",
    "",
    " white \n",
    "größe 日本",
    "{\"a\": 1}",
    "\u{feff}x",
    "\u{0}",
];

fn environment(host: &str, kwargs: Value) -> Variables {
    let more = [
        ("SECRET_MANAGER_EMULATOR_HOST", host),
        ("AIRFLOW_CONN_DENIED", "http://from-the-environment"),
        ("AIRFLOW_VAR_DENIED", "from the environment"),
        ("AIRFLOW_VAR_DISABLED", "from the environment"),
        ("AIRFLOW_VAR_INVALID", "from the environment"),
        ("AIRFLOW_VAR_BYTES", "from the environment"),
        ("AIRFLOW_VAR_UNKNOWN", "from the environment"),
        ("AIRFLOW_VAR_A.B", "from the environment"),
        ("AIRFLOW_VAR_VALUE_0", "hidden by Google"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    settings(CLASS, &kwargs, &more)
}

#[tokio::test]
async fn values_ids_and_teams_in_drongo() {
    let drongo = Drongo::start().await;
    let mut questions: Vec<Question> = Vec::new();
    for (index, text) in CONNECTIONS.iter().enumerate() {
        let id = format!("kind_{index}");
        drongo
            .put("key-project", &format!("airflow-connections-{id}"), text)
            .await;
        questions.push(("connection", id, None));
    }
    for (index, text) in VALUES.iter().enumerate() {
        let id = format!("value_{index}");
        drongo
            .put("key-project", &format!("airflow-variables-{id}"), text)
            .await;
        drongo
            .put("key-project", &format!("airflow-config-{id}"), text)
            .await;
        questions.push(("variable", id.clone(), None));
        questions.push(("config", id, None));
    }
    drongo
        .put("key-project", "airflow-variables-bytes", b"\xff")
        .await;
    for id in ["x", "red--x", "y--z"] {
        drongo
            .put("key-project", &format!("airflow-variables-{id}"), id)
            .await;
        drongo
            .put("key-project", &format!("airflow-config-{id}"), id)
            .await;
        let uri = format!("http://{id}");
        drongo
            .put("key-project", &format!("airflow-connections-{id}"), uri)
            .await;
    }
    for kind in ["connection", "variable", "config"] {
        for id in [
            "x", "red--x", "y--z", "absent", "a.b", "a/b", "bytes", "denied",
        ] {
            questions.push((kind, id.to_owned(), None));
        }
    }
    let mut variables = environment(&drongo.host, json!({"gcp_keyfile_dict": key_file()}));
    assert_eq!(assert_same(&variables, &questions).await, 32);

    variables.insert("AIRFLOW__CORE__MULTI_TEAM".into(), "True".into());
    for kind in ["connection", "variable"] {
        for id in ["x", "red--x", "y--z", "absent"] {
            for team in [None, Some("red"), Some("blue"), Some("y")] {
                questions.push((kind, id.to_owned(), team));
            }
        }
    }
    assert!(assert_same(&variables, &questions).await > 30);
}

#[tokio::test]
async fn empty_prefixes_separators_and_null() {
    let drongo = Drongo::start().await;
    for name in ["-x", "x", "red--x", "-red--x", "p_x", "p_red--x"] {
        drongo.put("given", name, format!("http://{name}")).await;
    }
    let mut questions: Vec<Question> = Vec::new();
    for kind in ["connection", "variable", "config"] {
        for team in [None, Some("red")] {
            let team = team.filter(|_| kind != "config");
            questions.push((kind, "x".to_owned(), team));
        }
    }
    let kwargs = json!({
        "gcp_keyfile_dict": key_file(), "project_id": "given", "connections_prefix": "",
        "variables_prefix": null, "config_prefix": "p", "sep": "_",
    });
    drongo.put("given", "_x", "http://empty").await;
    drongo.put("given", "_red--x", "http://red").await;
    let mut variables = environment(&drongo.host, kwargs);
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".into(), "True".into());
    assert_eq!(assert_same(&variables, &questions).await, 4);
}

#[tokio::test]
async fn refusals_fall_through_to_the_environment() {
    let server = Served::by(|request| {
        let name = request.path.split("/secrets/airflow-").nth(1).unwrap();
        match name.split('/').next().unwrap() {
            name if name.ends_with("-denied") => refusal(403, "PERMISSION_DENIED", "denied"),
            name if name.ends_with("-invalid") => refusal(400, "INVALID_ARGUMENT", "invalid"),
            name if name.ends_with("-disabled") => {
                refusal(400, "FAILED_PRECONDITION", "is in DISABLED state")
            }
            name if name.ends_with("-unknown") => refusal(401, "UNAUTHENTICATED", "who?"),
            name if name.ends_with("-found") => payload("found"),
            _ => refusal(404, "NOT_FOUND", "not found"),
        }
    })
    .await;
    let host = server.url.strip_prefix("http://").unwrap();
    let variables = environment(host, json!({"gcp_keyfile_dict": key_file()}));
    let mut questions: Vec<Question> = vec![("connection", "denied".to_owned(), None)];
    for id in [
        "denied", "invalid", "disabled", "unknown", "found", "absent",
    ] {
        questions.push(("variable", id.to_owned(), None));
        questions.push(("config", id.to_owned(), None));
    }
    assert_eq!(assert_same(&variables, &questions).await, 7);
}
