//! A native task and one in Python, on the same server, backend and environment, get the same answers.

use serde_json::{Value, json};

use crate::{
    native_task::in_vault,
    support::openbao::OpenBao,
    worker::{Airflow, Task},
};

/// Where something is defined.
const SOURCES: [&str; 3] = ["vault", "env", "server"];

/// Ids that mean something else in a path, a URL or a variable's name.
const ODD: [&str; 46] = [
    "a b", " a", "a ", "a/b", "/a", "a/", "a//b", "a.b", "..a", "a..", "a:b", "a@b", "a&b", "a=b",
    "a+b", "a,b", "a;b", "a'b", "a\"b", "a\\b", "a|b", "a<b>", "[a]", "{a}", "(a)", "a*b", "a!b",
    "a$b", "$HOME", "~", "50%", "%", "%zz", "a%b%", "é", "ß", "İ", "日本", "😀", "a\u{301}", "A",
    "a_B-c", "Keyz", "null", "0", "-1",
];

/// Ids that the supervisor asks for as another: the listed difference.
const CHANGED: [&str; 8] = [
    "x/../plain",
    "../variables/plain",
    "plain?x",
    "plain#x",
    "pl%61in",
    "./plain",
    "keys",
    "plain?",
];

/// Values of connections that are read in several ways.
const URIS: [&str; 14] = [
    "postgres://app:p%2Fw@db.example.com:5432/orders?sslmode=require",
    "http://",
    "https://token:@host",
    "aws://key:s%3D@/?region_name=eu&b=1",
    "mysql://db/?a=1&a=2",
    "jdbc:postgresql://app:s3cret@db/app",
    "http://https%3A%2F%2Fexample.com/path",
    "google-cloud-platform://?extra__google__a=%7B%7D",
    "ssh://me@host:0",
    r#"{"conn_type": "http", "host": "h", "extra": {"a": [1, null]}}"#,
    r#"{"conn_type": "http", "port": "8080", "extra": "{\"token\": \"t0k3n\"}"}"#,
    r#"{"uri": "postgres://db"}"#,
    "postgres://[::1]:5432/x",
    "sqlite:///relative.db",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_native_task_gets_the_answers_of_one_in_python() {
    let vault = OpenBao::dev().await;
    vault.mount_kv("airflow", 2).await;
    let mut worker = in_vault(&vault);
    let (mut connections, mut variables, mut questions) = (Vec::new(), Vec::new(), Vec::new());
    // Each set of sources, with each value.
    for (number, uri) in URIS.iter().enumerate() {
        for sources in 0..8 {
            let id = format!("id_{number}_{sources}");
            for (bit, source) in SOURCES.iter().enumerate() {
                if sources >> bit & 1 == 0 {
                    continue;
                }
                let value = format!("{source} {id}");
                match *source {
                    "vault" => {
                        let connection = json!({"conn_uri": uri});
                        vault
                            .put("airflow", &format!("connections/{id}"), connection)
                            .await;
                        let variable = json!({"value": value});
                        vault
                            .put("airflow", &format!("variables/{id}"), variable)
                            .await;
                    }
                    "env" => {
                        let name = id.to_uppercase();
                        worker.insert(format!("AIRFLOW_CONN_{name}"), (*uri).to_owned());
                        worker.insert(format!("AIRFLOW_VAR_{name}"), value);
                    }
                    _ => {
                        connections.push(json!({
                            "conn_id": id, "conn_type": "http", "host": value, "login": "",
                            "password": "p@ss/w", "port": number, "schema": "s",
                            "extra": if number % 2 == 0 { r#"{"a": "1", "b": [2, {}], "token": "t"}"# } else { "" },
                        }));
                        variables.push(json!({"key": id, "val": value}));
                    }
                }
            }
            questions.push(("connection", id.clone()));
            questions.push(("variable", id));
        }
    }
    // Odd ids on the server, every second one in the environment as well.
    for (number, id) in ODD.iter().enumerate() {
        let may_be_an_id = !id.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        if may_be_an_id {
            connections.push(
                json!({"conn_id": id, "conn_type": "http", "host": format!("server {number}")}),
            );
        }
        variables.push(json!({"key": id, "val": format!("server {number}")}));
        if number % 2 == 0 {
            let name = id.to_uppercase();
            if !name.contains('=') {
                worker.insert(format!("AIRFLOW_VAR_{name}"), format!("env {number}"));
            }
        }
        questions.push(("connection", (*id).to_owned()));
        questions.push(("variable", (*id).to_owned()));
    }
    for (key, value) in [
        ("empty", ""),
        ("plain", "plain"),
        ("json", "{\"a\": 1}"),
        ("lines", "a\nb"),
    ] {
        variables.push(json!({"key": key, "val": value}));
        questions.push(("variable", key.to_owned()));
    }
    assert!(questions.len() >= 300, "{}", questions.len());
    let compared = questions.len();
    questions.extend(CHANGED.map(|id| ("variable", id.to_owned())));
    let airflow = Airflow::start(&json!(connections), &json!(variables)).await;

    let asked = json!(questions);
    let (native, python) = tokio::task::block_in_place(|| {
        let native = airflow.answers(Task::Native, &asked, &worker);
        (native, airflow.answers(Task::Python, &asked, &worker))
    });
    let is_answer = |answer: &&Value| answer.get("error").is_none();
    let all = questions.iter().zip(native.iter().zip(&python));
    let all = all.collect::<Vec<_>>();
    let (compared, changed) = all.split_at(compared);
    let mut unlike = Vec::new();
    for (question, (native, python)) in compared {
        let is_like = match (native.get("error"), python.get("error")) {
            (Some(_), Some(_)) => true,
            _ => native == python,
        };
        if !is_like {
            unlike.push(format!("{question:?}: {native} is not {python}"));
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    let answered = compared.iter().filter(|(_, (native, _))| is_answer(native));
    let answered = answered.count();
    assert!(answered > 200, "{answered}");
    // SUP-1: what Python's task gets is another variable's value, or nothing.
    for (question, (native, _)) in changed {
        assert_eq!(native["error"], "not_found", "{question:?}");
    }
    let others = changed
        .iter()
        .filter(|(_, (_, python))| **python == "plain");
    assert_eq!(others.count(), 7);
}
