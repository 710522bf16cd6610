//! Limits as large as their types allow: as good as none.

use airflow_secrets::backend::LookupOptions;
use std::time::Duration;

use airflow_secrets::SecretsBackend as _;
use airflow_secrets::backends::HttpOptions;
use serde_json::json;

use crate::{
    credentials::value, faults::quick, outcome, secrets_manager, support::wire::Queued, variable,
};

#[tokio::test]
async fn limits_in_settings_may_be_as_large_as_they_come() {
    let service = Queued::with([value()]).await;
    let kwargs = json!({"config_kwargs": {
        "connect_timeout": 1.8e19, "read_timeout": 1.8e19, "max_pool_connections": u64::MAX,
    }});
    let backend = secrets_manager(&service.url, kwargs).await;
    assert_eq!(variable(&backend, "x").await, Ok("v".to_owned()));
}

#[tokio::test]
async fn limits_in_code_may_be_as_large_as_they_come() {
    let service = Queued::with([value()]).await;
    let backend = quick(&service.url)
        .http(HttpOptions::new().with_connect_timeout(Duration::MAX))
        .read_timeout(Duration::MAX)
        .http(HttpOptions::new().with_timeout(Duration::MAX))
        .http(HttpOptions::new().with_max_concurrent_requests(usize::MAX))
        .build()
        .unwrap();
    assert_eq!(
        outcome(backend.get_variable("x", &LookupOptions::new()).await),
        Ok("v".to_owned())
    );
}
