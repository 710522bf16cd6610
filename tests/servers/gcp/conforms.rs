//! The conformance suite, on a real drongo.

use airflow_secrets::{backends::HttpOptions, testing::Conformance};

use crate::{secret_manager, support::drongo::Drongo};

const URI: &str = "postgres://app:hunter2-marker@db/orders";

#[tokio::test]
async fn secret_manager_conforms() {
    let drongo = Drongo::start().await;
    for (name, payload) in [
        ("airflow-connections-pg", URI),
        ("airflow-variables-colour", "a-blue-marker"),
        ("airflow-variables-red--colour", "a-red-marker"),
        ("airflow-config-key", "a-config-marker"),
    ] {
        drongo.put("p", name, payload).await;
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let moment = std::time::Duration::from_millis(100);
    let unreachable = secret_manager(&url).http(HttpOptions::new().with_timeout(moment));
    Conformance::of(
        secret_manager(&drongo.url)
            .multi_team(true)
            .build()
            .unwrap(),
    )
    .connection("pg", URI)
    .variable("colour", "a-blue-marker")
    .team_variable("red", "colour", "a-red-marker")
    .config("key", "a-config-marker")
    .unreachable(unreachable.build().unwrap())
    .run()
    .await
    .unwrap();
}
