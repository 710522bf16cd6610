//! The token's life against a real server: revoked, rotated, short, used up, sealed, restarted.

use std::{sync::Arc, time::Duration};

use airflow_secrets::{FailureKind, SecretsBackend, backends::vault::Login};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    kind,
    support::{openbao::OpenBao, process::until, wire::CountingProxy},
    variable, vault,
};

/// A variable `x`, and an AppRole with these token options that may read it.
async fn prepare(server: &OpenBao, mut options: Value) -> (String, String) {
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/x", json!({"value": "v"}))
        .await;
    server.policy("reader", &["airflow/data/variables/x"]).await;
    server.enable_login("approle").await;
    options["token_policies"] = json!(["reader"]);
    server.approle("worker", options).await
}

async fn server(options: Value) -> (OpenBao, CountingProxy, Login) {
    let server = OpenBao::dev().await;
    let (role_id, secret_id) = prepare(&server, options).await;
    let proxy = CountingProxy::before(&server.url).await;
    (server, proxy, Login::approle(role_id, Some(secret_id)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_revoked_is_replaced_by_one_login_for_all() {
    let (server, proxy, login) = server(json!({})).await;
    let builder = vault(&proxy.url, login).trust_window(Duration::ZERO);
    let vault = Arc::new(builder.build().unwrap());
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    server.revoke_tokens_of("approle/login").await;
    let lookups = join_all((0..50).map(|_| {
        let vault = Arc::clone(&vault);
        tokio::spawn(async move { variable(&vault, "x").await })
    }))
    .await;
    for lookup in lookups {
        assert_eq!(lookup.unwrap(), Ok("v".into()));
    }
    assert_eq!(proxy.seen.logins(), 2);
}

#[tokio::test]
async fn a_403_soon_after_a_proof_costs_one_request() {
    let (server, proxy, login) = server(json!({})).await;
    let vault = vault(&proxy.url, login).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    server.revoke_tokens_of("approle/login").await;
    proxy.seen.clear();
    assert_eq!(
        kind(vault.get_variable("x", None).await),
        FailureKind::AccessDenied
    );
    assert_eq!(proxy.seen.lines(), ["GET /v1/airflow/data/variables/x"]);
}

#[tokio::test]
async fn a_denied_path_is_asked_twice_at_most() {
    let (_server, proxy, login) = server(json!({})).await;
    let vault = vault(&proxy.url, login)
        .trust_window(Duration::ZERO)
        .build()
        .unwrap();
    assert_eq!(
        kind(vault.get_variable("denied", None).await),
        FailureKind::AccessDenied
    );
    assert_eq!(
        proxy.seen.lines(),
        [
            "POST /v1/auth/approle/login",
            "GET /v1/airflow/data/variables/denied",
            "POST /v1/auth/approle/login",
            "GET /v1/airflow/data/variables/denied",
        ]
    );
}

#[tokio::test]
async fn a_rotated_secret_id_is_said_to_be_refused_and_the_new_one_works() {
    let (server, proxy, login) = server(json!({})).await;
    let old = vault(&proxy.url, login)
        .trust_window(Duration::ZERO)
        .build()
        .unwrap();
    assert_eq!(variable(&old, "x").await, Ok("v".into()));
    server.delete("auth/approle/role/worker").await;
    let (role_id, secret_id) = server
        .approle("worker", json!({"token_policies": ["reader"]}))
        .await;
    server.revoke_tokens_of("approle/login").await;
    let refused = variable(&old, "x").await.unwrap_err();
    assert!(
        refused.starts_with("AccessDenied: the login at auth/approle was refused"),
        "{refused}"
    );
    let new = vault(&proxy.url, Login::approle(role_id, Some(secret_id)))
        .build()
        .unwrap();
    assert_eq!(variable(&new, "x").await, Ok("v".into()));
}

#[tokio::test]
async fn a_lease_of_five_seconds_is_renewed_while_lookups_go_on() {
    let (_server, proxy, login) = server(json!({"token_ttl": "5s"})).await;
    let vault = vault(&proxy.url, login).build().unwrap();
    // Beyond two whole leases.
    until("three renewals", async || {
        assert_eq!(variable(&vault, "x").await, Ok("v".into()));
        proxy.seen.count(|line| line.contains("renew-self")) >= 3
    })
    .await;
    assert_eq!(proxy.seen.logins(), 1);
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
}

#[tokio::test]
async fn a_lease_that_cannot_grow_is_followed_by_a_login_before_it_ends() {
    let (_server, proxy, login) = server(json!({"token_ttl": "5s", "token_max_ttl": "5s"})).await;
    let vault = vault(&proxy.url, login).build().unwrap();
    until("a second login", async || {
        assert_eq!(variable(&vault, "x").await, Ok("v".into()));
        proxy.seen.logins() >= 2
    })
    .await;
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
}

#[tokio::test]
async fn a_token_is_not_used_more_often_than_it_may_be() {
    let (_server, proxy, login) = server(json!({"token_num_uses": 3})).await;
    let vault = vault(&proxy.url, login).build().unwrap();
    for _ in 0..9 {
        assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    }
    assert_eq!(proxy.seen.logins(), 3);
    assert_eq!(proxy.seen.lines().len(), 3 + 9);
}

#[tokio::test]
async fn a_sealed_server_says_so_and_answers_when_it_is_unsealed() {
    let mut server = OpenBao::on_disk().await;
    let uninitialized = vault(&server.url, Login::token("t"))
        .max_retries(0)
        .build()
        .unwrap();
    let outcome = variable(&uninitialized, "x").await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
    let key = server.initialize().await;
    let (role_id, secret_id) = prepare(&server, json!({})).await;
    let login = Login::approle(role_id, Some(secret_id));
    let vault = vault(&server.url, login).max_retries(1).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    server.seal().await;
    let outcome = variable(&vault, "x").await.unwrap_err();
    assert_eq!(
        outcome,
        format!("Unavailable: Vault at {} is sealed: unseal it", server.url)
    );
    server.unseal(&key).await;
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
}

#[tokio::test]
async fn a_restart_is_an_outage_and_no_more() {
    let mut server = OpenBao::on_disk().await;
    let key = server.initialize().await;
    let (role_id, secret_id) = prepare(&server, json!({})).await;
    let login = Login::approle(role_id, Some(secret_id));
    let vault = vault(&server.url, login).max_retries(0).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    let stopped = server.stop();
    assert_eq!(
        kind(vault.get_variable("x", None).await),
        FailureKind::Unavailable
    );
    let server = stopped.start().await;
    server.unseal(&key).await;
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
}
