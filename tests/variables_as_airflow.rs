//! A variable with and without a default, as text and as JSON, is what a real Airflow gives: the corpus of
//! `tests/conformance/variables.py`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helpers may fail the test"
)]

use std::fs;

use airflow_secrets::{Error, ErrorKind, Failure, Resolver, backends::memory::MemoryBackend};
use serde_json::{Value, json};

async fn ask(case: &Value) -> Result<Value, Error> {
    let backend = MemoryBackend::new("mine");
    match &case["source"] {
        Value::Object(held) => backend.set_variable("key", held["value"].as_str().unwrap()),
        text if text == "down" => backend.go_down(Failure::unavailable("no route")),
        _ => {}
    }
    let resolver = Resolver::builder().backend(backend).build();
    let is_json = case["deserialize_json"] == true;
    let found = match case["default"].as_str() {
        // As `get_variable_or` documents it: a default beside JSON is a value of its own.
        Some(default) if is_json => match resolver.find_variable("key").await? {
            Some(found) => found,
            None => return Ok(json!({"text": default})),
        },
        Some(default) => resolver.get_variable_or("key", default).await?,
        None => resolver.get_variable("key").await?,
    };
    if is_json {
        Ok(json!({"json": found.json::<Value>()?}))
    } else {
        Ok(json!({"text": found.expose()}))
    }
}

/// What Airflow gave, with its JSON read.
fn theirs(answer: &Value) -> Value {
    match answer["json"].as_str() {
        Some(text) => json!({"json": serde_json::from_str::<Value>(text).unwrap_or_default()}),
        None => answer.clone(),
    }
}

#[tokio::test]
async fn a_variable_and_its_default_are_what_airflow_gives_on_both_sides() {
    let corpus = fs::read_to_string("tests/conformance/variables.jsonl").unwrap();
    let mut cases = 0;
    for case in corpus.lines() {
        let case = serde_json::from_str::<Value>(case).unwrap();
        let ours = ask(&case).await;
        let text = case["source"]["value"].as_str().unwrap_or_default();
        let is_loose = ["NaN", "-Infinity", "1e400", "\"\\ud800\""].contains(&text);
        for side in ["server", "task"] {
            let theirs = theirs(&case[side]);
            match &ours {
                Ok(ours) => assert_eq!(*ours, theirs, "{side}: {case}"),
                Err(error) => match error.kind() {
                    ErrorKind::NotFound => {
                        let name = theirs["error"].as_str();
                        assert!(matches!(name, Some("KeyError" | "VARIABLE_NOT_FOUND")));
                        assert_eq!(case["source"], "missing", "{case}");
                    }
                    // RES-13: Airflow gives the default, or says that the variable does not exist.
                    ErrorKind::Unavailable => assert_eq!(case["source"], "down", "{case}"),
                    // RES-14: a task takes what is not JSON for a variable that does not exist.
                    ErrorKind::InvalidValue if !is_loose => {
                        assert_eq!(
                            case["server"],
                            json!({"error": "JSONDecodeError"}),
                            "{case}"
                        );
                    }
                    // CODEC-3.
                    kind => assert!(is_loose && kind == ErrorKind::InvalidValue, "{case}"),
                },
            }
        }
        cases += 1;
    }
    assert!(cases > 150, "{cases}");
}

#[tokio::test]
async fn a_default_is_an_answer_that_says_so_and_lists_where_the_sources_looked() {
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine"))
        .build();
    let colour = resolver.get_variable_or("colour", "hunter2").await.unwrap();
    assert_eq!(colour.expose(), "hunter2");
    assert_eq!(colour.source().to_string(), "default: given by the caller");
    assert_eq!(
        colour.report().to_string(),
        "mine (variable colour) missing"
    );
    assert!(!format!("{colour:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_default_never_hides_an_outage_a_denial_an_invalid_value_or_an_invalid_id() {
    for (failure, kind) in [
        (Failure::unavailable("no route"), ErrorKind::Unavailable),
        (Failure::access_denied("403"), ErrorKind::AccessDenied),
        (Failure::invalid_value("cut off"), ErrorKind::InvalidValue),
    ] {
        let backend = MemoryBackend::new("mine");
        backend.go_down(failure);
        let resolver = Resolver::builder()
            .backend(backend)
            .backend(MemoryBackend::new("last"))
            .build();
        let error = resolver
            .get_variable_or("colour", "blue")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine"))
        .build();
    let error = resolver.get_variable_or("", "blue").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidId);
}

#[test]
fn json_is_read_by_pythons_rules_into_a_type_of_the_programs_own() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    enum Kind {
        Fast,
        Level(i64),
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Options {
        kind: Kind,
        other: Kind,
        name: Option<String>,
        zero: i64,
        large: u128,
        ports: std::collections::BTreeMap<u16, f64>,
    }
    let text = r#"{"kind": "Fast", "other": {"Level": 1}, "other": {"Level": -2}, "name": null, "zero": -0,
                   "large": 7, "ports": {}}"#;
    let options = Options {
        kind: Kind::Fast,
        other: Kind::Level(-2),
        name: None,
        zero: 0,
        large: 7,
        ports: [].into(),
    };
    let secret = airflow_secrets::Secret::from(text);
    assert_eq!(secret.json::<Options>().unwrap(), options);
    let keys = airflow_secrets::Secret::from(r#"{"5432": 1}"#);
    let ports = keys.json::<std::collections::BTreeMap<u16, f64>>().unwrap();
    assert_eq!(ports, [(5432, 1.0)].into());
    let large = airflow_secrets::Secret::from("340282366920938463463374607431768211455");
    assert_eq!(large.json::<u128>().unwrap(), u128::MAX);
    let raw = airflow_secrets::Secret::from("[1, 2]");
    let raw = raw.json::<Box<serde_json::value::RawValue>>().unwrap();
    assert_eq!(raw.get(), "[1, 2]");
}
