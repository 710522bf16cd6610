//! The committed answers of the real Airflow, made by `tests/conformance/aws.py`.

use serde_json::{Map, Value, json};

use super::{
    AwsBackend, Search, SecretsManager, Service, SystemsManagerParameterStoreBackend,
    answer::words::Words, client::Reading, kwargs, naming::SecretKind,
};
use crate::{
    ConfigurationError, Connection, Dialect, Environment, Failure, Lookup, Secret,
    backends::registry::BackendSetup, config::Kwargs,
};

mod settings;

fn cases(topic: &str) -> Vec<Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let corpus = std::fs::read_to_string(format!("{root}/tests/conformance/aws_{topic}.jsonl"));
    let corpus = corpus.unwrap();
    let cases = corpus
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    cases.collect()
}

fn made<S: Service>(given: &Value) -> Result<AwsBackend<S>, ConfigurationError> {
    let kwargs = given["kwargs"].as_object().unwrap().clone();
    let environment = Environment::default();
    kwargs::builder(BackendSetup {
        kwargs: Kwargs::new("[secrets] backend_kwargs", "a test", kwargs),
        environment: &environment,
        multi_team: given["multi_team"] == json!(true),
    })?
    .build()
}

/// The names that were asked for, and what came of them.
fn looked_up<S: Service>(backend: &AwsBackend<S>, given: &Value) -> (Vec<String>, Search) {
    let kind = match given["kind"].as_str().unwrap() {
        "connection" => SecretKind::Connections,
        "variable" => SecretKind::Variables,
        _ => SecretKind::Config,
    };
    let id = given["id"].as_str().unwrap();
    let mut asked = Search::new(backend.names.locate(kind, id, given["team"].as_str()));
    let mut names = Vec::new();
    while let Some(name) = asked.next_name() {
        let reading = match &given["answers"][names.len()] {
            Value::String(text) if text == "binary" && !S::FACTS.is_path => Reading::absent("test"),
            Value::String(text) => Reading::Found(Secret::from(text.as_str())),
            _ => Reading::absent("test"),
        };
        names.push(name.to_owned());
        asked.take(Some(Ok(reading)));
    }
    (names, asked)
}

#[test]
fn ids_are_asked_for_under_airflows_names() {
    let cases = cases("names");
    let mut refused_at_once = 0;
    for case in &cases {
        let (given, expected) = (&case["in"], &case["out"]);
        let done = match given["class"].as_str() {
            Some("secrets_manager") => {
                made::<SecretsManager>(given).map(|backend| looked_up(&backend, given))
            }
            _ => made(given)
                .map(|backend: SystemsManagerParameterStoreBackend| looked_up(&backend, given)),
        };
        let (names, asked) = match done {
            Ok(done) => done,
            // Airflow finds some of them out at a lookup, and perhaps of another kind.
            Err(error) => {
                let is_late = error.setting().contains("_lookup_pattern")
                    || error.setting().contains("\"sep\"");
                assert!(expected["error"].is_string() || is_late, "{case}: {error}");
                refused_at_once += 1;
                continue;
            }
        };
        assert_eq!(expected["error"], Value::Null, "{case}");
        let (value, skipped) = match asked.lookup() {
            Ok(Lookup::Found { value, .. }) => (json!(value.expose()), Value::Null),
            Ok(Lookup::Missing { .. }) => (Value::Null, Value::Null),
            Ok(Lookup::Skipped { reason }) => {
                let reason = reason.to_string();
                let skipped = match reason.split(':').next() {
                    Some("not configured") => "prefix",
                    Some("refused for teams") => "refused",
                    _ => "pattern",
                };
                (Value::Null, json!(skipped))
            }
            Err(failure) => panic!("{case}: {failure}"),
        };
        assert_eq!(json!(names), expected["asked"], "{case}");
        assert_eq!(value, expected["value"], "{case}");
        assert_eq!(skipped, expected["skipped"], "{case}");
    }
    assert_eq!(cases.len(), 1500);
    assert!(refused_at_once < 300, "{refused_at_once}");
}

#[test]
fn documents_come_to_what_airflow_makes_of_them() {
    let cases = cases("documents");
    let mut differences = 0;
    for case in &cases {
        let (given, expected) = (&case["in"], &case["out"]);
        let mut words = Words::airflow();
        if let Err(why) = words.add_all(&given["extra_conn_words"]) {
            // Said at once; there each document's lookup fails.
            assert!(is_bad(&given["extra_conn_words"]), "{case}: {why}");
            continue;
        }
        let Some(secret) = given["secret"].as_str() else {
            assert_eq!(expected["value"], Value::Null);
            continue;
        };
        let value = words.conn_value(secret.into(), "name");
        if value.is_err() && is_not_strict(secret) {
            differences += 1;
            continue;
        }
        match expected.get("error") {
            Some(_) => assert!(value.is_err(), "{case}"),
            None => assert_eq!(json!(value.as_ref().unwrap().expose()), expected["value"]),
        }
        let core = &expected["connection"];
        for (dialect, expected) in [
            (Dialect::Core, core),
            (Dialect::TaskSdk, expected.get("task_sdk").unwrap_or(core)),
        ] {
            let found = value
                .clone()
                .and_then(|value| Lookup::found(value, "name").into_connection("the_id", dialect));
            let ours = connection(found);
            if ours.contains_key("error") && is_refused_here(expected, secret) {
                differences += 1;
            } else if expected.get("error").is_some() {
                assert!(ours.contains_key("error"), "{case}: {ours:?}");
            } else if expected.is_null() {
                assert!(ours.is_empty(), "{case}: {ours:?}");
            } else {
                assert_eq!(&Value::from(ours), expected, "{case}");
            }
        }
    }
    assert_eq!(cases.len(), 2500);
    assert!(differences < 1000, "{differences}");
}

/// Unknown fields, and words that Python's `list.extend` does not take.
fn is_bad(words: &Value) -> bool {
    const FIELDS: &str = " user login password host port schema conn_type extra ";
    match words {
        Value::Object(words) => words.iter().any(|(field, words)| {
            !FIELDS.contains(&format!(" {field} ")) || words.is_null() || words.is_number()
        }),
        words => !words.is_null(),
    }
}

/// `NaN`, infinities and lone surrogates, which `docs/differences.md` names.
fn is_not_strict(secret: &str) -> bool {
    let odd = ["NaN", "Infinity", "1e400", "\\ud83d"];
    odd.iter().any(|odd| secret.contains(odd))
}

/// A field with a value of another type, an invalid port: `docs/differences.md` names them.
fn is_refused_here(expected: &Value, secret: &str) -> bool {
    let port = expected["port"].as_i64();
    port.is_some_and(|port| !(0..=65535).contains(&port))
        || is_not_strict(secret)
        || expected
            .as_object()
            .is_some_and(|fields| fields.values().any(|value| value.get("json").is_some()))
}

/// The fields, nothing where the secret is absent, or an error.
fn connection(found: Result<Lookup<Connection>, Failure>) -> Map<String, Value> {
    let found = match found {
        Ok(Lookup::Found { value, .. }) => value,
        Ok(_) => return Map::new(),
        Err(failure) => {
            return Map::from_iter([("error".to_owned(), json!(failure.message()))]);
        }
    };
    let secret = |secret: Option<&Secret>| json!(secret.map(Secret::expose));
    let fields = [
        ("conn_type", json!(found.conn_type())),
        ("host", json!(found.host())),
        ("login", json!(found.login())),
        ("password", secret(found.password())),
        ("schema", json!(found.schema())),
        ("port", json!(found.port())),
        ("extra", secret(found.extra())),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
