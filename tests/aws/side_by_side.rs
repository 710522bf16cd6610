//! The same questions to the real Airflow and to our resolver, in the same environment, with the
//! same server.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use airflow_secrets::{Connection, Environment, Error, Resolved, Resolver, Secret};
use serde_json::{Value, json};

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, SETTINGS,
    support::{moto::moto, process::tool},
};

/// Ids that are asked as they are.
const IDS: &[&str] = &[
    "plain",
    "with space",
    "größe",
    "日本",
    "a/b/c",
    "/a",
    "a--b",
    "Mixed",
    "mixed",
    "a.b",
    "a+b=c@d",
    " blank ",
    "a:b",
    "%2F",
    "..",
    "etl_x",
    "ETL_Y",
    "xetl_",
    "tab\there",
];

const DOCUMENTS: &[&str] = &[
    "postgres://u:p%2Fw@h:5432/s?sslmode=require&a=1",
    r#"{"user": "b", "login": "a", "password": "p w", "engine": "mysql", "server": "h", "port": "1"}"#,
    r#"{"user": null, "login": "a", "conn_id": "http"}"#,
    r#" {"conn_type": "my-type", "extra": {"b": [1, null], "a": "ü"}} "#,
    r#"{"conn_type": "http", "extra": "{\"a\": 1}", "description": "dropped", "key": "k"}"#,
    r#"{"host": "h", "port": 5.0}"#,
    r#"{"host": "h", "port": "x"}"#,
    "{not json}",
    "",
    " ",
    "plain text",
    "[]",
    "aws://AKID:s%2Fk@/?region_name=eu-west-1",
];

type Variables = BTreeMap<String, String>;
type Question = (&'static str, String, Option<&'static str>);

fn settings(class: &str, url: &str, kwargs: Value) -> Variables {
    let mut kwargs = kwargs;
    kwargs["endpoint_url"] = url.into();
    let kwargs = kwargs.to_string();
    let more = [
        ("AIRFLOW__SECRETS__BACKEND", class),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "sqlite:////nowhere/airflow.db",
        ),
        ("AIRFLOW_CONN_ABSENT", "http://from-the-environment"),
        ("AIRFLOW_VAR_ABSENT", "from the environment"),
        ("AIRFLOW_VAR_PLAIN", "hidden"),
        ("no_proxy", "127.0.0.1"),
    ];
    let all = SETTINGS.iter().copied().chain(more);
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Every id as a variable, every document as a connection, and some of the rest: Airflow takes its
/// time for each.
fn questions(team: Option<&'static str>) -> Vec<Question> {
    let mut questions = vec![("connection", "absent".to_owned(), team)];
    for (index, id) in IDS.iter().chain(&["absent"]).enumerate() {
        questions.push(("variable", (*id).to_owned(), team));
        if index % 4 == 0 {
            questions.push(("connection", (*id).to_owned(), team));
            questions.push(("config", (*id).to_owned(), None));
        }
    }
    for index in 0..DOCUMENTS.len() {
        let id = format!("document_{index}");
        if index % 4 == 0 {
            questions.push(("variable", id.clone(), team));
        }
        questions.push(("connection", id, team));
    }
    questions
}

fn airflow(variables: &Variables, questions: &[Question]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    // It asks any backend, not Vault's alone.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/vault.py");
    let mut child = Command::new(tool("airflow3/bin/python"))
        .arg(script)
        .env_clear()
        .env("AIRFLOW_HOME", home.path())
        .env("HOME", home.path())
        .env("PATH", std::env::var("PATH").unwrap())
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = questions
        .iter()
        .map(|question| json!(question).to_string() + "\n");
    let lines = lines.collect::<String>();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let answers = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("answer:"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(answers.len(), questions.len(), "{stdout}");
    answers
}

async fn ours(variables: &Variables, questions: &[Question]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display().to_string();
    let homes = ["AIRFLOW_HOME", "HOME"].map(|name| (name.to_owned(), home.clone()));
    let environment = variables.clone().into_iter().chain(homes);
    let environment = environment.collect::<Environment>();
    let resolver = Resolver::from_environment(environment)
        .build()
        .await
        .unwrap();
    let mut answers = Vec::new();
    for (kind, id, team) in questions {
        let resolver = match team {
            Some(team) => resolver.clone().for_team(team).unwrap(),
            None => resolver.clone(),
        };
        answers.push(match *kind {
            "connection" => connection(resolver.get_connection(id).await),
            "variable" => text(resolver.get_variable(id).await),
            _ => text(resolver.get_config(id).await),
        });
    }
    answers
}

fn text(answer: Result<Resolved<Secret>, Error>) -> Value {
    answer.map_or(Value::Null, |secret| secret.expose().into())
}

fn connection(answer: Result<Resolved<Connection>, Error>) -> Value {
    let secret = |secret: Option<&Secret>| secret.map(|secret| secret.expose().to_owned());
    answer.map_or(Value::Null, |found| {
        json!({
            "conn_type": found.conn_type(), "description": found.description(),
            "host": found.host(), "login": found.login(), "password": secret(found.password()),
            "schema": found.schema(), "port": found.port(), "extra": secret(found.extra()),
            "uri": found.get_uri().expose(),
        })
    })
}

async fn assert_same(variables: &Variables, questions: &[Question]) {
    let asked = (variables.clone(), questions.to_vec());
    let theirs = tokio::task::spawn_blocking(move || airflow(&asked.0, &asked.1));
    let ours = ours(variables, questions).await;
    let theirs = theirs.await.unwrap();
    for ((question, theirs), ours) in questions.iter().zip(&theirs).zip(&ours) {
        assert_eq!(ours, theirs, "{question:?}");
    }
    let answered = theirs.iter().filter(|answer| !answer.is_null()).count();
    assert!(
        answered > questions.len() / 3,
        "Airflow answered {answered}"
    );
}

#[tokio::test]
async fn secrets_manager_gives_what_airflow_gives() {
    let moto = moto().await;
    for kind in ["connections", "variables", "config"] {
        for id in IDS {
            let text = match kind {
                "connections" => format!("http://{}", id.len()),
                _ => (*id).to_owned(),
            };
            moto.secret(&format!("sbs/{kind}-{id}"), &text).await;
        }
        for (index, document) in DOCUMENTS.iter().enumerate() {
            moto.secret(&format!("sbs/{kind}-document_{index}"), document)
                .await;
        }
    }
    moto.secret("sbs/variables-red--plain", "red").await;
    // The separator's characters are cut off, and then it stands between: `sbs/config-/x`.
    let mut variables = settings(
        SECRETS_MANAGER,
        &moto.url,
        json!({
            "connections_prefix": "sbs/connections--", "variables_prefix": "sbs/variables",
            "config_prefix": "sbs/config-", "sep": "-", "variables_lookup_pattern": "(?!x)[^ ]+",
            "extra_conn_words": {"host": ["remote"]},
        }),
    );
    assert_same(&variables, &questions(None)).await;
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".to_owned(), "True".to_owned());
    assert_same(&variables, &questions(Some("red"))).await;
}

#[tokio::test]
async fn the_parameter_store_gives_what_airflow_gives() {
    let moto = moto().await;
    for kind in ["connections", "variables", "config"] {
        for id in IDS.iter().filter(|id| !id.contains(':')) {
            let text = match kind {
                "connections" => format!("http://{}", id.len()),
                _ => format!("of {id}"),
            };
            moto.parameter(&format!("/sbs/{kind}/{id}"), "SecureString", &text)
                .await;
        }
        for (index, document) in DOCUMENTS.iter().enumerate() {
            if !document.is_empty() {
                let name = format!("/sbs/{kind}/document_{index}");
                moto.parameter(&name, "String", document).await;
            }
        }
    }
    moto.parameter("/sbs/connections/red--plain", "String", "http://red")
        .await;
    let mut variables = settings(
        PARAMETER_STORE,
        &moto.url,
        json!({
            "connections_prefix": "sbs/connections", "variables_prefix": "/sbs/variables//",
            "config_prefix": "/sbs/config/", "connections_lookup_pattern": "ETL|doc|plain",
        }),
    );
    variables.insert("AIRFLOW__CORE__MULTI_TEAM".to_owned(), "True".to_owned());
    let both = [questions(None), questions(Some("red"))].concat();
    assert_same(&variables, &both).await;
}
