//! The conformance suite, on the real server.

use std::time::Duration;

use airflow_secrets::{backends::HttpOptions, testing::Conformance};

use crate::{URI, api, api_at};

#[tokio::test]
async fn the_execution_api_conforms() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/execution/", silent.local_addr().unwrap());
    let moment = Duration::from_millis(100);
    let unreachable = api_at(&url).http(HttpOptions::new().with_timeout(moment));
    Conformance::of(api().await.build().unwrap())
        .connection("pg", URI)
        .variable("colour", "a-blue-marker")
        .unreachable(unreachable.build().unwrap())
        .run()
        .await
        .unwrap();
}
