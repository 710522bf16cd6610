//! The README of the example, step by step, under a real scheduler with its `LocalExecutor`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::{
    example::example,
    ports::free_port,
    process::{Process, system_program, tool},
};

const README: &str = include_str!("../../../examples/native_task/README.md");

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/native_task");

/// Stands in for `cargo`: it has built the example already, with debug information.
const CARGO: &str = r#"#!/bin/sh -e
[ "$*" = "build --release --example native_task --features supervisor" ]
mkdir -p target/release/examples
ln -s "$BUILT" target/release/examples/native_task
"#;

/// The README's fences in this language, in their order.
fn fences(language: &str) -> Vec<String> {
    let mut fences = Vec::new();
    let mut lines = README.lines();
    while lines.by_ref().any(|line| line == format!("```{language}")) {
        let fence = lines.by_ref().take_while(|line| *line != "```");
        fences.push(fence.fold(String::new(), |text, line| text + line + "\n"));
    }
    fences
}

/// A home of a user who follows the README.
struct Home {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    port: u16,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let airflow = tool("airflow3/bin/airflow");
        let airflow = airflow.parent().unwrap().display();
        let path = std::env::var("PATH").unwrap();
        let variables = [
            ("HOME", folder.path().display().to_string()),
            ("PATH", format!("{}:{airflow}:{path}", at("bin"))),
            ("BUILT", example("native_task").display().to_string()),
            ("AIRFLOW__CORE__LOAD_EXAMPLES", "False".to_owned()),
            ("AIRFLOW__CORE__FERNET_KEY", String::new()),
            (
                "AIRFLOW__API_AUTH__JWT_SECRET",
                "0123456789abcdef".repeat(4),
            ),
            (
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
                format!("http://127.0.0.1:{port}/execution/"),
            ),
            (
                "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
                free_port().to_string(),
            ),
            // What the README's words say of a worker.
            (
                "AIRFLOW_CONN_WAREHOUSE",
                "postgres://app:warehouse-marker@db/orders".to_owned(),
            ),
            ("AIRFLOW_VAR_COLOUR", "blue".to_owned()),
            ("NATIVE_TASK_REVEAL", "1".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let home = Self {
            variables: variables.into(),
            folder,
            port,
        };
        home.write("bin/cargo", CARGO);
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(home.at("bin/cargo"), executable).unwrap();
        fs::create_dir(home.at("examples")).unwrap();
        std::os::unix::fs::symlink(EXAMPLE, home.at("examples/native_task")).unwrap();
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let file = self.at(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// Runs these lines in the folder of the repository.
    fn sh(&self, lines: &str) {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", lines])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.variables)
            .output()
            .unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{lines}\n{stdout}{stderr}");
    }

    /// Starts what these lines end with, after them; `name` is its folder.
    fn start(&self, name: &str, lines: &str) -> Process {
        let folder = self.at(name);
        fs::create_dir(&folder).unwrap();
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        let arguments = ["-i".to_owned()].into_iter().chain(variables);
        // All that it starts ends with it.
        let bounded = "timeout --kill-after=1 600 bash -euc".split(' ');
        let arguments = arguments.chain(bounded.map(str::to_owned));
        let arguments = arguments.chain([lines.to_owned()]).collect::<Vec<_>>();
        let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
        Process::start(&system_program("env"), &arguments, &folder)
    }

    /// The state of the DAG's task, once it has one.
    fn state(&self) -> Option<String> {
        let database = rusqlite::Connection::open(self.at("airflow/airflow.db")).unwrap();
        let asked = "select state from task_instance where dag_id = 'native_task_dag'";
        let state = database.query_row(asked, [], |row| row.get(0));
        state.ok().flatten()
    }

    /// The log files below Airflow's home.
    fn log(&self) -> String {
        fn collect(folder: &Path, text: &mut String) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, text);
                } else {
                    text.push_str(&fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut text = String::new();
        collect(&self.at("airflow/logs/dag_id=native_task_dag"), &mut text);
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_runs_the_example_by_the_steps_of_its_readme() {
    let [build, worker, trigger] = fences("sh").try_into().unwrap();
    let [settings] = fences("ini").try_into().unwrap();
    let [dag] = fences("python").try_into().unwrap();
    let [line] = fences("json").try_into().unwrap();

    let home = Home::new();
    home.sh(&build);
    home.write("airflow/airflow.cfg", &settings);
    home.write("airflow/dags/native_task_dag.py", &dag);
    home.sh("airflow db migrate");
    let port = home.port;
    let server = format!(
        "exec airflow api-server --apps execution --workers 1 --host 127.0.0.1 --port {port}"
    );
    let server = home.start("server", &server);
    home.sh("airflow connections add pg --conn-uri http://me:server-marker@host");
    home.sh("airflow dag-processor --num-runs 1");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = format!("http://127.0.0.1:{port}/execution/health");
    server
        .until("Airflow's API server", async || {
            let health = http.get(&health).send().await;
            health.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    let scheduler = home.start("scheduler", &format!("{worker}exec airflow scheduler"));
    home.sh(&trigger);

    let mut state = None;
    scheduler
        .until("the task has ended", async || {
            state = home.state();
            matches!(state.as_deref(), Some("success" | "failed"))
        })
        .await;
    assert_eq!(
        state.as_deref(),
        Some("success"),
        "{}{}",
        scheduler.log(),
        home.log()
    );
    scheduler
        .until("the task's log", async || home.log().lines().count() >= 4)
        .await;
    // As the README warns; it does the same with a task in Python.
    assert!(
        scheduler.log().contains("server-marker"),
        "{}",
        scheduler.log()
    );
    drop(scheduler);
    drop(server);

    let log = home.log();
    assert!(!log.contains("marker"), "{log}");
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<Value>>();
    let resolved = lines.iter().filter(|line| line["event"] == "resolved");
    let resolved = resolved
        .map(|line| ["id", "source", "value"].map(|name| line[name].as_str().unwrap_or("-")))
        .collect::<Vec<_>>();
    let expected = [
        [
            "warehouse",
            "environment_variables: AIRFLOW_CONN_WAREHOUSE",
            "***",
        ],
        ["pg", "supervisor: connections/pg", "***"],
        [
            "colour",
            "environment_variables: AIRFLOW_VAR_COLOUR",
            "blue",
        ],
    ];
    assert_eq!(resolved, expected);
    // The line that the README shows.
    let shown = serde_json::from_str::<BTreeMap<String, Value>>(&line).unwrap();
    let has_all = |line: &&Value| shown.iter().all(|(name, value)| &line[name] == value);
    assert_eq!(lines.iter().filter(has_all).count(), 1, "{line}{log}");
}
