//! The conformance suite that every backend passes.

use std::time::Duration;

use airflow_secrets::{backends::HttpOptions, testing::Conformance};
use serde_json::json;

use crate::{
    builder,
    support::astro_platform::{Platform, own},
};

#[tokio::test]
async fn astro_conforms() {
    let platform = Platform::start(vec![
        own(
            "d1",
            "pg",
            "CONNECTION",
            json!({"type": "postgres", "host": "db", "login": "app", "password": "hunter2-marker", "schema": "orders"}),
        ),
        own(
            "d1",
            "colour",
            "AIRFLOW_VARIABLE",
            json!({"value": "a-blue-marker", "isSecret": true}),
        ),
        own(
            "d1",
            "AIRFLOW_CONN_PG",
            "ENVIRONMENT_VARIABLE",
            json!({"value": "postgres://app:hunter2-marker@db/orders", "isSecret": true}),
        ),
        own(
            "d1",
            "AIRFLOW_VAR_COLOUR",
            "ENVIRONMENT_VARIABLE",
            json!({"value": "a-blue-marker", "isSecret": true}),
        ),
    ]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut nowhere = platform.reach(Some("d1"));
    nowhere.insert(
        "https_proxy".to_owned(),
        format!("http://{}", silent.local_addr().unwrap()),
    );
    let moment = HttpOptions::new().with_timeout(Duration::from_millis(100));
    let unreachable = builder(nowhere).http(moment).build().unwrap();
    let astro = builder(platform.reach(Some("d1")))
        .refresh_interval(Duration::ZERO)
        .build()
        .unwrap();
    let uri = "postgres://app:hunter2-marker@db/orders";
    Conformance::of(astro.clone())
        .connection("pg", uri)
        .variable("colour", "a-blue-marker")
        .unreachable(unreachable.clone())
        .run()
        .await
        .unwrap();
    Conformance::of(astro.environment_variables(false))
        .connection("pg", uri)
        .variable("colour", "a-blue-marker")
        .unreachable(unreachable.environment_variables(false))
        .run()
        .await
        .unwrap();
}
