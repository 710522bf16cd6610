//! The conformance suite, on both of AWS's stores.

use airflow_secrets::testing::Conformance;
use serde_json::json;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, environment, make,
    support::{moto::moto, ports::free_port},
};

const URI: &str = "postgres://app:hunter2-marker@db/orders";

#[tokio::test]
async fn both_stores_conform() {
    let moto = moto().await;
    let held = [
        ("conform/connections/pg", URI),
        ("conform/variables/colour", "a-blue-marker"),
        ("conform/variables/red--colour", "a-red-marker"),
        ("conform/config/key", "a-config-marker"),
    ];
    for (name, text) in held {
        moto.secret(name, text).await;
        moto.parameter(&format!("/{name}"), "SecureString", text)
            .await;
    }
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (class_path, root) in [(SECRETS_MANAGER, ""), (PARAMETER_STORE, "/")] {
        let made = async |url: &str| {
            let kwargs = json!({
                "connections_prefix": format!("{root}conform/connections"),
                "variables_prefix": format!("{root}conform/variables"),
                "config_prefix": format!("{root}conform/config"),
                "endpoint_url": url,
                "config": {"retries": {"total_max_attempts": 1}},
            });
            let made = make(class_path, kwargs, &environment(&[]), true).await;
            made.unwrap().0
        };
        Conformance::of(made(&moto.url).await)
            .connection("pg", URI)
            .variable("colour", "a-blue-marker")
            .team_variable("red", "colour", "a-red-marker")
            .config("key", "a-config-marker")
            .unreachable(made(&nobody).await)
            .run()
            .await
            .unwrap();
    }
}
