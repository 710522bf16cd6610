//! Cases that a real Airflow has answered, and this crate's answers in the same form.

#[path = "../support/fields.rs"]
mod fields;

use std::{fs, path::Path};

use airflow_secrets::{Connection, Failure, Lookup, Secret};
use fields::fields_and_uri;
use serde_json::{Value, json};

/// Every case of the corpora `tests/conformance/<topic>*.jsonl`.
pub(crate) fn cases(topic: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut corpora = fs::read_dir(&folder)
        .expect("tests/conformance")
        .map(|entry| entry.expect("an entry of tests/conformance").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let is_corpus = path
                .extension()
                .is_some_and(|extension| extension == "jsonl");
            is_corpus && name.is_some_and(|name| name.starts_with(topic))
        })
        .collect::<Vec<_>>();
    corpora.sort();
    assert!(!corpora.is_empty(), "no corpus for {topic}");
    corpora
        .iter()
        .map(|path| fs::read_to_string(path).expect("a corpus"))
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| serde_json::from_str(&line).expect("a case is JSON"))
        .collect()
}

/// What this crate is to answer: as Airflow, but JSON text for a value that is no text, and an error
/// where the difference is on purpose.
fn expected(case: &Value) -> Value {
    let out = &case["out"];
    if case.get("difference").is_some() || out.get("error").is_some() {
        json!({"error": true})
    } else if let Some(json) = case.get("json") {
        json!({"value": json})
    } else {
        out.clone()
    }
}

/// A connection lookup in the corpus's form.
pub(crate) fn connection(lookup: Result<Lookup<Connection>, Failure>) -> Value {
    answer(lookup, fields_and_uri)
}

/// A lookup of a variable or configuration entry in the corpus's form.
pub(crate) fn value(lookup: Result<Lookup<Secret>, Failure>) -> Value {
    answer(lookup, |value| json!({"value": value.expose()}))
}

fn answer<T>(lookup: Result<Lookup<T>, Failure>, found: impl Fn(&T) -> Value) -> Value {
    match lookup {
        Ok(Lookup::Found { value, .. }) => found(&value),
        Ok(_) => json!({"missing": true}),
        Err(_) => json!({"error": true}),
    }
}

/// Fails with the cases whose answer is not the expected one.
pub(crate) fn assert_all_equal(cases: &[Value], answer: impl Fn(&Value) -> Value) {
    let wrong = cases
        .iter()
        .filter_map(|case| {
            let (ours, theirs) = (answer(&case["in"]), expected(case));
            (ours != theirs).then(|| format!("{case}\n  ours: {ours}"))
        })
        .collect::<Vec<_>>();
    let shown = wrong
        .iter()
        .take(40)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ:\n{shown}",
        wrong.len(),
        cases.len()
    );
}
