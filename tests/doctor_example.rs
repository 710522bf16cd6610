//! The manners of the `doctor` example: what it finds, its exit codes, and that no secret gets out.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/example.rs"]
mod example;
#[path = "support/folder.rs"]
mod folder;

use std::{collections::BTreeMap, fs, path::Path};

use example::{Run, run};
use folder::Folder;
use serde_json::{Value, json};

/// Stands for every secret.
const MARKER: &str = "m4rk3r";
const LOCAL: &str = "airflow.secrets.local_filesystem.LocalFilesystemBackend";

/// An Airflow home, and the variables beside it.
struct Home {
    folder: Folder,
    variables: BTreeMap<String, String>,
}

impl Home {
    fn new() -> Self {
        let folder = Folder::new();
        let home = folder.path().to_str().unwrap().to_owned();
        Self {
            folder,
            variables: BTreeMap::from([("AIRFLOW_HOME".to_owned(), home)]),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn with_file(self, name: &str, content: &str) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    /// With a metadata DB that a real Airflow wrote.
    fn with_database(self) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db");
        fs::copy(source, self.path("airflow.db")).unwrap();
        self
    }

    /// What the doctor says, with all that can be logged; nowhere may the marker be, nor a panic.
    fn doctor(&self, arguments: &[&str]) -> Run {
        let log = ("RUST_LOG".to_owned(), "trace".to_owned());
        let run = run(
            "doctor",
            arguments,
            self.variables.iter().chain([(&log.0, &log.1)]),
        );
        for text in [&run.stdout, &run.stderr] {
            assert!(
                !text.contains(MARKER) && !text.contains("panicked"),
                "{text}"
            );
        }
        run
    }

    fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let run = self.doctor(&[&["--json"], arguments].concat());
        let findings = serde_json::from_str(&run.stdout).expect("one JSON object");
        (run.code, findings)
    }
}

fn setting(setting: &str, origin: &str, value: impl Into<Value>) -> Value {
    json!({"setting": setting, "origin": origin, "value": value.into()})
}

#[test]
fn all_that_counts_is_told_with_its_origin_and_all_is_well() {
    let home = Home::new().with_database();
    let file = home.path("variables.json");
    let cfg = home.path("airflow.cfg");
    let kwargs = json!({"variables_file_path": file}).to_string();
    let home = home
        .with_file("variables.json", r#"{"colour": "m4rk3r"}"#)
        .with_file(
            "airflow.cfg",
            "[secrets]\ncache_ttl_seconds = 60\n\n[core]\nfernet_key = m4rk3r\n",
        )
        .with("AIRFLOW__SECRETS__BACKEND", LOCAL)
        .with("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs);
    let (code, findings) = home.json(&[]);
    let db = "Airflow's default";
    assert_eq!(
        findings,
        json!({
            "side": "server",
            "airflow_home": home.variables["AIRFLOW_HOME"],
            "config_file": cfg,
            "sources": ["local_filesystem", "environment_variables", "metastore"],
            "settings": [
                setting("[core] multi_team", db, "false"),
                setting("[secrets] backend", "AIRFLOW__SECRETS__BACKEND", LOCAL),
                setting("[secrets] backend_kwargs", "AIRFLOW__SECRETS__BACKEND_KWARGS", Value::Null),
                setting("[secrets] use_cache", db, "false"),
                setting("[secrets] cache_ttl_seconds", &format!("{cfg}:2"), "60"),
                setting("[core] fernet_key", &format!("{cfg}:5"), Value::Null),
                setting("[database] sql_alchemy_conn", db, Value::Null),
                setting("[database] sql_alchemy_schema", db, "empty"),
                setting(
                    "[secrets] backend argument \"variables_file_path\"",
                    "AIRFLOW__SECRETS__BACKEND_KWARGS",
                    Value::Null,
                ),
            ],
            "passed_over": [],
            "checks": [
                {"backend": "local_filesystem", "outcome": "reachable", "native_key": file, "message": null},
                {
                    "backend": "environment_variables", "outcome": "reachable",
                    "native_key": "AIRFLOW_CONN_…, AIRFLOW_VAR_…", "message": null,
                },
                {
                    "backend": "metastore", "outcome": "reachable",
                    "native_key": "connection WHERE conn_id = 'airflow-secrets-check'", "message": null,
                },
            ],
            "wrong": [],
        })
    );
    assert_eq!(code, Some(0));
}

#[test]
fn people_get_the_same_as_aligned_tables_without_colours_in_a_pipe() {
    let run = Home::new().doctor(&["--worker"]);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "  side              worker");
    assert_eq!(
        lines[2],
        "  settings file     none: there is no airflow.cfg"
    );
    assert_eq!(
        lines[3],
        "  sources in order  environment_variables, execution_api"
    );
    assert!(lines.contains(&"Settings that count, and where each comes from"));
    assert!(
        lines.contains(&"  [core] multi_team                 false  Airflow's default"),
        "{}",
        run.stdout
    );
    let answers = lines
        .iter()
        .position(|line| *line == "What answers")
        .unwrap();
    let answer = lines[answers + 1];
    assert!(
        answer.starts_with("  environment_variables  reachable  "),
        "{answer}"
    );
    assert!(
        answer.ends_with(" ms  AIRFLOW_CONN_…, AIRFLOW_VAR_…"),
        "{answer}"
    );
    assert_eq!(lines.last(), Some(&"All is well."));
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains("[database]"));
    assert_eq!(run.code, Some(0));
}

#[test]
fn a_source_that_fails_is_exit_1_with_what_to_do() {
    let home = Home::new();
    let file = home.path("gone.env");
    let kwargs = json!({"connections_file_path": file}).to_string();
    let home = home
        .with("AIRFLOW__SECRETS__BACKEND", LOCAL)
        .with("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs);
    let (code, findings) = home.json(&[]);
    assert_eq!(code, Some(1));
    assert_eq!(findings["checks"][0]["outcome"], "unavailable");
    assert_eq!(findings["checks"][1]["outcome"], "reachable");
    assert_eq!(findings["checks"][2]["outcome"], "skipped");
    assert_eq!(findings["wrong"].as_array().unwrap().len(), 1);
    let wrong = &findings["wrong"][0];
    assert!(wrong.as_str().unwrap().contains(&file), "{wrong}");
    let run = home.doctor(&[]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stdout.contains("\nWhat is wrong, and what to do\n"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("All is well."));
}

#[test]
fn settings_that_airflow_refuses_are_exit_2_and_no_source_is_asked() {
    let kwargs = "AIRFLOW__SECRETS__BACKEND_KWARGS";
    for (name, value, setting) in [
        ("AIRFLOW__CORE__MULTI_TEAM", MARKER, "[core] multi_team"),
        (kwargs, r#"{"a": "m4rk3r"}"#, "[secrets] backend_kwargs"),
        (
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "m4rk3r://u:m4rk3r@h",
            "[database] sql_alchemy_conn",
        ),
        ("AIRFLOW__SECRETS__USE_CACHE", MARKER, "[secrets] use_cache"),
    ] {
        let home = Home::new()
            .with("AIRFLOW__SECRETS__BACKEND", LOCAL)
            .with(name, value);
        let (code, findings) = home.json(&[]);
        assert_eq!(code, Some(2), "{findings}");
        assert_eq!(
            (&findings["checks"], &findings["sources"]),
            (&json!([]), &json!([]))
        );
        assert_eq!(
            findings["airflow_home"],
            home.variables["AIRFLOW_HOME"].as_str()
        );
        let wrong = findings["wrong"][0].as_str().unwrap();
        assert!(wrong.contains(setting), "{wrong}");
        assert_eq!(home.doctor(&[]).code, Some(2));
    }
    let home = Home::new().with_file("airflow.cfg", "m4rk3r");
    let (code, findings) = home.json(&[]);
    assert_eq!((code, &findings["airflow_home"]), (Some(2), &Value::Null));
}

#[test]
fn what_was_passed_over_is_named_and_all_may_still_be_well() {
    let home = Home::new()
        .with("AIRFLOW__SECRETS__BACKEND", LOCAL)
        .with("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"["m4rk3r"]"#);
    let (code, findings) = home.json(&[]);
    assert_eq!(code, Some(0), "{findings}");
    let passed_over = findings["passed_over"][0].as_str().unwrap();
    assert!(
        passed_over.starts_with("[secrets] backend_kwargs"),
        "{passed_over}"
    );
    let run = home.doctor(&[]);
    assert!(
        run.stdout
            .contains(&format!("\nPassed over\n  {passed_over}\n")),
        "{}",
        run.stdout
    );
}

#[test]
fn an_env_file_counts_below_the_process() {
    let home = Home::new().with_file("one.env", "AIRFLOW__SECRETS__BACKEND=nowhere.Backend\n");
    let (code, _) = home.json(&[]);
    assert_eq!(code, Some(0));
    let file = home.path("one.env");
    let (code, findings) = home.json(&["--env-file", &file]);
    assert_eq!(code, Some(2), "{findings}");
    let home = home.with("AIRFLOW__SECRETS__BACKEND", LOCAL);
    let (code, _) = home.json(&["--env-file", &file]);
    assert_eq!(code, Some(0));
}

#[test]
fn a_call_that_is_wrong_is_exit_2() {
    for arguments in [
        &["--nonsense"][..],
        &["argument"],
        &["--env-file", "/no/such/file"],
    ] {
        let run = Home::new().doctor(arguments);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(run.stderr.contains("doctor: "), "{}", run.stderr);
    }
}
