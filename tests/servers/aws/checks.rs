//! A check is one call, whatever comes of it, and observers see that credentials are loaded.

use std::sync::Arc;

use airflow_secrets::{Resolver, SecretsBackend};
use serde_json::{Value, json};

use crate::{
    parameter_store, secrets_manager,
    support::{
        moto::moto,
        observed::Observed,
        wire::{Answer, CountingProxy, Queued},
    },
};

/// Both services' backends at `url`.
async fn backends(url: &str, kwargs: Value) -> [Arc<dyn SecretsBackend>; 2] {
    [
        secrets_manager(url, kwargs.clone()).await,
        parameter_store(url, kwargs).await,
    ]
}

async fn checked(backend: Arc<dyn SecretsBackend>) -> (String, Vec<String>) {
    let observed = Observed::default();
    let resolver = Resolver::builder()
        .backend(backend)
        .observer(observed.clone())
        .build();
    let said = resolver.check().await[0].to_string();
    (said, observed.take())
}

#[tokio::test]
async fn a_name_that_does_not_exist_proves_that_aws_answers() {
    let proxy = CountingProxy::before(&moto().await.url).await;
    let names = ["airflow/connections/", "/airflow/connections/"];
    for (backend, prefix) in backends(&proxy.url, json!({})).await.into_iter().zip(names) {
        let name = backend.name().to_owned();
        let (said, told) = checked(backend).await;
        assert_eq!(
            said,
            format!("{name} ({prefix}airflow-secrets-check) reachable")
        );
        assert_eq!(told, [format!("{name}: login ok")]);
        assert_eq!(proxy.seen.all().len(), 1);
        proxy.seen.clear();
    }
}

#[tokio::test]
async fn a_lookup_pattern_does_not_stop_the_check() {
    let kwargs = json!({"connections_lookup_pattern": "^pg", "connections_prefix": "checks"});
    let backend = secrets_manager(&moto().await.url, kwargs).await;
    assert_eq!(
        checked(backend).await.0,
        "aws_secrets_manager (checks/airflow-secrets-check) reachable"
    );
}

#[tokio::test]
async fn without_a_prefix_nothing_is_asked() {
    let queued = Queued::with([]).await;
    let none = json!({"connections_prefix": null, "variables_prefix": null, "config_prefix": null});
    for backend in backends(&queued.url, none).await {
        let said = checked(backend).await.0;
        assert!(said.contains(" skipped: not configured"), "{said}");
    }
    assert_eq!(queued.seen.lines(), [""; 0]);
}

#[tokio::test]
async fn a_denial_and_an_outage_are_told_without_a_second_call() {
    for (status, code, outcome) in [
        (400, "AccessDeniedException", " access_denied: "),
        (400, "ThrottlingException", " unavailable: "),
        (500, "InternalServerError", " unavailable: "),
    ] {
        let body = json!({"__type": code, "Message": "m4rk3r"}).to_string();
        let queued = Queued::with([Answer::new(status, &*body), Answer::new(status, &*body)]).await;
        for backend in backends(&queued.url, json!({})).await {
            let (said, _) = checked(backend).await;
            assert!(said.contains(outcome) && !said.contains("m4rk3r"), "{said}");
            assert_eq!(queued.seen.all().len(), 1, "{code}");
            queued.seen.clear();
        }
    }
}
