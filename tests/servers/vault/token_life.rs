//! The token's life against a real server: revoked, rotated, short, used up, sealed, restarted.

use std::{sync::Arc, time::Duration};

use airflow_secrets::backends::RetryOptions;
use airflow_secrets::{
    SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::vault::VaultCredential,
};
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

async fn server(options: Value) -> (OpenBao, CountingProxy, VaultCredential) {
    let server = OpenBao::dev().await;
    let (role_id, secret_id) = prepare(&server, options).await;
    let proxy = CountingProxy::before(&server.url).await;
    (
        server,
        proxy,
        VaultCredential::approle(role_id, Some(secret_id)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_revoked_is_replaced_by_one_login_for_all() {
    let (server, proxy, login) = server(json!({})).await;
    let vault = Arc::new(vault(&proxy.url, login).build().unwrap());
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    for round in 2..=3 {
        server.revoke_tokens_of("approle/login").await;
        let lookups = join_all((0..50).map(|_| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move { variable(&vault, "x").await })
        }))
        .await;
        for lookup in lookups {
            assert_eq!(lookup.unwrap(), Ok("v".into()));
        }
        assert_eq!(proxy.seen.logins(), round);
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_costs_one_login_and_one_repeat() {
    let (server, proxy, login) = server(json!({})).await;
    let vault = vault(&proxy.url, login).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    server.revoke_tokens_of("approle/login").await;
    proxy.seen.clear();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    assert_eq!(
        proxy.seen.lines(),
        [
            "GET /v1/airflow/data/variables/x",
            "POST /v1/auth/approle/login",
            "GET /v1/airflow/data/variables/x",
        ]
    );
}

#[tokio::test]
async fn a_path_that_the_policy_denies_costs_one_request_and_no_login() {
    let (_server, proxy, login) = server(json!({})).await;
    let vault = vault(&proxy.url, login)
        .trust_window(Duration::ZERO)
        .build()
        .unwrap();
    let outcome = variable(&vault, "denied").await.unwrap_err();
    let start = "AccessDenied: denied: the token's policies do not allow \"read\" on \
                 \"airflow/data/variables/denied\"";
    assert!(outcome.starts_with(start), "{outcome}");
    assert_eq!(
        proxy.seen.lines(),
        [
            "POST /v1/auth/approle/login",
            "GET /v1/airflow/data/variables/denied",
        ]
    );
}

#[tokio::test]
async fn a_token_that_was_revoked_is_named_where_there_is_no_other() {
    let (server, proxy, _) = server(json!({})).await;
    let token = server.token("reader", json!({})).await;
    let vault = vault(&proxy.url, VaultCredential::token(token.as_str()));
    let vault = vault.build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    server
        .post("auth/token/revoke", json!({ "token": token }))
        .await;
    proxy.seen.clear();
    let outcome = variable(&vault, "x").await.unwrap_err();
    let start = "AccessDenied: denied: Vault does not accept the token: it has ended, was revoked";
    assert!(outcome.starts_with(start), "{outcome}");
    assert_eq!(proxy.seen.lines(), ["GET /v1/airflow/data/variables/x"]);
}

#[tokio::test]
async fn a_token_file_is_read_again_when_it_changes_and_when_its_token_is_refused() {
    let (server, proxy, _) = server(json!({})).await;
    let token = async || server.token("reader", json!({})).await;
    let revoke = async |token: &str| {
        server
            .post("auth/token/revoke", json!({ "token": token }))
            .await;
    };
    let (first, second, third) = (token().await, token().await, token().await);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &first).unwrap();
    let vault = vault(&proxy.url, VaultCredential::token_path(file.path()));
    let vault = vault.build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    let sent = || {
        let requests = proxy.seen.all();
        let tokens = requests
            .iter()
            .map(|request| request.header("x-vault-token"));
        let tokens = tokens.map(|token| token.unwrap().to_owned());
        proxy.seen.clear();
        tokens.collect::<Vec<_>>()
    };
    assert_eq!(sent(), [&*first]);

    // A change alone: the old token is good, and is not sent any more.
    std::fs::write(file.path(), format!("{second}\n")).unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    assert_eq!(sent(), [&*second]);

    // A change of the same length and time, which only the refusal reveals.
    let modified = file.as_file().metadata().unwrap().modified().unwrap();
    std::fs::write(file.path(), format!("{third}\n")).unwrap();
    file.as_file().set_modified(modified).unwrap();
    revoke(&second).await;
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    assert_eq!(sent(), [&*second, &*third]);

    // Nothing new in it: one request for each lookup.
    revoke(&third).await;
    for _ in 0..3 {
        let failed = vault.get_variable("x", &LookupOptions::new()).await;
        assert_eq!(kind(failed), FailureKind::AccessDenied);
        assert_eq!(sent(), [&*third]);
    }
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
    let new = vault(
        &proxy.url,
        VaultCredential::approle(role_id, Some(secret_id)),
    )
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
    let uninitialized = vault(&server.url, VaultCredential::token("t"))
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
    let outcome = variable(&uninitialized, "x").await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
    let key = server.initialize().await;
    let (role_id, secret_id) = prepare(&server, json!({})).await;
    let login = VaultCredential::approle(role_id, Some(secret_id));
    let vault = vault(&server.url, login)
        .retries(RetryOptions::new().with_max_retries(1))
        .build()
        .unwrap();
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
    let login = VaultCredential::approle(role_id, Some(secret_id));
    let vault = vault(&server.url, login)
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    let stopped = server.stop();
    assert_eq!(
        kind(vault.get_variable("x", &LookupOptions::new()).await),
        FailureKind::Unavailable
    );
    let server = stopped.start().await;
    server.unseal(&key).await;
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
}
