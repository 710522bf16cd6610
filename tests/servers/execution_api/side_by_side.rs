//! The same questions to a Python task of the real Airflow and to our resolver, with the same server,
//! secrets backend and environment.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use airflow_secrets::{
    Environment, ErrorKind, Resolver, Secret, backends::execution_api::ExecutionApiCredential,
};
use serde_json::{Value, json};

use crate::{
    TASK, server,
    support::{
        execution_api::{claims, signed, token},
        process::tool,
    },
};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../conformance/execution_api.py"
);

pub(crate) type Question = (&'static str, String);

/// Texts that some encoding changes.
const ODD: [&str; 12] = [
    "plain",
    "",
    "a b",
    "é",
    "p@ss:w/rd",
    "a&b=c",
    "a+b",
    "\"quoted\"",
    "\\",
    "{}",
    "日本",
    "$HOME",
];

const TYPES: [&str; 4] = ["postgres", "http", "google_cloud_platform", "Odd-Type_1"];

/// What odd ids consist of; Airflow's client sends them as they are (EXEC-1), and these arrive.
const ODD_IDS: [&str; 12] = [
    "a b", "é", "日本", "a+b", "a&b", "a=b", "a:b", "a@b", "a,b", "a;b", "a!b", "~a_b-c.d",
];

/// How many connections, and variables, only this test has.
const EACH: usize = 60;

/// Rows of the metadata DB: connections and variables in turn.
pub(crate) fn rows() -> (Vec<Value>, Vec<Value>) {
    let odd = |n: usize| ODD[n % ODD.len()];
    let connections = (0..EACH).map(|n| {
        let field = |every: usize, value: &str| (n % every != 0).then(|| value.to_owned());
        json!({
            "conn_id": format!("side_{n}"),
            "conn_type": TYPES[n % TYPES.len()],
            "description": "not given on",
            "host": field(3, odd(n)), "login": field(4, odd(n + 1)),
            "password": field(5, odd(n + 2)), "schema": field(6, odd(n + 3)),
            "port": (n % 7 != 0).then_some(n * 1000),
            "extra": field(2, &json!({"key": odd(n), "list": [1, odd(n + 1)]}).to_string()),
        })
    });
    let variables = (0..EACH).map(|n| json!({"key": format!("side_{n}"), "val": odd(n)}));
    let odd_variables = ODD_IDS
        .iter()
        .map(|id| json!({"key": format!("side/{id}"), "val": id}));
    (
        connections.collect(),
        variables.chain(odd_variables).collect(),
    )
}

fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for n in 0..EACH {
        questions.push(("connection", format!("side_{n}")));
        questions.push(("variable", format!("side_{n}")));
    }
    for n in 0..40 {
        questions.push(("connection", format!("nowhere_{n}")));
        questions.push(("variable", format!("nowhere_{n}")));
        questions.push(("connection", format!("of_file_{n}")));
        questions.push(("variable", format!("of_file_{n}")));
    }
    for id in ODD_IDS {
        questions.push(("connection", id.to_owned()));
        questions.push(("variable", id.to_owned()));
        questions.push(("variable", format!("side/{id}")));
    }
    let more = [
        "keys",
        "keys/",
        "a/b",
        "one//two",
        "/leading",
        "trailing/",
        "empty",
        "colour",
        "json",
        "pg",
        "bare",
        "cipher",
        "no_json",
        "empty_password",
        "of_red",
        "A",
        "Z",
        "z_z",
        "-",
        "_",
    ];
    for id in more {
        questions.push(("connection", id.to_owned()));
        questions.push(("variable", id.to_owned()));
    }
    questions.push(("variable", "x".repeat(250)));
    questions
}

/// What both see: a file as the worker's backend and variables, some of which the server has too.
fn environment(folder: &std::path::Path) -> BTreeMap<String, String> {
    let (connections, variables) = (
        folder.join("connections.json"),
        folder.join("variables.json"),
    );
    let (mut of_file, mut texts) = (serde_json::Map::new(), serde_json::Map::new());
    for n in 0..20 {
        let uri = format!("http://file:{n}@host_{n}/?a={n}");
        of_file.insert(format!("of_file_{n}"), uri.clone().into());
        texts.insert(format!("of_file_{n}"), ODD[n % ODD.len()].into());
        // In several places at once.
        of_file.insert(format!("side_{}", 3 * n), uri.into());
        texts.insert(format!("side_{}", 3 * n), format!("file {n}").into());
    }
    std::fs::write(&connections, Value::from(of_file).to_string()).unwrap();
    std::fs::write(&variables, Value::from(texts).to_string()).unwrap();
    let kwargs = json!({"connections_file_path": connections, "variables_file_path": variables});
    let home = folder.display().to_string();
    let backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend";
    let mut environment = BTreeMap::from([
        ("AIRFLOW_HOME".to_owned(), home.clone()),
        ("HOME".to_owned(), home),
        (
            "AIRFLOW__WORKERS__SECRETS_BACKEND".to_owned(),
            backend.to_owned(),
        ),
        (
            "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS".to_owned(),
            kwargs.to_string(),
        ),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES".to_owned(),
            "1".to_owned(),
        ),
        (
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT".to_owned(),
            "60".to_owned(),
        ),
    ]);
    for n in 0..30 {
        let name = |kind: &str, n: usize| format!("AIRFLOW_{kind}_SIDE_{n}");
        environment.insert(
            name("CONN", 2 * n),
            format!("ftp://env_{n}:p%40ss@host?b=%2F{n}"),
        );
        environment.insert(name("VAR", 2 * n), format!("environment {n}"));
    }
    environment.insert("AIRFLOW_VAR_SIDE_59".to_owned(), String::new());
    environment.insert("AIRFLOW_CONN_SIDE_59".to_owned(), String::new());
    environment.insert("AIRFLOW_CONN_SIDE_57".to_owned(), "{not json".to_owned());
    environment
}

/// The answers of a task in Python.
pub(crate) fn airflow(
    environment: &BTreeMap<String, String>,
    token: &str,
    questions: &[Question],
) -> Vec<Value> {
    let mut child = Command::new(tool("airflow3/bin/python"))
        .arg(SCRIPT)
        .env_clear()
        .envs(environment)
        .env(
            "EXECUTION_API",
            &environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"],
        )
        .env("TOKEN", token)
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
        .filter_map(|line| line.strip_prefix("answer:"));
    let answers = answers.map(|line| serde_json::from_str(line).unwrap());
    let answers = answers.collect::<Vec<Value>>();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(answers.len(), questions.len(), "{stdout}{stderr}");
    answers
}

/// Ours.
pub(crate) async fn ours(
    environment: &BTreeMap<String, String>,
    token: &str,
    questions: &[Question],
) -> Vec<Value> {
    let (environment, token) = (environment.clone(), token.to_owned());
    let resolver = Resolver::from_environment(environment.into_iter().collect::<Environment>())
        .worker()
        .execution_api(move |api| api.credential(ExecutionApiCredential::token(token.as_str())))
        .build()
        .await
        .unwrap();
    let mut answers = Vec::new();
    for (kind, id) in questions {
        let answer = match *kind {
            "connection" => resolver.get_connection(id).await.map(|found| {
                let secret = |secret: Option<&Secret>| secret.map(|s| s.expose().to_owned());
                json!({
                    "conn_type": found.conn_type(), "description": found.description(),
                    "host": found.host(), "login": found.login(),
                    "password": secret(found.password()), "schema": found.schema(),
                    "port": found.port(), "extra": secret(found.extra()),
                    "uri": found.get_uri().expose(),
                })
            }),
            _ => resolver
                .get_variable(id)
                .await
                .map(|found| json!(found.expose())),
        };
        answers.push(answer.unwrap_or_else(|error| match error.kind() {
            ErrorKind::AccessDenied => json!({"denied": true}),
            _ => Value::Null,
        }));
    }
    answers
}

/// The answers of both.
async fn both(token: &str, questions: Vec<Question>) -> Vec<(Question, Value, Value)> {
    let url = server().await.url.clone();
    let folder = tempfile::tempdir().unwrap();
    let mut environment = environment(folder.path());
    environment.insert("AIRFLOW__CORE__EXECUTION_API_SERVER_URL".to_owned(), url);
    let asked = (environment.clone(), token.to_owned(), questions.clone());
    let theirs = tokio::task::spawn_blocking(move || airflow(&asked.0, &asked.1, &asked.2));
    let ours = ours(&environment, token, &questions).await;
    let pairs = theirs.await.unwrap().into_iter().zip(ours);
    let all = questions.into_iter().zip(pairs);
    all.map(|(question, (theirs, ours))| (question, theirs, ours))
        .collect()
}

#[tokio::test]
async fn a_task_gets_the_same_answers_as_in_python() {
    let answers = both(&token(TASK), questions()).await;
    for (question, theirs, ours) in &answers {
        assert_eq!(ours, theirs, "{question:?}");
    }
    let found = answers.iter().filter(|(_, theirs, _)| !theirs.is_null());
    assert_eq!((answers.len(), found.count()), (357, 183));
}

#[tokio::test]
async fn a_denial_is_one_for_both_where_no_source_comes_before() {
    let ended = signed(&claims(TASK, -60));
    let asked = ["side_1", "side_2", "nowhere", "colour"];
    let of = |kind| asked.map(|id| (kind, id.to_owned())).into_iter();
    let answers = both(&ended, of("connection").chain(of("variable")).collect()).await;
    let mut denied = 0;
    for (question, theirs, ours) in &answers {
        assert_eq!(ours, theirs, "{question:?}");
        denied += usize::from(*theirs == json!({"denied": true}));
    }
    // The environment defines the other two.
    assert_eq!(denied, 6);
}

/// Each of these is in docs/differences.md: Airflow's client encodes nothing and answers about another id.
#[tokio::test]
async fn an_id_that_airflows_client_changes_is_asked_for_as_it_is() {
    let cases = [
        ("variable", "odd ?#%25&+é", Value::Null, json!("odd")),
        ("variable", "colour?x", json!("a-blue-marker"), Value::Null),
        ("variable", "colour#x", json!("a-blue-marker"), Value::Null),
        (
            "variable",
            "x/../colour",
            json!("a-blue-marker"),
            Value::Null,
        ),
        ("variable", "co%6Cour", json!("a-blue-marker"), Value::Null),
    ];
    let questions = cases.iter().map(|(kind, id, ..)| (*kind, (*id).to_owned()));
    let answers = both(&token(TASK), questions.collect()).await;
    for ((question, theirs, ours), (.., expected, here)) in answers.iter().zip(&cases) {
        assert_eq!((theirs, ours), (expected, here), "{question:?}");
    }
}
