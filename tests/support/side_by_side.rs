//! The same questions to the real Airflow and to our resolver, in the same environment.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use airflow_secrets::{
    Connection, Environment, Error, FromEnvironment, Resolved, Resolver, Secret,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::process::tool;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/lookups.py");

/// All that either of them sees of its surroundings, but for a home of its own.
pub(crate) type Variables = BTreeMap<String, String>;

/// One question: its kind, its id, and the team that asks.
pub(crate) type Question = (&'static str, String, Option<&'static str>);

/// The settings of a secrets backend, and more variables beside them.
pub(crate) fn settings(class: &str, kwargs: &Value, more: &[(&str, &str)]) -> Variables {
    let kwargs = kwargs.to_string();
    let settings = [
        ("AIRFLOW__SECRETS__BACKEND", class),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "sqlite:////nowhere/airflow.db",
        ),
    ];
    let all = settings.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Asserts that both give the same answers, and some; how many they give.
pub(crate) async fn assert_same(variables: &Variables, questions: &[Question]) -> usize {
    assert_same_by(variables, questions, |resolver| resolver).await
}

/// The same, where our resolver needs what `adapted` adds to the settings.
pub(crate) async fn assert_same_by(
    variables: &Variables,
    questions: &[Question],
    adapted: impl FnOnce(FromEnvironment) -> FromEnvironment,
) -> usize {
    let asked = (variables.clone(), questions.to_vec());
    let theirs = tokio::task::spawn_blocking(move || airflow(&asked.0, &asked.1));
    let ours = try_ours_by(variables, questions, adapted).await.unwrap();
    let theirs = theirs.await.unwrap();
    for ((question, theirs), ours) in questions.iter().zip(&theirs).zip(&ours) {
        assert_eq!(ours, theirs, "{question:?}");
    }
    let answered = theirs.iter().filter(|answer| !answer.is_null()).count();
    assert!(answered > 0, "Airflow answered nothing at all");
    answered
}

/// What the real Airflow answers. A question may be any that `lookups.py` takes.
pub(crate) fn airflow(variables: &Variables, questions: &[impl Serialize]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(tool("airflow3/bin/python"))
        .arg(SCRIPT)
        .env_clear()
        .env("AIRFLOW_HOME", home.path())
        .env("HOME", home.path())
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
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
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(answers.len(), questions.len(), "{stdout}{stderr}");
    answers
}

/// What our resolver answers.
#[allow(dead_code)] // Not for every test.
pub(crate) async fn ours(variables: &Variables, questions: &[Question]) -> Vec<Value> {
    try_ours(variables, questions).await.unwrap()
}

/// The same, or the error that it is not to be made.
#[allow(dead_code)] // Not for every test.
pub(crate) async fn try_ours(
    variables: &Variables,
    questions: &[Question],
) -> Result<Vec<Value>, Error> {
    try_ours_by(variables, questions, |resolver| resolver).await
}

async fn try_ours_by(
    variables: &Variables,
    questions: &[Question],
    adapted: impl FnOnce(FromEnvironment) -> FromEnvironment,
) -> Result<Vec<Value>, Error> {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display().to_string();
    let mut environment =
        Variables::from(["AIRFLOW_HOME", "HOME"].map(|name| (name.to_owned(), home.clone())));
    environment.extend(variables.clone());
    let environment = environment.into_iter().collect::<Environment>();
    let resolver = adapted(Resolver::from_environment(environment));
    let resolver = resolver.build().await?;
    let mut answers = Vec::new();
    for (kind, id, team) in questions {
        let resolver = match team {
            Some(team) => resolver.clone().for_team(team)?,
            None => resolver.clone(),
        };
        answers.push(match *kind {
            "connection" => connection(resolver.get_connection(id).await),
            "variable" => text(resolver.get_variable(id).await),
            _ => text(resolver.get_config(id).await),
        });
    }
    Ok(answers)
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
