//! A conversation with a supervisor in which every kind of message comes up, and what came of each.

use airflow_secrets::{
    Failure, Lookup, SecretsBackend,
    backend::{LookupOptions, VariableStore as _, async_trait},
    backends::{
        memory::MemoryBackend,
        supervisor::{Answer, Body, SupervisorBackend, Transport},
    },
};
use serde_json::{Value, json};

/// A variable that the API server refuses, since the path below is for another task.
const DENIED: &str = "denied";
const DENIED_PATH: &str =
    "../task-instances/01900000-0000-7000-8000-00000000ffff/validate-inlets-and-outlets";
/// A variable whose answer is a page of keys, which the supervisor cannot read.
const BROKEN: &str = "broken";
const BROKEN_PATH: &str = "keys";

/// What a real supervisor holds for this conversation: its API server's connections and variables.
pub(crate) fn held() -> (Value, Value) {
    (
        json!([{
            "conn_id": "pg", "conn_type": "postgres", "host": "db.example.com", "login": "app",
            "password": "pg-password-marker", "schema": "orders", "port": 5432,
            "extra": r#"{"sslmode": "require", "token": "pg-token-marker"}"#,
            "description": "the orders",
        }, {"conn_id": "bare", "conn_type": "http"}]),
        json!([
            {"key": "colour", "val": "blue"},
            {"key": "empty", "val": ""},
            {"key": "my_secret", "val": "my-secret-marker"},
            {"key": "options", "val": r#"{"api_key": "options-marker"}"#},
        ]),
    )
}

/// Reaches what our own backend would never ask for: the requests for two variables are changed on
/// their way, and so are their answers.
#[derive(Debug)]
pub(crate) struct Detour<T>(pub(crate) T);

#[async_trait]
impl<T: Transport> Transport for Detour<T> {
    async fn exchange(&self, request: Body) -> Result<Answer, Failure> {
        let change = |body: Body, from: &str, to: &str| {
            let (from, to) = (json!(from).to_string(), json!(to).to_string());
            let json = body.to_json()?;
            if json.expose().contains(&from) {
                Body::from_json(&json.expose().replace(&from, &to))
            } else {
                Ok(body)
            }
        };
        let is_about = |key: &str| {
            let json = request.to_json().unwrap();
            json.expose().contains(&json!(key).to_string())
        };
        let paths = [(DENIED, DENIED_PATH), (BROKEN, BROKEN_PATH)];
        let Some((key, path)) = paths.into_iter().find(|(key, _)| is_about(key)) else {
            return self.0.exchange(request).await;
        };
        let mut answer = self.0.exchange(change(request, key, path)?).await?;
        if let Some(body) = answer.body {
            answer.body = Some(change(body, path, key)?);
        }
        Ok(answer)
    }
}

/// Says everything, and gives what came of each.
pub(crate) async fn converse(transport: impl Transport) -> Vec<Value> {
    let options = LookupOptions::new().with_dialect(airflow_secrets::Dialect::TaskSdk);
    let supervisor = SupervisorBackend::new(Detour(transport));
    let mut outcomes = Vec::new();
    for conn_id in ["pg", "bare", "absent"] {
        let found = supervisor.get_connection(conn_id, &options).await;
        let shown = outcome(found, |connection| json!(connection.get_uri().expose()));
        outcomes.push(json!({"connection": conn_id, "outcome": shown}));
    }
    for key in [
        "colour",
        "empty",
        "my_secret",
        "options",
        "absent",
        DENIED,
        BROKEN,
    ] {
        let found = supervisor.get_variable(key, &options).await;
        let shown = outcome(found, |value| json!(value.expose()));
        outcomes.push(json!({"variable": key, "outcome": shown}));
    }
    let keys = async || supervisor.variable_keys("co", &options).await;
    let set = async |key, description| {
        let value = "set-by-the-task".into();
        supervisor
            .set_variable(key, &value, description, &options)
            .await
    };
    outcomes.push(json!({"keys": failed(keys().await)}));
    outcomes.push(json!({"set": failed(set("counter", Some("what was counted")).await)}));
    outcomes.push(json!({"set": failed(set("counter", None).await)}));
    outcomes.push(json!({"keys": failed(keys().await)}));
    for key in ["counter", "absent"] {
        let deleted = supervisor.delete_variable(key, &options).await;
        outcomes.push(json!({"deleted": failed(deleted)}));
    }
    let all = supervisor.variable_keys("", &options).await;
    outcomes.push(json!({"keys": failed(all)}));
    let elsewhere = MemoryBackend::new("elsewhere")
        .with_conn_value(
            "api",
            "http://me:elsewhere-password@host/?token=elsewhere-token",
        )
        .with_variable("plain", "elsewhere-plain")
        .with_variable(
            "tokens",
            r#"["elsewhere-1", {"deep": {"password": "elsewhere-2"}}]"#,
        );
    let elsewhere = supervisor.masked(elsewhere);
    let found = elsewhere.get_connection("api", &options).await;
    let shown = outcome(found, |connection| json!(connection.get_uri().expose()));
    outcomes.push(json!({"masked": "api", "outcome": shown}));
    for key in ["plain", "tokens"] {
        let found = elsewhere.get_variable(key, &options).await;
        let shown = outcome(found, |value| json!(value.expose()));
        outcomes.push(json!({"masked": key, "outcome": shown}));
    }
    outcomes
}

fn outcome<T: std::fmt::Debug>(
    lookup: Result<Lookup<T>, Failure>,
    show: impl Fn(&T) -> Value,
) -> Value {
    match lookup {
        Ok(lookup) => match lookup.value() {
            Some(value) => json!({"found": show(value)}),
            None => json!(format!("{lookup:?}")),
        },
        Err(failure) => json!({"failed": failure.kind().as_str(), "message": failure.message()}),
    }
}

fn failed<T: serde::Serialize>(done: Result<T, Failure>) -> Value {
    match done {
        Ok(value) => json!(value),
        Err(failure) => json!({"failed": failure.kind().as_str(), "message": failure.message()}),
    }
}
