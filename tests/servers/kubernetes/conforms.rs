//! The conformance suite, on a real API server.

use std::time::Duration;

use airflow_secrets::{backends::HttpOptions, testing::Conformance};

use crate::{
    at, in_pod,
    support::kubernetes::{ApiServer, CONFIG, CONNECTION, TEAM, VARIABLE},
};

const URI: &str = "postgres://app:hunter2-marker@db/orders";

#[tokio::test]
async fn kubernetes_secrets_conform() {
    let namespace = ApiServer::shared().await.namespace().await;
    let red = [(VARIABLE, "colour"), (TEAM, "red")];
    for (name, labels, text) in [
        ("a", &[(CONNECTION, "pg")][..], URI),
        ("b", &[(VARIABLE, "colour")], "a-blue-marker"),
        ("c", &red, "a-red-marker"),
        ("d", &[(CONFIG, "key")], "a-config-marker"),
    ] {
        namespace.secret(name, labels, &[("value", text)]).await;
    }
    let pod = namespace.pod("airflow").await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let moment = Duration::from_millis(100);
    let unreachable = at(&url).http(HttpOptions::new().with_timeout(moment));
    Conformance::of(in_pod(&pod).build().unwrap())
        .connection("pg", URI)
        .variable("colour", "a-blue-marker")
        .team_variable("red", "colour", "a-red-marker")
        .config("key", "a-config-marker")
        .unreachable(unreachable.build().unwrap())
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn one_that_is_denied_conforms() {
    let namespace = ApiServer::shared().await.namespace().await;
    namespace
        .secret("a", &[(CONNECTION, "pg")], &[("value", URI)])
        .await;
    let pod = namespace.pod("airflow").await;
    let denied = namespace.pod_without_role("nobody").await;
    Conformance::of(in_pod(&pod).build().unwrap())
        .connection("pg", URI)
        .unreachable(in_pod(&denied).build().unwrap())
        .run()
        .await
        .unwrap();
}
