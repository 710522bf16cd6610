//! The conformance suite, on the Key Vault of the tests.

use airflow_secrets::testing::Conformance;

use crate::{builder, support::key_vault::Azure};

const URI: &str = "postgres://app:hunter2-marker@db/orders";

#[tokio::test]
async fn key_vault_conforms() {
    let azure = Azure::start();
    for (name, value) in [
        ("airflow-connections-pg", URI),
        ("airflow-variables-colour", "a-blue-marker"),
        ("airflow-variables-red--colour", "a-red-marker"),
        ("airflow-config-key", "a-config-marker"),
    ] {
        azure.vault.put(name, value);
    }
    let wrong = Azure::principal().map(|(name, value)| match name {
        "AZURE_CLIENT_SECRET" => (name, "not-the-secret"),
        _ => (name, value),
    });
    let backend = |variables| builder(&azure.environment(variables)).multi_team(true);
    Conformance::of(backend(&Azure::principal()).build().unwrap())
        .connection("pg", URI)
        .variable("colour", "a-blue-marker")
        .team_variable("red", "colour", "a-red-marker")
        .config("key", "a-config-marker")
        .unreachable(backend(&wrong).build().unwrap())
        .run()
        .await
        .unwrap();
}
