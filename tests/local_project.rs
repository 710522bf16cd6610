//! A project's files: what the real Airflow exported, and an Astro project's `airflow_settings.yaml`.

#![allow(
    clippy::format_push_string,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test's helpers may fail the test"
)]

#[path = "support/fields.rs"]
mod fields;
#[path = "local_filesystem_cases/folder.rs"]
mod folder;

use std::{fs, path::PathBuf};

use airflow_secrets::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions, SkipReason},
    backends::local_filesystem::{LocalProjectBackend, LocalProjectBuilder},
};
use fields::fields_and_uri;
use folder::Folder;
use serde_json::{Value, json};

fn exports() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/exports")
}

/// What Airflow answers of an id: where it exported it, and after it imported each file.
fn answers(kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(exports().join("answers.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

fn exported(file: &str) -> LocalProjectBackend {
    let path = exports().join(file).to_str().unwrap().to_owned();
    let builder = LocalProjectBackend::builder();
    if file.starts_with("connections") {
        builder.connections_export(path).build()
    } else {
        builder.variables_export(path).build()
    }
}

/// A connection as the answers have it.
fn connection(lookup: Result<Lookup<Connection>, Failure>) -> Value {
    let Ok(Lookup::Found { value, .. }) = lookup else {
        panic!("{lookup:?}");
    };
    fields_and_uri(&value)
}

/// The text of a variable.
fn text(lookup: Result<Lookup<Secret>, Failure>) -> String {
    match lookup {
        Ok(Lookup::Found { value, .. }) => value.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn exported_connections_are_read_as_airflow_imports_them() {
    let answers = answers("connections");
    assert_eq!(answers.len(), 10);
    for file in ["connections.json", "connections.yaml", "connections.env"] {
        let backend = exported(file);
        for answer in &answers {
            let id = answer["id"].as_str().unwrap();
            let ours = connection(backend.get_connection(id, &LookupOptions::new()).await);
            assert_eq!(ours, answer["imported"][file], "{file}: {id}");
        }
    }
}

/// Airflow's import takes such a file for URIs (PROJECT-1).
#[tokio::test]
async fn connections_exported_as_json_into_an_env_file_are_those_that_were_exported() {
    let backend = exported("connections-json.env");
    for answer in answers("connections") {
        let id = answer["id"].as_str().unwrap();
        let mut ours = connection(backend.get_connection(id, &LookupOptions::new()).await);
        let mut theirs = answer["exported"].clone();
        // A type from JSON has no hyphens, and an empty extra is none, as in `AIRFLOW_CONN_…`.
        theirs["conn_type"] = json!(theirs["conn_type"].as_str().unwrap().replace('-', "_"));
        for one in [&mut ours, &mut theirs] {
            if one["extra"] == "" {
                one["extra"] = Value::Null;
            }
        }
        assert_eq!(ours, theirs, "{id}");
    }
}

#[tokio::test]
async fn exported_variables_are_read_as_airflow_imports_them() {
    let backend = exported("variables.json");
    let answers = answers("variables");
    assert_eq!(answers.len(), 18);
    for answer in &answers {
        let id = answer["id"].as_str().unwrap();
        let ours = &text(backend.get_variable(id, &LookupOptions::new()).await);
        let imported = answer["imported"]["variables.json"].as_str().unwrap();
        if imported.starts_with(['{', '[']) && id != "json-ish" {
            // Airflow breaks JSON into lines; here it is one (FILE-1).
            let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(parsed(ours), parsed(imported), "{id}");
            assert!(!ours.contains('\n'), "{id}");
        } else {
            assert_eq!(ours, imported, "{id}");
        }
    }
}

/// Airflow exports and imports them as Python writes them.
#[tokio::test]
async fn a_variable_that_is_no_number_is_read_beside_the_others() {
    let folder = Folder::new();
    let path = folder.write(
        "variables.json",
        r#"{"nan": NaN, "inf": {"value": -Infinity, "description": "x"}, "large": 1e999, "deep": [NaN], "a": "b"}"#,
    );
    let backend = LocalProjectBackend::builder()
        .variables_export(path)
        .build();
    for (key, expected) in [
        ("nan", "NaN"),
        ("inf", "-Infinity"),
        ("large", "Infinity"),
        ("a", "b"),
    ] {
        let found = backend.get_variable(key, &LookupOptions::new()).await;
        assert_eq!(text(found), expected, "{key}");
    }
    let failure = backend.get_variable("deep", &LookupOptions::new()).await;
    assert_eq!(failure.unwrap_err().kind(), FailureKind::InvalidValue);
}

const SETTINGS: &str = r#"
airflow:
  connections:
    - conn_id: local_postgres
      conn_type: postgres
      conn_host: db.example
      conn_schema: wh
      conn_login: me
      conn_password: m4rk3r
      conn_port: 5432
      conn_uri:
      conn_extra:
        sslmode: require
        depth: {n: 1}
    - conn_id: by_uri
      conn_type:
      conn_uri: postgres://me:m4rk3r@db.example:5433/wh?a=b
    - conn_id: both
      conn_type: http
      conn_host: h
      conn_uri: postgres://other
    - conn_id: text_extra
      conn_type: aws
      conn_login: 12345
      conn_port: 0
      conn_extra: '{"region_name": "eu-north-1"}'
    - conn_id: twice
      conn_type: http
    - conn_id: twice
      conn_type: https
    - conn_id:
      conn_type: nobody
    - conn_id: no_type
      conn_host: h
    - conn_id: bad_port
      conn_type: http
      conn_port: 99999
    - conn_id: bad_login
      conn_type: http
      conn_login: true
  pools:
    - pool_name: pool
      pool_slot: 3
      pool_description:
  variables:
    - variable_name: colour
      variable_value: blue
    - variable_name: number
      variable_value: 10
    - variable_name: empty
      variable_value:
    - variable_name: flag
      variable_value: true
    - variable_name:
      variable_value: nobody's
"#;

fn settings(folder: &Folder, text: &str) -> LocalProjectBuilder {
    let path = folder.write("airflow_settings.yaml", text);
    LocalProjectBackend::builder().airflow_settings(path)
}

#[tokio::test]
async fn an_astro_projects_settings_give_what_the_astro_cli_would_load() {
    let folder = Folder::new();
    let backend = settings(&folder, SETTINGS).build();
    let uri = |lookup: Result<Lookup<Connection>, Failure>| match lookup {
        Ok(Lookup::Found { value, .. }) => value.get_uri().expose().to_owned(),
        other => panic!("{other:?}"),
    };
    for (id, expected) in [
        (
            "local_postgres",
            "postgres://me:m4rk3r@db.example:5432/wh?__extra__=%7B%22sslmode%22%3A+%22require%22%2C+%22depth%22%3A+%7B%22n%22%3A+1%7D%7D",
        ),
        ("by_uri", "postgres://me:m4rk3r@db.example:5433/wh?a=b"),
        ("both", "http://h"),
        ("text_extra", "aws://12345@/?region_name=eu-north-1"),
        ("twice", "https://"),
    ] {
        let found = backend.get_connection(id, &LookupOptions::new()).await;
        assert_eq!(uri(found), expected, "{id}");
    }
    let path = folder.path("airflow_settings.yaml");
    for (key, expected) in [
        ("colour", Some("blue")),
        ("number", Some("10")),
        ("empty", None),
        ("pool", None),
    ] {
        let lookup = backend.get_variable(key, &LookupOptions::new()).await;
        let native_key = format!("{path}#{key}");
        let expected = match expected {
            Some(value) => Lookup::found(Secret::from(value), native_key),
            None => Lookup::missing(native_key),
        };
        assert_eq!(lookup, Ok(expected));
    }
}

/// The line of `text` in the settings.
fn line_of(text: &str) -> usize {
    let at = SETTINGS.lines().position(|line| line.ends_with(text));
    at.unwrap() + 1
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_a_failure_of_that_id_alone() {
    let folder = Folder::new();
    let backend = settings(&folder, SETTINGS).build();
    let path = folder.path("airflow_settings.yaml");
    for (id, problem) in [
        ("no_type", "has no `conn_type`; set it"),
        (
            "bad_port",
            "has a `conn_port` that is not a whole number from 0 to 65535",
        ),
        (
            "bad_login",
            "has a `conn_login` that is not text; put it between quotes",
        ),
    ] {
        let failure = backend
            .get_connection(id, &LookupOptions::new())
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidValue);
        let line = line_of(&format!("conn_id: {id}"));
        assert_eq!(
            failure.message(),
            format!("{path}:{line}: \"{id}\" {problem}")
        );
    }
    let failure = backend
        .get_variable("flag", &LookupOptions::new())
        .await
        .unwrap_err();
    let problem = "\"flag\" has a `variable_value` that is not text; put it between quotes";
    let line = line_of("variable_name: flag");
    assert_eq!(failure.message(), format!("{path}:{line}: {problem}"));
}

/// What YAML without quotes is as a variable. The Astro CLI gives what stands behind (viper 1.19); where that is
/// not the same, it is a row of `docs/differences.md`.
#[tokio::test]
async fn a_variable_of_a_project_that_is_no_text_is_refused_and_a_number_is_its_digits() {
    const NO_TEXT: Result<&str, &str> =
        Err("has a `variable_value` that is not text; put it between quotes");
    const MISSING: Result<&str, &str> = Err("missing");
    let folder = Folder::new();
    for (yaml, expected) in [
        ("blue", Ok("blue")),
        ("'true'", Ok("true")),
        ("!!str true", Ok("true")),
        ("10", Ok("10")),
        ("0x10", Ok("16")),
        ("010", Ok("8")),
        ("0o10", Ok("8")),
        ("1_000", Ok("1000")),
        ("-0", Ok("0")),
        ("~", MISSING),
        ("''", MISSING),
        // To the Astro CLI these are texts.
        ("yes", Ok("yes")),
        ("off", Ok("off")),
        ("1:30", Ok("1:30")),
        // PROJECT-2: 1, 0; 1.5, 1, 1000; an error for the whole file.
        ("true", NO_TEXT),
        ("False", NO_TEXT),
        ("1.5", NO_TEXT),
        ("1.0", NO_TEXT),
        ("1.5e-7", NO_TEXT),
        (".inf", NO_TEXT),
        (".nan", NO_TEXT),
        ("[a, b]", NO_TEXT),
        ("{}", NO_TEXT),
        ("{a: b}", NO_TEXT),
        ("2020-01-01", NO_TEXT),
        ("1e3", NO_TEXT),
        ("123456789012345678901234567890", NO_TEXT),
    ] {
        let text =
            format!("airflow:\n  variables:\n  - variable_name: x\n    variable_value: {yaml}\n");
        let backend = settings(&folder, &text).build();
        let found = match backend.get_variable("x", &LookupOptions::new()).await {
            Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
            Ok(_) => Err("missing".to_owned()),
            Err(failure) => {
                assert_eq!(failure.kind(), FailureKind::InvalidValue, "{yaml}");
                let start = format!("{}:3: \"x\" ", folder.path("airflow_settings.yaml"));
                let message = failure.message();
                Err(message.strip_prefix(&start).unwrap_or(message).to_owned())
            }
        };
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{yaml}");
    }
}

#[tokio::test]
async fn an_extras_keys_stay_as_they_are_written() {
    let folder = Folder::new();
    let text = "airflow: {connections: [{conn_id: x, conn_type: aws, conn_extra: {Region: r, A: {B: 1.0}}}]}";
    let backend = settings(&folder, text).build();
    let found = backend.get_connection("x", &LookupOptions::new()).await;
    let Ok(Lookup::Found { value, .. }) = found else {
        panic!("{found:?}")
    };
    let extra = value.extra().map(Secret::expose);
    assert_eq!(extra, Some(r#"{"Region": "r", "A": {"B": 1.0}}"#));
}

#[tokio::test]
async fn a_file_of_another_shape_is_a_failure_of_every_id() {
    let folder = Folder::new();
    for (text, problem) in [
        ("airflow: 1", "entry 1 (`airflow`) must be a mapping"),
        (
            "a: 1\nairflow: {connections: 1}",
            "entry 2 (`airflow`) has `connections` that are not a list",
        ),
        (
            "airflow: {connections: [{conn_id: y, conn_type: http}, m4rk3r]}",
            "number 2 of `connections` is not a mapping, which may have been \"x\"; mend it",
        ),
    ] {
        let backend = settings(&folder, text).build();
        let failure = backend
            .get_connection("x", &LookupOptions::new())
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unavailable, "{text}");
        assert!(failure.message().contains(problem), "{}", failure.message());
        assert!(!format!("{failure:?}").contains("m4rk3r"));
    }
    for empty in [
        "airflow:",
        "airflow: {connections: }",
        "other: 1",
        "airflow: {connections: [null]}",
        "",
        "# airflow:\n",
        "---\n# nothing yet\n...\n",
    ] {
        let backend = settings(&folder, empty).build();
        let lookup = backend.get_connection("x", &LookupOptions::new()).await;
        let path = folder.path("airflow_settings.yaml");
        assert_eq!(lookup, Ok(Lookup::missing(format!("{path}#x"))), "{empty}");
    }
}

/// The text of variable `a` in a settings file.
async fn variable(text: &str) -> Result<Option<String>, FailureKind> {
    let folder = Folder::new();
    let backend = settings(&folder, text).build();
    match backend.get_variable("a", &LookupOptions::new()).await {
        Ok(Lookup::Found { value, .. }) => Ok(Some(value.expose().to_owned())),
        Ok(_) => Ok(None),
        Err(failure) => Err(failure.kind()),
    }
}

/// The expected ones are what the Astro CLI's own reader gives (`viper` 1.19, `yaml.v3`).
#[tokio::test]
async fn a_value_without_quotes_is_what_the_yaml_of_the_astro_cli_makes_of_it() {
    for (written, expected) in [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("off", "off"),
        ("=", "="),
        ("<<", "<<"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("0123", "83"),
        ("0o17", "15"),
        ("-0x1F", "-31"),
        ("0b11", "3"),
        ("1_000", "1000"),
        ("_1", "_1"),
        ("-0", "0"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e400", "1e400"),
        ("10.0.0.1", "10.0.0.1"),
        ("!foo x", "x"),
        ("!!str 0123", "0123"),
        ("'0123'", "0123"),
    ] {
        let text =
            format!("airflow: {{variables: [{{variable_name: a, variable_value: {written}}}]}}");
        assert_eq!(
            variable(&text).await,
            Ok(Some(expected.to_owned())),
            "{written}"
        );
    }
    // Text in PyYAML, floats there (PROJECT-2).
    for written in [
        "true",
        "1e3",
        "0189",
        "123e45",
        "18446744073709551616",
        "2020-01-01",
    ] {
        let text =
            format!("airflow: {{variables: [{{variable_name: a, variable_value: {written}}}]}}");
        assert_eq!(
            variable(&text).await,
            Err(FailureKind::InvalidValue),
            "{written}"
        );
    }
}

#[tokio::test]
async fn a_file_of_settings_that_the_astro_cli_reads_is_read() {
    for text in [
        "Airflow:\n  Variables:\n  - Variable_Name: a\n    VARIABLE_VALUE: b\n",
        "airflow:\n  variables: {variable_name: a, variable_value: b}\n",
        "airflow:\n  variables:\n  - variable_name: a\n    variable_value: b\n  - m4rk3r\n",
        "airflow:\n  variables:\n  - {variable_name: a, variable_value: b}\n---\n",
        "airflow: {variables: [{variable_name: a, variable_value: b}]}\n--- {other: [}\n",
        "airflow: !tag {variables: !tag [!tag {variable_name: a, variable_value: b}]}\n",
        "x: &x b\ny: &x b\nairflow: {variables: [{variable_name: a, variable_value: *x}]}\n",
        "x: &x {variable_value: b}\nairflow: {variables: [{<<: *x, variable_name: a}]}\n",
    ] {
        assert_eq!(variable(text).await, Ok(Some("b".to_owned())), "{text}");
    }
}

/// What it gives is of no matter here, but that it does not take the product of the two.
#[tokio::test]
async fn a_long_mapping_that_aliases_repeat_is_read_once() {
    let keys = (0..40_000).map(|number| format!("k{number}: x, "));
    let keys = keys.collect::<String>();
    let aliases = "*m, ".repeat(40_000);
    let variables = format!(
        "[&m {{{keys}variable_name: a}}, {aliases}{{variable_name: a, variable_value: b}}, *m]"
    );
    let text = format!("airflow: {{variables: {variables}}}");
    assert_eq!(variable(&text).await, Ok(Some("b".to_owned())));
}

#[tokio::test]
async fn a_port_as_text_is_a_number_in_the_notations_of_the_astro_cli() {
    let folder = Folder::new();
    for (written, expected) in [
        ("'5432'", Some(5432)),
        ("010", Some(8)),
        ("'010'", Some(8)),
        ("'0x10'", Some(16)),
        ("''", None),
        ("0", None),
    ] {
        let text = format!(
            "airflow: {{connections: [{{conn_id: x, conn_type: http, conn_port: {written}}}]}}"
        );
        let backend = settings(&folder, &text).build();
        match backend.get_connection("x", &LookupOptions::new()).await {
            Ok(Lookup::Found { value, .. }) => assert_eq!(value.port(), expected, "{written}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_settings_come_before_what_was_exported() {
    let folder = Folder::new();
    let both = "airflow: {variables: [{variable_name: both, variable_value: settings}]}";
    let exported = folder.write(
        "variables",
        json!({"both": "exported", "one": 1}).to_string(),
    );
    let builder = settings(&folder, both).variables_export(&exported);
    let backend = builder.clone().build();
    let answers = backend
        .get_variables(&["both", "one", "none"], &LookupOptions::new())
        .await;
    let settings = folder.path("airflow_settings.yaml");
    let expected = [
        Ok(Lookup::found(
            Secret::from("settings"),
            format!("{settings}#both"),
        )),
        Ok(Lookup::found(Secret::from("1"), format!("{exported}#one"))),
        Ok(Lookup::missing(format!("{exported}#none"))),
    ];
    assert_eq!(answers, expected);
    // Where the first cannot be read, nobody knows what it defines.
    let unreadable = builder.airflow_settings(folder.path("absent.yaml")).build();
    let failure = unreadable
        .get_variable("one", &LookupOptions::new())
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    let none = LocalProjectBackend::builder().build();
    let lookup = none.get_variable("one", &LookupOptions::new()).await;
    assert_eq!(
        lookup,
        Ok(Lookup::skipped(SkipReason::NotSet(
            "variables_export".into()
        )))
    );
}

#[tokio::test]
async fn nothing_shown_holds_a_value() {
    let folder = Folder::new();
    let backend = settings(&folder, SETTINGS).build();
    let mut shown = format!("{backend:?}");
    for id in ["local_postgres", "by_uri", "no_type", "bad_login"] {
        let lookup = backend.get_connection(id, &LookupOptions::new()).await;
        shown += &format!("{lookup:?}");
    }
    assert!(!shown.contains("m4rk3r"), "{shown}");
}
