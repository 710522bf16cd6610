//! A check is one request after the login, whatever comes of it, and observers see the login.

use airflow_secrets::{Resolver, SecretsBackend, backends::vault::VaultCredential};
use serde_json::json;

use crate::{
    support::{
        log::{Log, of_this_thread},
        observed::Observed,
        openbao::OpenBao,
        wire::{Answer, CountingProxy, Queued},
    },
    vault,
};

const GET: &str = "GET /v1/airflow/data/connections/airflow-secrets-check";
const WELL: &str = "vault (-mount=airflow connections/airflow-secrets-check) reachable";

async fn checked(resolver: &Resolver) -> String {
    let checks = resolver.check().await;
    checks[0].to_string()
}

fn resolver(backend: impl SecretsBackend) -> (Resolver, Observed) {
    let observed = Observed::default();
    let builder = Resolver::builder().backend(backend);
    (builder.observer(observed.clone()).build(), observed)
}

/// A server that lets an AppRole read what `paths` say.
async fn server(paths: &[&str]) -> (OpenBao, VaultCredential) {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server.policy("reader", paths).await;
    server.enable_login("approle").await;
    let role = json!({"token_policies": ["reader"]});
    let (role_id, secret_id) = server.approle("worker", role).await;
    let login = VaultCredential::approle(role_id, Some(secret_id));
    (server, login)
}

#[tokio::test]
async fn one_login_then_one_request_for_each_check() {
    let (server, login) = server(&["airflow/data/connections/*"]).await;
    let proxy = CountingProxy::before(&server.url).await;
    let (resolver, observed) = resolver(vault(&proxy.url, login).build().unwrap());
    for logins in [1, 0] {
        assert_eq!(checked(&resolver).await, WELL);
        let mut expected = vec!["POST /v1/auth/approle/login"; logins];
        expected.push(GET);
        assert_eq!(proxy.seen.lines(), expected);
        assert_eq!(observed.take(), vec!["vault: login ok"; logins]);
        proxy.seen.clear();
    }
}

#[tokio::test]
async fn a_denied_path_is_asked_for_once() {
    let (server, login) = server(&["airflow/data/variables/*"]).await;
    let proxy = CountingProxy::before(&server.url).await;
    let (resolver, _) = resolver(vault(&proxy.url, login).build().unwrap());
    let said = checked(&resolver).await;
    let denied = "access_denied: denied: the token's policies do not allow \"read\" on \
                  \"airflow/data/connections/airflow-secrets-check\"";
    assert!(said.contains(denied), "{said}");
    assert_eq!(proxy.seen.count(|line| line == GET), 1);
}

#[tokio::test]
async fn a_revoked_token_is_denied_and_replaced_at_the_next_check() {
    let (server, login) = server(&["airflow/data/connections/*"]).await;
    let proxy = CountingProxy::before(&server.url).await;
    let (resolver, observed) = resolver(vault(&proxy.url, login).build().unwrap());
    assert_eq!(checked(&resolver).await, WELL);
    server.revoke_tokens_of("approle/login").await;
    proxy.seen.clear();
    let said = checked(&resolver).await;
    assert!(said.contains("Vault does not accept the token"), "{said}");
    assert_eq!(proxy.seen.lines(), [GET]);
    assert_eq!(checked(&resolver).await, WELL);
    assert_eq!(observed.take(), ["vault: login ok"; 2]);
}

#[tokio::test]
async fn a_refused_login_is_told_and_nothing_more_is_asked() {
    let (server, _) = server(&["airflow/data/connections/*"]).await;
    let proxy = CountingProxy::before(&server.url).await;
    let login = VaultCredential::approle("nobody", Some("m4rk3r"));
    let (resolver, observed) = resolver(vault(&proxy.url, login).build().unwrap());
    let said = checked(&resolver).await;
    assert!(
        said.starts_with("vault (-mount=airflow connections/"),
        "{said}"
    );
    assert!(
        said.contains(" access_denied: the login at auth/approle was refused"),
        "{said}"
    );
    assert!(!said.contains("m4rk3r"), "{said}");
    assert_eq!(proxy.seen.lines(), ["POST /v1/auth/approle/login"]);
    assert_eq!(observed.take(), ["vault: login access_denied"]);
}

#[tokio::test]
async fn a_mount_that_does_not_exist_is_a_wrong_setting() {
    let server = OpenBao::dev().await;
    let backend = vault(&server.url, VaultCredential::token("root")).build();
    let (resolver, observed) = resolver(backend.unwrap());
    assert_eq!(
        checked(&resolver).await,
        "vault (-mount=airflow connections/airflow-secrets-check) configuration: no secrets \
         engine is mounted there: check \"mount_point\""
    );
    // A token in the settings needs no login.
    assert_eq!(observed.take(), [""; 0]);
}

#[tokio::test]
async fn a_server_in_trouble_is_not_asked_again() {
    for status in [429, 500, 503] {
        let queued = Queued::with([Answer::new(status, "{}")]).await;
        let backend = vault(&queued.url, VaultCredential::token("root")).build();
        let (resolver, _) = resolver(backend.unwrap());
        let said = checked(&resolver).await;
        assert!(said.contains(" unavailable: Vault at "), "{said}");
        assert_eq!(queued.seen.lines(), [GET], "{status}");
    }
}

#[tokio::test]
async fn without_connections_the_next_kind_that_has_a_path_is_asked_for() {
    let queued = Queued::with([]).await;
    let backend = vault(&queued.url, VaultCredential::token("root")).connections_path(None::<&str>);
    let (resolver, _) = resolver(backend.build().unwrap());
    assert_eq!(
        checked(&resolver).await,
        "vault (-mount=airflow variables/airflow-secrets-check) reachable"
    );
}

#[tokio::test]
async fn a_login_has_a_span_of_its_own_within_the_attempt_that_caused_it() {
    let (server, login) = server(&["airflow/data/variables/*"]).await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("airflow_secrets=debug")
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = of_this_thread(subscriber);
    let (resolver, _) = resolver(vault(&server.url, login).build().unwrap());
    resolver.get_variable("x").await.unwrap_err();
    let text = log.text();
    let login = "lookup{kind=\"variable\" id=\"x\"}:attempt{backend=\"vault\"}";
    let line = text.lines().find(|line| line.contains("vault login ok"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains(login), "{line}");
    assert!(
        line.contains("backend=\"vault\" outcome=\"ok\" elapsed="),
        "{line}"
    );
}
