//! The Execution API's backend against a real `airflow api-server` 3.3.2, and against local servers that
//! check what is sent: `scripts/install-tools` installs Airflow.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod authority;
    pub(crate) mod example;
    pub(crate) mod execution_api;
    pub(crate) mod hostile;
    pub(crate) mod https;
    pub(crate) mod log;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod served;
    pub(crate) mod wire;
}

mod answers;
mod conforms;
mod denials;
mod example_run;
mod faults;
mod keep_alive;
mod reads;
mod requests;
mod restart;
mod runs;
mod secrets_stay_secret;
mod settings;
mod side_by_side;
mod stores;
mod teams;
mod tls;
mod tokens;

use airflow_secrets::{
    Dialect, Failure, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    backends::{
        RetryOptions,
        execution_api::{ExecutionApiBackend, ExecutionApiBuilder, ExecutionApiCredential},
    },
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use self::support::execution_api::{ExecutionApi, token};

/// Task instances: of no team, of team red, and of team blue.
const TASK: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const RED: &str = "01890a5d-ac96-774b-bcce-b302099a8058";
const BLUE: &str = "01890a5d-ac96-774b-bcce-b302099a8059";

/// Task instances that are queued, each for one test.
const QUEUED: [&str; 4] = [
    "01890a5d-ac96-774b-bcce-b302099a8060",
    "01890a5d-ac96-774b-bcce-b302099a8061",
    "01890a5d-ac96-774b-bcce-b302099a8062",
    "01890a5d-ac96-774b-bcce-b302099a8063",
];

const URI: &str = "postgres://app:hunter2-marker@db:5432/orders?sslmode=require";

/// What the metadata DB of all servers begins with.
fn rows() -> Value {
    let task =
        |id: &str, state: &str, team: Option<&str>| json!({"id": id, "state": state, "team": team});
    let mut tasks = vec![
        task(TASK, "running", None),
        task(RED, "running", Some("red")),
        task(BLUE, "running", Some("blue")),
    ];
    tasks.extend(QUEUED.map(|id| task(id, "queued", None)));
    let pg = json!({
        "conn_id": "pg", "conn_type": "postgres", "host": "db", "login": "app", "port": 5432,
        "password": "hunter2-marker", "schema": "orders", "extra": r#"{"sslmode": "require"}"#,
        "description": "The orders",
    });
    let variables = [
        ("colour", "a-blue-marker"),
        ("empty", ""),
        ("a/b", "slash"),
        ("one//two", "two slashes"),
        ("/leading", "leading"),
        ("trailing/", "trailing"),
        ("keys", "behind the list"),
        ("keys/", "no list"),
        ("odd ?#%25&+é", "odd"),
        ("x/../colour", "never asked for"),
        ("json", r#"{"a": 1}"#),
    ];
    let mut variables = variables
        .map(|(key, val)| json!({"key": key, "val": val}))
        .to_vec();
    variables.push(json!({"key": "of_red", "val": "red's", "team_name": "red"}));
    variables.push(json!({"key": "of_blue", "val": "blue's", "team_name": "blue"}));
    let plain = |conn_id: &str| json!({"conn_id": conn_id, "conn_type": "http", "is_encrypted": false, "is_extra_encrypted": false});
    let with = |conn_id: &str, more: Value| {
        let mut row = plain(conn_id);
        let more = more.as_object().unwrap().clone();
        row.as_object_mut().unwrap().extend(more);
        row
    };
    let (mut connections, more) = side_by_side::rows();
    variables.extend(more);
    connections.extend([
        pg,
        json!({"conn_id": "bare", "conn_type": "fs"}),
        json!({"conn_id": "of_red", "conn_type": "http", "host": "red", "team_name": "red"}),
    ]);
    json!({
        "connections": connections,
        "rows": [
            with("cipher", json!({"password": "no cipher text", "is_encrypted": true})),
            with("far_port", json!({"port": 99999})),
            with("no_json", json!({"extra": "no json"})),
            with("empty_password", json!({"password": "", "host": ""})),
            plain("odd ?#%25&+é"),
            plain("a/b"),
        ],
        "variables": variables,
        "tasks": tasks,
    })
}

/// The server that all tests share; each changes only what is its own.
async fn server() -> &'static ExecutionApi {
    static SERVER: OnceCell<ExecutionApi> = OnceCell::const_new();
    SERVER
        .get_or_init(|| ExecutionApi::start(rows(), &[]))
        .await
}

/// A builder for the API at `url`, with a token of `TASK`, that repeats nothing.
fn api_at(url: &str) -> ExecutionApiBuilder {
    ExecutionApiBackend::builder()
        .url(url)
        .credential(ExecutionApiCredential::token(token(TASK)))
        .retries(RetryOptions::new().with_max_retries(0))
        // A machine that is busy.
        .attempt_timeout(std::time::Duration::from_secs(60))
        .http(
            airflow_secrets::backends::HttpOptions::new()
                .with_timeout(std::time::Duration::from_secs(60)),
        )
}

/// The same for the shared server.
async fn api() -> ExecutionApiBuilder {
    api_at(&server().await.url)
}

/// A backend of the shared server, with this token.
async fn with_token(token: &str) -> ExecutionApiBackend {
    let api = api().await.credential(ExecutionApiCredential::token(token));
    api.build().unwrap()
}

/// As a task asks.
fn options() -> LookupOptions {
    LookupOptions::new().with_dialect(Dialect::TaskSdk)
}

/// A variable as a test likes it: its text, or what else happened.
async fn variable(backend: &ExecutionApiBackend, key: &str) -> Result<String, String> {
    outcome(backend.get_variable(key, &options()).await)
}

/// A connection's URI, or what else happened.
async fn connection(backend: &ExecutionApiBackend, conn_id: &str) -> Result<String, String> {
    let found = backend.get_connection(conn_id, &options()).await;
    outcome(found.and_then(|found| found.try_map(|found| Ok(found.get_uri()))))
}

fn outcome(looked_up: Result<Lookup<Secret>, Failure>) -> Result<String, String> {
    match looked_up {
        Ok(Lookup::Found { value, .. }) => Ok(value.expose().to_owned()),
        Ok(Lookup::Missing { reason, .. }) => {
            Err(format!("missing: {}", reason.unwrap_or_default()))
        }
        Ok(Lookup::Skipped { reason, .. }) => Err(format!("skipped: {reason}")),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(said(&failure)),
    }
}

/// A failure as a test likes it, with `API` for the address.
fn said(failure: &Failure) -> String {
    let text = format!("{:?}: {failure}", failure.kind());
    let Some(start) = text.find("http://127.0.0.1:") else {
        return text;
    };
    let end = text[start..].find("/execution").map(|end| start + end + 10);
    match end {
        Some(end) => format!("{}API{}", &text[..start], &text[end..]),
        None => text,
    }
}
