//! The codec gives what Airflow gave, case by case, for the committed corpora.
//!
//! `tests/conformance/codec.py` made them, and says what a line holds. Where Airflow's answer has
//! `differs`, a line of `docs/differences.md` says that the answer here is an error.

// A test may panic: so it fails.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "support/fields.rs"]
mod fields;

use airflow_secrets::{Connection, ConnectionError, Dialect, Fields, Secret};
use fields::fields;
use serde_json::{Map, Value, json};

const CORE: &str = include_str!("conformance/codec-core.jsonl");
const TASK_SDK: &str = include_str!("conformance/codec-task-sdk.jsonl");

const DIFFERENCES: [&str; 4] = ["type", "port", "strict", "no-uri"];

struct Case {
    dialect: Dialect,
    given: Map<String, Value>,
    answer: Map<String, Value>,
}

fn cases(corpus: &str, at_least: usize) -> Vec<Case> {
    let cases = corpus.lines().map(|line| {
        let mut case = serde_json::from_str::<Map<String, Value>>(line).unwrap();
        let mut take = |key| case.remove(key).unwrap().as_object().unwrap().clone();
        let (given, answer) = (take("in"), take("out"));
        let dialect = match given.get("dialect") {
            None => Dialect::Core,
            Some(name) => {
                assert_eq!(name, "task-sdk");
                Dialect::TaskSdk
            }
        };
        Case {
            dialect,
            given,
            answer,
        }
    });
    let cases = cases.collect::<Vec<_>>();
    assert!(cases.len() >= at_least, "the corpus has been cut short");
    cases
}

/// Reads a case; `None` where its fields do not even have the types that `Fields` has.
fn read(case: &Case) -> Option<Result<Connection, ConnectionError>> {
    let text = |key| case.given.get(key).map(|text| text.as_str().unwrap());
    let dialect = case.dialect;
    if let Some(uri) = text("uri") {
        Some(Connection::from_uri("id", uri, dialect))
    } else if let Some(json) = text("json") {
        Some(Connection::from_json("id", json, dialect))
    } else if let Some(value) = text("value") {
        Some(Connection::from_value("id", value, dialect))
    } else {
        let fields = typed(case.given["fields"].as_object().unwrap())?;
        Some(Connection::from_fields("id", fields, dialect))
    }
}

fn typed(given: &Map<String, Value>) -> Option<Fields> {
    let mut fields = Fields::default();
    for (key, value) in given {
        let text = match value {
            Value::Null => continue,
            value => value.as_str().map(str::to_owned),
        };
        match key.as_str() {
            "conn_type" => fields.conn_type = Some(text?),
            "description" => fields.description = Some(text?),
            "host" => fields.host = Some(text?),
            "login" => fields.login = Some(text?),
            "password" => fields.password = Some(Secret::from(text?)),
            "schema" => fields.schema = Some(text?),
            "extra" => fields.extra = Some(Secret::from(text?)),
            "port" => fields.port = Some(u16::try_from(value.as_u64()?).ok()?),
            _ => return None,
        }
    }
    Some(fields)
}

fn held(connection: &Connection) -> Map<String, Value> {
    fields(connection).as_object().unwrap().clone()
}

/// All that a connection answers, in the form of the corpus.
fn answer(connection: &Connection, dialect: Dialect) -> Map<String, Value> {
    let mut answer = held(connection);
    let uri = connection.get_uri();
    match Connection::from_uri("id", uri.expose(), dialect) {
        Ok(again) => {
            let again = held(&again).into_iter();
            let changed = again
                .filter(|(key, value)| answer[key] != *value)
                .collect::<Map<_, _>>();
            if !changed.is_empty() {
                answer.insert("again".to_owned(), Value::Object(changed));
            }
        }
        Err(_) => {
            answer.insert("again".to_owned(), json!("an error"));
        }
    }
    answer.insert("uri".to_owned(), json!(uri.expose()));
    match connection.as_json() {
        Ok(json) => answer.insert("as_json".to_owned(), json!(json.expose())),
        Err(_) => answer.insert("as_json_differs".to_owned(), json!("strict")),
    };
    answer
}

/// The classes of Airflow's errors are its own.
fn without_error_class(mut answer: Map<String, Value>) -> Map<String, Value> {
    if let Some(again) = answer.get_mut("again")
        && again.get("error").is_some()
    {
        *again = json!("an error");
    }
    answer
}

fn assert_matches(corpus: &str, at_least: usize) {
    let mut wrong = Vec::new();
    for (index, case) in cases(corpus, at_least).into_iter().enumerate() {
        let expects_error = if let Some(difference) = case.answer.get("differs") {
            assert!(DIFFERENCES.iter().any(|known| difference == known));
            true
        } else {
            case.answer.contains_key("error")
        };
        let ours = read(&case).and_then(Result::ok);
        let ours = ours.map(|connection| answer(&connection, case.dialect));
        let expected = (!expects_error).then(|| without_error_class(case.answer));
        if ours != expected {
            let given = Value::Object(case.given);
            wrong.push(format!(
                "line {}: {given}\n  Airflow {expected:?}\n  here    {ours:?}",
                index + 1
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_core_dialect_answers_like_the_core() {
    assert_matches(CORE, 5000);
}

#[test]
fn the_task_sdk_dialect_answers_like_the_task_sdk() {
    assert_matches(TASK_SDK, 2500);
}

/// `extra_dejson` gives what stands in `as_json`, which the corpora have from Airflow.
#[test]
fn extra_dejson_is_the_json_that_airflow_reads() {
    let mut compared = 0;
    for case in cases(CORE, 5000).into_iter().chain(cases(TASK_SDK, 2500)) {
        let Some(as_json) = case.answer.get("as_json").and_then(Value::as_str) else {
            continue;
        };
        // Deeper than this, serde_json does not read.
        let Ok(as_json) = serde_json::from_str::<Value>(as_json) else {
            continue;
        };
        let connection = read(&case).unwrap().unwrap();
        let extra = connection.extra_dejson().unwrap();
        match as_json.get("extra") {
            Some(expected) => assert_eq!(&extra, expected),
            None => assert!(is_empty(&extra), "{extra}"),
        }
        compared += 1;
    }
    assert!(compared > 4000, "only {compared} compared");
}

fn is_empty(value: &Value) -> bool {
    [
        json!({}),
        json!([]),
        json!(""),
        json!(null),
        json!(false),
        json!(0),
        json!(0.0),
        json!(-0.0),
    ]
    .contains(value)
}
