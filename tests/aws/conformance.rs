//! The committed answers of the real Airflow, made by `tests/conformance/aws.py`.

use airflow_secrets::{Connection, Dialect, Failure, Lookup, SecretsBackend};
use serde_json::{Map, Value, json};

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, environment, make, outcome, secrets_manager,
    support::wire::{Answer, Queued, Request},
};

fn cases(topic: &str) -> Vec<Value> {
    let path = format!(
        "{}/tests/conformance/aws_{topic}.jsonl",
        env!("CARGO_MANIFEST_DIR")
    );
    let corpus = std::fs::read_to_string(path).unwrap();
    let cases = corpus
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    cases.collect()
}

fn absent(code: &str) -> Answer {
    Answer::new(
        400,
        json!({"__type": code, "message": "not there"}).to_string(),
    )
}

fn answer(class: &str, given: &Value) -> Answer {
    match (class, given) {
        (SECRETS_MANAGER, Value::Null) => absent("ResourceNotFoundException"),
        (_, Value::Null) => absent("ParameterNotFound"),
        (SECRETS_MANAGER, Value::String(text)) if text == "binary" => {
            Answer::new(200, json!({"SecretBinary": "AA=="}).to_string())
        }
        (SECRETS_MANAGER, text) => Answer::new(200, json!({"SecretString": text}).to_string()),
        (_, text) => Answer::new(200, json!({"Parameter": {"Value": text}}).to_string()),
    }
}

fn asked(request: &Request) -> Value {
    let body = serde_json::from_str::<Value>(&request.body).unwrap();
    let name = body.get("SecretId").or(body.get("Name"));
    name.unwrap().clone()
}

#[tokio::test]
async fn ids_are_asked_for_under_airflows_names() {
    let cases = cases("names");
    let mut refused_at_once = 0;
    for case in &cases {
        let (given, expected) = (&case["in"], &case["out"]);
        let class = match given["class"].as_str() {
            Some("secrets_manager") => SECRETS_MANAGER,
            _ => PARAMETER_STORE,
        };
        let answers = given["answers"].as_array().unwrap().iter();
        let mut answers = answers
            .map(|given| answer(class, given))
            .collect::<Vec<_>>();
        while answers.len() < 2 {
            answers.push(answer(class, &Value::Null));
        }
        let queued = Queued::with(answers).await;
        let mut kwargs = given["kwargs"].clone();
        kwargs["endpoint_url"] = queued.url.clone().into();
        let multi_team = given["multi_team"] == json!(true);
        let made = make(class, kwargs, &environment(&[]), multi_team).await;
        let Ok((backend, _)) = made else {
            // Airflow finds out at a lookup, and perhaps of another kind.
            let is_known = expected["error"].is_string() || has_bad_setting(given);
            assert!(is_known, "{case}: {}", made.unwrap_err());
            refused_at_once += 1;
            continue;
        };
        assert_eq!(expected["error"], Value::Null, "{case}");
        let id = given["id"].as_str().unwrap();
        let team = given["team"].as_str();
        let found = match given["kind"].as_str().unwrap() {
            "connection" => match backend.get_conn_value(id, team).await {
                // The words of a document are another corpus's.
                Err(failure) => panic!("{case}: {failure}"),
                found => found,
            },
            "variable" => backend.get_variable(id, team).await,
            _ => backend.get_config(id).await,
        };
        let skipped = match &found {
            Ok(Lookup::Skipped { reason }) => match reason.to_string().split(':').next() {
                Some("not configured") => json!("prefix"),
                Some("refused for teams") => json!("refused"),
                _ => json!("pattern"),
            },
            _ => Value::Null,
        };
        let seen = queued.seen.all();
        let asked = seen.iter().map(asked).collect::<Vec<_>>();
        let value = outcome(found).ok();
        assert_eq!(json!(asked), expected["asked"], "{case}");
        assert_eq!(json!(value), expected["value"], "{case}");
        assert_eq!(skipped, expected["skipped"], "{case}");
    }
    assert_eq!(cases.len(), 1500);
    assert!(refused_at_once < 200, "{refused_at_once}");
}

/// Settings that are refused when the backend is made, here; there at a lookup that needs them.
fn has_bad_setting(given: &Value) -> bool {
    let kwargs = given["kwargs"].as_object().unwrap();
    let is_bad = |(name, value): (&String, &Value)| {
        (name == "sep" && !value.is_string()) || name.ends_with("_lookup_pattern")
    };
    kwargs.iter().any(is_bad)
}

#[tokio::test]
async fn documents_come_to_what_airflow_makes_of_them() {
    let cases = cases("documents");
    let mut differences = 0;
    for case in &cases {
        let (given, expected) = (&case["in"], &case["out"]);
        let secret = match &given["secret"] {
            Value::Null => json!({"SecretBinary": "AP8="}),
            text => json!({"SecretString": text}),
        };
        let answer = Answer::new(200, secret.to_string());
        let queued = Queued::with([answer.clone(), answer.clone(), answer]).await;
        let mut kwargs = Map::new();
        if let Some(words) = given.get("extra_conn_words") {
            kwargs.insert("extra_conn_words".to_owned(), words.clone());
        }
        kwargs.insert("endpoint_url".to_owned(), queued.url.clone().into());
        let made = make(SECRETS_MANAGER, kwargs.into(), &environment(&[]), false).await;
        let Ok((backend, _)) = made else {
            // Said at once; there each document's lookup fails.
            assert!(is_bad_words(&given["extra_conn_words"]), "{case}");
            continue;
        };
        let value = backend.get_conn_value("the_id", None).await;
        if is_not_strict(given) && value.is_err() {
            differences += 1;
            continue;
        }
        let value = outcome(value);
        match expected.get("error") {
            Some(_) => assert!(value.is_err(), "{case}"),
            None => assert_eq!(json!(value.ok()), expected["value"], "{case}"),
        }
        for (dialect, expected) in [
            (Dialect::Core, &expected["connection"]),
            (
                Dialect::TaskSdk,
                expected.get("task_sdk").unwrap_or(&expected["connection"]),
            ),
        ] {
            let ours = connection(backend.get_connection("the_id", None, dialect).await);
            let is_refused = ours.get("error").is_some() && has_no_field_of_ours(expected);
            if is_refused {
                differences += 1;
            } else if expected.get("error").is_some() {
                assert!(ours.get("error").is_some(), "{case}: {ours}");
            } else {
                assert_eq!(&ours, expected, "{case}");
            }
        }
    }
    assert_eq!(cases.len(), 2500);
    assert!(differences < 1200, "{differences}");
}

fn is_bad_words(words: &Value) -> bool {
    const FIELDS: [&str; 8] = [
        "user",
        "login",
        "password",
        "host",
        "port",
        "schema",
        "conn_type",
        "extra",
    ];
    match words {
        Value::Object(words) => words.iter().any(|(field, words)| {
            !FIELDS.contains(&field.as_str()) || words.is_null() || words.is_number()
        }),
        words => !words.is_null(),
    }
}

/// `NaN`, infinities, floats that overflow and lone surrogates, which `docs/differences.md` names.
fn is_not_strict(given: &Value) -> bool {
    let text = given["secret"].as_str().unwrap_or_default();
    ["NaN", "Infinity", "1e400", "\\ud83d"]
        .iter()
        .any(|odd| text.contains(odd))
}

/// Something in a field that has another type, a port that is none, or a URI that cannot be
/// written: `docs/differences.md` names them.
fn has_no_field_of_ours(expected: &Value) -> bool {
    let Some(fields) = expected.as_object() else {
        return false;
    };
    let port = expected["port"].as_i64();
    let is_no_port = port.is_some_and(|port| !(0..=65535).contains(&port));
    is_no_port
        || fields.values().any(|value| value.get("json").is_some())
        || expected["extra"]
            .as_str()
            .is_some_and(|extra| extra.contains("NaN"))
}

fn connection(found: Result<Lookup<Connection>, Failure>) -> Value {
    let found = match found {
        Ok(Lookup::Found { value, .. }) => value,
        Ok(_) => return Value::Null,
        Err(failure) => return json!({"error": failure.message()}),
    };
    json!({
        "conn_type": found.conn_type(), "host": found.host(), "login": found.login(),
        "password": found.password().map(|secret| secret.expose().to_owned()),
        "schema": found.schema(), "port": found.port(),
        "extra": found.extra().map(|secret| secret.expose().to_owned()),
    })
}
