//! A check is one request, whatever comes of it.

use airflow_secrets::{Resolver, backends::kubernetes::KubernetesSecretsBackend};

use crate::{
    at,
    faults::status,
    in_pod,
    support::{
        kubernetes::{ApiServer, CONNECTION, TEAM},
        wire::Queued,
    },
};

async fn checked(backend: KubernetesSecretsBackend) -> String {
    let resolver = Resolver::builder().backend(backend).build();
    resolver.check().await[0].to_string()
}

#[tokio::test]
async fn a_list_without_secrets_proves_that_the_api_server_answers() {
    let namespace = ApiServer::shared().await.namespace().await;
    let pod = namespace.pod("airflow").await;
    let said = checked(in_pod(&pod).build().unwrap()).await;
    let asked = format!(
        "-n {} -l {CONNECTION}=airflow-secrets-check,!{TEAM}",
        namespace.name
    );
    assert_eq!(said, format!("kubernetes_secrets ({asked}) reachable"));
    assert_eq!(namespace.lists().len(), 1);

    let nobody = namespace.pod_without_role("nobody").await;
    let said = checked(in_pod(&nobody).build().unwrap()).await;
    assert!(said.contains(" access_denied: "), "{said}");
    assert_eq!(namespace.lists().len(), 2);
}

#[tokio::test]
async fn a_denial_and_an_outage_are_told_without_a_second_request() {
    for (code, outcome) in [
        (401, " access_denied: "),
        (403, " access_denied: "),
        (429, " unavailable: "),
        (500, " unavailable: "),
    ] {
        let queued = Queued::with([status(code, "m4rk3r")]).await;
        let said = checked(at(&queued.url).build().unwrap()).await;
        assert!(said.contains(outcome) && !said.contains("m4rk3r"), "{said}");
        assert_eq!(queued.seen.lines().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_is_configured() {
    let queued = Queued::with([]).await;
    let backend = at(&queued.url)
        .connections_label(None)
        .variables_label(None)
        .config_label(None);
    let said = checked(backend.build().unwrap()).await;
    assert_eq!(
        said,
        "kubernetes_secrets skipped: not configured: \"connections_label\" is not set"
    );
    assert_eq!(queued.seen.lines(), Vec::<String>::new());
}
