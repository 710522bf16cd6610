//! Requests, counted on the wire.

use airflow_secrets::{
    SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::vault::VaultCredential,
};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    kind, outcome,
    support::{openbao::OpenBao, wire::CountingProxy},
    variable, vault,
};

/// A server with 100 variables and an AppRole for them, and a counting proxy before it.
async fn server() -> (OpenBao, CountingProxy, VaultCredential) {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    let documents = (0..100).map(|n| {
        let path = format!("airflow/data/variables/v{n}");
        let body = json!({"data": {"value": n.to_string()}});
        let server = &server;
        async move { server.post(&path, body).await }
    });
    join_all(documents).await;
    let exact = (0..100)
        .map(|n| format!("airflow/data/variables/v{n}"))
        .collect::<Vec<_>>();
    let exact = exact.iter().map(String::as_str).collect::<Vec<_>>();
    server.policy("reader", &exact).await;
    server.enable_login("approle").await;
    let (role_id, secret_id) = server
        .approle("worker", json!({"token_policies": ["reader"]}))
        .await;
    let proxy = CountingProxy::before(&server.url).await;
    (
        server,
        proxy,
        VaultCredential::approle(role_id, Some(secret_id)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_lookups_from_a_cold_start_are_one_login_and_a_thousand_reads() {
    let (_server, proxy, login) = server().await;
    let vault = vault(&proxy.url, login).build().unwrap();
    let ids = (0..1000).map(|n| n % 100).collect::<Vec<_>>();
    let lookups = ids.iter().map(|n| {
        let vault = &vault;
        async move { variable(vault, &format!("v{n}")).await }
    });
    let expected = ids.iter().map(|n| Ok(n.to_string())).collect::<Vec<_>>();
    assert_eq!(join_all(lookups).await, expected);
    assert_eq!(proxy.seen.logins(), 1);
    assert_eq!(proxy.seen.lines().len(), 1 + 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ids_at_once_are_one_login_and_a_read_each() {
    let (_server, proxy, login) = server().await;
    let vault = vault(&proxy.url, login).build().unwrap();
    let keys = (0..100).map(|n| format!("v{n}")).collect::<Vec<_>>();
    let keys = keys.iter().map(String::as_str).collect::<Vec<_>>();
    let values = vault
        .get_variables(&keys, &LookupOptions::new())
        .await
        .into_iter()
        .map(outcome);
    assert_eq!(
        values.collect::<Vec<_>>(),
        (0..100).map(|n| Ok(n.to_string())).collect::<Vec<_>>()
    );
    assert_eq!(proxy.seen.lines().len(), 1 + 100);
}

#[tokio::test]
async fn a_wrong_secret_id_is_not_tried_for_every_lookup() {
    let (_server, proxy, _) = server().await;
    let login = VaultCredential::approle("no role", Some("no secret"));
    let vault = vault(&proxy.url, login).build().unwrap();
    for _ in 0..1000 {
        let looked_up = vault.get_variable("v1", &LookupOptions::new()).await;
        assert_eq!(kind(looked_up), FailureKind::AccessDenied);
    }
    assert!(proxy.seen.lines().len() <= 5, "{:?}", proxy.seen.lines());
}

#[tokio::test]
async fn a_thousand_denied_ids_are_one_login_and_a_thousand_reads() {
    let (_server, proxy, login) = server().await;
    let vault = vault(&proxy.url, login).build().unwrap();
    for n in 0..1000 {
        let looked_up = vault
            .get_variable(&format!("undefined{n}"), &LookupOptions::new())
            .await;
        assert_eq!(kind(looked_up), FailureKind::AccessDenied);
    }
    assert!(proxy.seen.logins() <= 2, "{} logins", proxy.seen.logins());
    assert_eq!(proxy.seen.lines().len(), proxy.seen.logins() + 1000);
}

#[tokio::test]
async fn connections_are_kept() {
    let (_server, proxy, login) = server().await;
    let vault = vault(&proxy.url, login).build().unwrap();
    for n in 0..100 {
        assert_eq!(variable(&vault, &format!("v{n}")).await, Ok(n.to_string()));
    }
    assert_eq!(proxy.connections(), 1);
}
