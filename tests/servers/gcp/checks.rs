//! A check is one request, whatever comes of it.

use airflow_secrets::{Resolver, backends::gcp::CloudSecretManagerBackend};
use serde_json::json;

use crate::{
    secret_manager,
    support::{
        drongo::Drongo,
        wire::{Answer, CountingProxy, Queued},
    },
};

const GET: &str =
    "GET /v1/projects/p/secrets/airflow-connections-airflow-secrets-check/versions/latest:access";

async fn checked(backend: CloudSecretManagerBackend) -> String {
    let resolver = Resolver::builder().backend(backend).build();
    resolver.check().await[0].to_string()
}

#[tokio::test]
async fn a_secret_that_does_not_exist_proves_that_google_answers() {
    let drongo = Drongo::start().await;
    let proxy = CountingProxy::before(&drongo.url).await;
    let said = checked(secret_manager(&proxy.url).build().unwrap()).await;
    assert_eq!(
        said,
        "gcp_secret_manager (projects/p/secrets/airflow-connections-airflow-secrets-check) reachable"
    );
    assert_eq!(proxy.seen.lines(), [GET]);
}

#[tokio::test]
async fn a_denial_and_an_outage_are_told_without_a_second_request() {
    for (status, name, outcome) in [
        (403, "PERMISSION_DENIED", " access_denied: "),
        (429, "RESOURCE_EXHAUSTED", " unavailable: "),
        (500, "INTERNAL", " unavailable: "),
    ] {
        let error = json!({"code": status, "status": name, "message": "m4rk3r"});
        let body = json!({ "error": error }).to_string();
        let queued = Queued::with([Answer::new(status, body)]).await;
        let said = checked(secret_manager(&queued.url).build().unwrap()).await;
        assert!(said.contains(outcome) && !said.contains("m4rk3r"), "{said}");
        assert_eq!(queued.seen.lines(), [GET], "{status}");
    }
}
