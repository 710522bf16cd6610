//! The environment variables backend answers as the real Airflow did.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod local_filesystem_cases;

use airflow_secrets::{
    Environment, SecretsBackend, backend::LookupOptions,
    backends::environment::EnvironmentVariablesBackend,
};
use local_filesystem_cases::{assert_all_equal, cases, connection, value};
use serde_json::Value;

fn answer(case: &Value) -> Value {
    let variables = case["env"].as_object().expect("env").iter();
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str().expect("a text")));
    let multi_team = case["multi_team"].as_bool().expect("multi_team");
    let backend = EnvironmentVariablesBackend::new(variables.collect::<Environment>(), multi_team);
    let id = case["id"].as_str().expect("id");
    let team = case["team"].as_str();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        if case["kind"] == "connection" {
            connection(
                backend
                    .get_connection(id, &LookupOptions::new().with_team(team))
                    .await,
            )
        } else {
            value(
                backend
                    .get_variable(id, &LookupOptions::new().with_team(team))
                    .await,
            )
        }
    })
}

#[test]
fn environment_variables_answer_as_airflow() {
    let cases = cases("environment");
    assert!(cases.len() >= 500, "only {} cases", cases.len());
    assert_all_equal(&cases, answer);
}
