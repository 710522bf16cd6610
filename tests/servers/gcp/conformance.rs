//! Which secrets are asked for, in which project, for settings, environments, ids and teams at
//! random: as the real Airflow's class does.

use std::{collections::BTreeMap, path::Path, process::Command};

use airflow_secrets::Resolver;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    settings,
    support::{
        google::{private_key, refusal},
        process::tool,
        served::Served,
    },
};

const GENERATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/gcp.py");
const CORPUS: &str = include_str!("../../conformance/gcp.jsonl");

#[derive(Debug, Deserialize)]
struct Case {
    kwargs: Value,
    environment: Value,
    files: BTreeMap<String, Value>,
    multi_team: bool,
    questions: Vec<(String, String, Option<String>)>,
    out: Out,
}

#[derive(Debug, Deserialize)]
struct Out {
    /// The resources that were asked for, for each question; none where there was an error.
    names: Option<Vec<Vec<String>>>,
}

/// Puts the folder and the key where a case wants them, however deep the JSON in it is.
fn fill(value: &Value, folder: &Path) -> Value {
    match value {
        Value::String(text) if text == "PRIVATE_KEY" => private_key().into(),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ Value::Object(_)) => fill(&inner, folder).to_string().into(),
            _ => text.replace("FOLDER", &folder.display().to_string()).into(),
        },
        Value::Array(values) => values.iter().map(|value| fill(value, folder)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), fill(value, folder)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

async fn assert_same(line: &str) {
    let case = serde_json::from_str::<Case>(line).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &case.files {
        let content = fill(content, folder.path()).to_string();
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let server = Served::by(|_| refusal(404, "NOT_FOUND", "nothing is here")).await;
    let environment = fill(&case.environment, folder.path());
    let mut variables = vec![
        (
            "AIRFLOW__CORE__MULTI_TEAM",
            if case.multi_team { "True" } else { "False" },
        ),
        (
            "SECRET_MANAGER_EMULATOR_HOST",
            server.url.strip_prefix("http://").unwrap(),
        ),
    ];
    let given = environment.as_object().unwrap().iter();
    variables.extend(given.map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
    let built = settings::resolver(fill(&case.kwargs, folder.path()), &variables).await;
    let (resolver, theirs) = match (built, &case.out.names) {
        (Ok(resolver), Some(names)) => (resolver, names),
        (Err(_), None) => return,
        // What no name can begin with is refused here.
        (Err(why), Some(_)) if why.contains("the name of a secret has only") => {
            assert!(has_impossible_prefix(&case.kwargs), "{line}\nours: {why}");
            return;
        }
        (ours, _) => panic!("{line}\nours: {ours:?}"),
    };
    for (question, theirs) in case.questions.iter().zip(theirs) {
        server.seen.clear();
        ask(&resolver, question).await;
        let paths = server.seen.all();
        let ours = paths.iter().map(|request| {
            let path = request.path.strip_prefix("/v1/").unwrap();
            path.split_once(":access").unwrap().0.to_owned()
        });
        let can_be = theirs
            .iter()
            .filter(|name| can_be_a_resource(name))
            .cloned();
        assert_eq!(
            ours.collect::<Vec<_>>(),
            can_be.collect::<Vec<_>>(),
            "{question:?} of {line}"
        );
    }
}

fn has_impossible_prefix(kwargs: &Value) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    [
        "connections_prefix",
        "variables_prefix",
        "config_prefix",
        "sep",
    ]
    .iter()
    .filter_map(|name| kwargs.get(*name)?.as_str())
    .any(|prefix| !prefix.chars().all(is_plain))
}

/// What no secret can be called is not sent; Google would say that its name is invalid.
fn can_be_a_resource(resource: &str) -> bool {
    let name = resource.split_once("/secrets/").unwrap().1;
    let name = name.strip_suffix("/versions/latest").unwrap();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (1..=255).contains(&name.len()) && name.chars().all(is_plain)
}

async fn ask(resolver: &Resolver, (kind, id, team): &(String, String, Option<String>)) {
    let resolver = match team {
        Some(team) => resolver.clone().for_team(team).unwrap(),
        None => resolver.clone(),
    };
    let answered = match kind.as_str() {
        "connection" => resolver.get_connection(id).await.is_ok(),
        "variable" => resolver.get_variable(id).await.is_ok(),
        _ => resolver.get_config(id).await.is_ok(),
    };
    assert!(!answered, "nobody has {id:?}");
}

#[tokio::test]
async fn the_committed_cases() {
    let mut answered = 0;
    for line in CORPUS.lines() {
        answered += usize::from(line.contains("\"names\""));
        assert_same(line).await;
    }
    assert!(answered > 100, "{answered} of the cases are no errors");
}

#[tokio::test]
async fn cases_of_this_run() {
    let seed = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        .to_string();
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(tool("airflow3/bin/python"))
        .args([GENERATOR, "--cases", "40", "--seed", &seed])
        .env("AIRFLOW_HOME", home.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 40);
    for line in lines.lines() {
        assert_same(line).await;
    }
}
