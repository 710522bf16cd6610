//! A worker of the real Airflow, and the API server that it reports to.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    ports::free_port,
    process::{Process, system_program, tool},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/supervisor/airflow_side.py");
const PACKAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/native_task/package.py"
);

/// A DAG file with a task in Python that answers as the tests' own task does.
const DAGS: &str = r#"
import json
import os

import structlog
from airflow.sdk import Connection, DAG, Variable, task

log = structlog.get_logger()

def answer(kind, key):
    try:
        if kind == "variable":
            return Variable.get(key)
        found = Connection.get(key)
        fields = "conn_id conn_type description host login password schema port extra".split()
        return {name: getattr(found, name) for name in fields} | {"uri": found.get_uri()}
    except Exception as error:
        return {"error": type(error).__name__}


def log_as_the_example():
    for conn_id in os.environ["NATIVE_TASK_CONNECTIONS"].split():
        found = answer("connection", conn_id)
        log.info("resolved", id=conn_id, value=found.get("password"))
    for key in os.environ["NATIVE_TASK_VARIABLES"].split():
        log.info("resolved", id=key, value=answer("variable", key))


with DAG("python_dag", schedule=None):

    @task
    def ask():
        if "TASK_QUESTIONS" not in os.environ:
            return log_as_the_example()
        with open(os.environ["TASK_QUESTIONS"]) as questions:
            asked = json.load(questions)
        with open(os.environ["TASK_OUTPUT"], "w") as output:
            for kind, key in asked:
                output.write(json.dumps(answer(kind, key)) + "\n")

    ask()
"#;

/// More variables of a worker's environment.
pub(crate) type Variables = BTreeMap<String, String>;

/// The kinds of tasks that the worker can run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    /// The example.
    Example,
    /// The tests' own, `task.rs`.
    Native,
    /// In Python, the default coordinator's.
    Python,
}

const TASKS: [Task; 3] = [Task::Example, Task::Native, Task::Python];

impl Task {
    fn described(self) -> Value {
        let (id, dag_id, task_id, queue) = match self {
            Self::Example => (1, "example_dag", "example", "native"),
            Self::Native => (2, "native_dag", "native", "native"),
            Self::Python => (3, "python_dag", "ask", "default"),
        };
        let id = format!("01900000-0000-7000-8000-{id:012}");
        json!({"id": id, "dag_id": dag_id, "task_id": task_id, "queue": queue})
    }
}

/// The API server with its DB, and what a worker is started with.
pub(crate) struct Airflow {
    folder: TempDir,
    url: String,
    settings: Variables,
    server: Process,
    runs: AtomicUsize,
}

/// A task that has run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit_code: i64,
    pub(crate) state: String,
    /// The task's log file.
    pub(crate) log: String,
    /// What the worker printed, with the task's log in it.
    pub(crate) printed: String,
    /// What the task wrote to the file of `TASK_OUTPUT`.
    pub(crate) output: Vec<Value>,
}

impl Ran {
    /// The lines of the log file about `event`.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let lines = self
            .log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["event"] == event)
            .collect()
    }
}

impl Airflow {
    /// An API server that holds these connections and variables, and the tasks.
    pub(crate) async fn start(connections: &Value, variables: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path.display().to_string()
        };
        let (home, dags, bundles) = (path("home"), path("dags"), path("bundles"));
        std::fs::write(Path::new(&dags).join("tasks.py"), DAGS).unwrap();
        let port = free_port();
        let bundle = json!([{
            "name": "dags", "kwargs": {"path": dags},
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        }]);
        let coordinators = json!({"native": {
            "classpath": "airflow.sdk.coordinators.executable.ExecutableCoordinator",
            "kwargs": {"executables_root": [bundles]},
        }});
        let database = format!("sqlite:///{home}/airflow.db");
        let settings = [
            ("HOME", home.as_str()),
            ("PATH", &std::env::var("PATH").unwrap()),
            ("AIRFLOW_HOME", &home),
            (
                "AIRFLOW__API_AUTH__JWT_SECRET",
                &"0123456789abcdef".repeat(4),
            ),
            ("AIRFLOW__CORE__LOAD_EXAMPLES", "False"),
            ("AIRFLOW__CORE__FERNET_KEY", ""),
            ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", &database),
            (
                "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST",
                &bundle.to_string(),
            ),
            ("AIRFLOW__SDK__COORDINATORS", &coordinators.to_string()),
            (
                "AIRFLOW__SDK__QUEUE_TO_COORDINATOR",
                r#"{"native": "native"}"#,
            ),
        ];
        let settings = settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<Variables>();
        ask(
            "prepare",
            &settings,
            &json!({
                "connections": connections, "variables": variables,
                "tasks": TASKS.map(Task::described),
            }),
        );
        let set = settings
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let command = format!(
            "-m airflow api-server --apps execution --workers 1 --port {port} --host 127.0.0.1"
        );
        let arguments = ["-i".to_owned()]
            .into_iter()
            .chain(set)
            .chain([tool("airflow3/bin/python").display().to_string()])
            .chain(command.split(' ').map(str::to_owned))
            .collect::<Vec<_>>();
        let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
        let server = Process::start(&system_program("env"), &arguments, folder.path());
        let url = format!("http://127.0.0.1:{port}/execution/");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        server
            .until("Airflow's API server", async || {
                let health = http.get(format!("{url}health")).send().await;
                health.is_ok_and(|answer| answer.status().is_success())
            })
            .await;
        Self {
            folder,
            url,
            settings,
            server,
            runs: AtomicUsize::new(0),
        }
    }

    /// Runs `task` as a worker with these variables does.
    pub(crate) fn run(&self, task: Task, more: &Variables) -> Ran {
        let mut asked = task.described();
        if let Some(program) = program(task) {
            let bundle = self
                .folder
                .path()
                .join("bundles")
                .join(asked["dag_id"].as_str().unwrap());
            let packaged = Command::new(tool("airflow3/bin/python"))
                .arg(PACKAGE)
                .args([&program, &bundle])
                .args([&asked["dag_id"], &asked["task_id"]].map(|id| id.as_str().unwrap()))
                .status()
                .unwrap();
            assert!(packaged.success());
        }
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let file = |name: &str| self.folder.path().join(format!("{number}-{name}"));
        let (log, output) = (file("task.log"), file("output"));
        asked["dag"] = json!("tasks.py");
        asked["server"] = json!(self.url);
        asked["log"] = json!(log);
        asked["token"] = ask("token", &self.settings, &asked).0;
        let mut variables = self.settings.clone();
        variables.insert("TASK_OUTPUT".to_owned(), output.display().to_string());
        variables.extend(more.clone());
        let (exit_code, printed) = ask("run", &variables, &asked);
        let (state, _) = ask("state", &self.settings, &asked);
        let output = std::fs::read_to_string(output).unwrap_or_default();
        Ran {
            exit_code: exit_code.as_i64().unwrap(),
            state: state.as_str().unwrap_or_default().to_owned(),
            log: std::fs::read_to_string(log).unwrap(),
            printed,
            output: output
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        }
    }

    /// A file with this in it.
    pub(crate) fn file(&self, name: &str, content: &Value) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content.to_string()).unwrap();
        file.display().to_string()
    }

    /// The same, with a file of questions for the task.
    pub(crate) fn answers(&self, task: Task, questions: &Value, more: &Variables) -> Vec<Value> {
        let mut variables = more.clone();
        let file = self.file("questions", questions);
        variables.insert("TASK_QUESTIONS".to_owned(), file);
        let ran = self.run(task, &variables);
        assert_eq!(
            (ran.exit_code, ran.state.as_str()),
            (0, "success"),
            "{}{}",
            ran.printed,
            self.server.log()
        );
        ran.output
    }
}

fn program(task: Task) -> Option<PathBuf> {
    match task {
        Task::Example => Some(crate::support::example::example("native_task")),
        Task::Native => Some(env!("CARGO_BIN_EXE_supervised-task").into()),
        Task::Python => None,
    }
}

/// Has the script do `what`; its answer, and all that it printed.
fn ask(what: &str, variables: &Variables, asked: &Value) -> (Value, String) {
    let mut child = Command::new(tool("airflow3/bin/python"))
        .args([SCRIPT, what])
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let [printed, complaints] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{what}: {printed}{complaints}");
    let answer = printed
        .lines()
        .find_map(|line| line.strip_prefix("answer:"));
    let answer = answer.map(|answer| serde_json::from_str(answer).unwrap());
    (answer.unwrap_or_default(), printed + &complaints)
}
