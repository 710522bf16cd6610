//! Faults, and what is made of them.

use std::time::Duration;

use airflow_secrets::{
    FailureKind, SecretsBackend,
    backends::vault::{Login, VaultBackend},
};
use serde_json::json;

use crate::{
    kind,
    support::{
        ports::free_port,
        wire::{Answer, Queued},
    },
    variable, vault,
};

fn value() -> Answer {
    Answer::document(json!({"value": "v"}))
}

fn backend(server: &Queued) -> VaultBackend {
    vault(&server.url, Login::token("t")).build().unwrap()
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for status in [412, 429, 500, 502, 503, 504] {
        let server = Queued::with([
            Answer::new(status, "busy"),
            Answer::new(status, ""),
            value(),
        ])
        .await;
        assert_eq!(
            variable(&backend(&server), "x").await,
            Ok("v".into()),
            "{status}"
        );
        assert_eq!(
            server.seen.lines(),
            vec!["GET /v1/airflow/data/variables/x"; 3]
        );
    }
}

#[tokio::test]
async fn after_three_repeats_it_is_an_outage() {
    for (status, body, message) in [
        (412, "", "has not caught up with its leader yet"),
        (429, "", "throttles its clients"),
        (500, "<html>", "is not able to answer (HTTP 500)"),
        (
            500,
            r#"{"errors":["local node not active but active cluster node not found"]}"#,
            "is a standby and knows no leader",
        ),
        (
            503,
            r#"{"errors":["Vault is sealed"]}"#,
            "is sealed: unseal it",
        ),
        (501, "", "is not initialized"),
    ] {
        let server = Queued::with(vec![Answer::new(status, body); 9]).await;
        assert_eq!(
            variable(&backend(&server), "x").await,
            Err(format!("Unavailable: Vault at {} {message}", server.url))
        );
        assert_eq!(server.seen.lines().len(), 4, "{status}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for (status, expected) in [
        (400, FailureKind::Configuration),
        (401, FailureKind::AccessDenied),
        (403, FailureKind::AccessDenied),
        (405, FailureKind::Configuration),
    ] {
        let server = Queued::with(vec![Answer::new(status, "{}"); 9]).await;
        assert_eq!(
            kind(backend(&server).get_variable("x", None).await),
            expected,
            "{status}"
        );
        assert_eq!(server.seen.lines().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_vaults_is_no_answer() {
    for body in [
        "<html>log in</html>",
        "",
        "[]",
        r#"{"data": 5}"#,
        r#"{"other": {}}"#,
    ] {
        let server = Queued::with([Answer::new(200, body)]).await;
        let expected = match body {
            r#"{"data": 5}"# => FailureKind::InvalidValue,
            _ => FailureKind::Unavailable,
        };
        assert_eq!(
            kind(backend(&server).get_variable("x", None).await),
            expected,
            "{body}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_an_outage() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let vault = vault(&url, Login::token("t")).build().unwrap();
    let outcome = variable(&vault, "x").await.unwrap_err();
    let start = format!("Unavailable: no answer from Vault at {url}: ");
    assert!(outcome.starts_with(&start), "{outcome}");
}

#[tokio::test]
async fn a_server_that_says_nothing_ends_the_lookup_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let vault = vault(&url, Login::token("t"))
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    assert_eq!(
        variable(&vault, "x").await,
        Err(format!(
            "Unavailable: Vault at {url} did not answer within 0.2 s"
        ))
    );
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_and_takes_the_token_along() {
    let leader = Queued::with([value()]).await;
    let location = format!("{}/v1/airflow/data/variables/x", leader.url);
    let standby = Queued::with([Answer::new(307, "").header("location", &location)]).await;
    assert_eq!(variable(&backend(&standby), "x").await, Ok("v".into()));
    assert_eq!(leader.seen.all()[0].header("x-vault-token"), Some("t"));
}

#[tokio::test]
async fn a_redirect_elsewhere_is_not_followed_unless_it_is_allowed() {
    let leader = Queued::with([value()]).await;
    let port = leader.url.rsplit(':').next().unwrap();
    let location = format!("http://localhost:{port}/v1/airflow/data/variables/x");
    let redirect = || Answer::new(307, "").header("location", &location);
    let standby = Queued::with([redirect(), redirect(), redirect()]).await;
    let outcome = variable(&backend(&standby), "x").await.unwrap_err();
    assert!(
        outcome.contains("is a standby and redirects to localhost"),
        "{outcome}"
    );
    let never = vault(&standby.url, Login::token("t"))
        .follow_redirects(false)
        .build()
        .unwrap();
    let outcome = variable(&never, "x").await.unwrap_err();
    assert!(
        outcome.contains("is a standby and redirects to localhost"),
        "{outcome}"
    );
    assert_eq!(leader.seen.lines(), Vec::<String>::new());
    let allowed = vault(&standby.url, Login::token("t")).redirect_hosts(["localhost"]);
    assert_eq!(
        variable(&allowed.build().unwrap(), "x").await,
        Ok("v".into())
    );
}

#[tokio::test]
async fn a_proxy_gets_the_request() {
    let proxy = Queued::with([value()]).await;
    let vault = vault("http://vault.invalid:8200/prefix/", Login::token("t"));
    let vault = vault.proxy(proxy.url.as_str()).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    assert_eq!(
        proxy.seen.lines(),
        ["GET http://vault.invalid:8200/prefix/v1/airflow/data/variables/x"]
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_said_so() {
    let server = Queued::with([]).await;
    let vault = vault(&server.url, Login::token("a\nb")).build().unwrap();
    assert_eq!(
        variable(&vault, "x").await,
        Err("Configuration: the token holds a character that cannot be sent".into())
    );
}

#[test]
fn an_address_that_is_none_is_an_error_when_the_backend_is_made() {
    for url in [
        "127.0.0.1:8200",
        "ftp://vault",
        "",
        "http://",
        "http://h?x=1",
    ] {
        let error = vault(url, Login::token("t")).build().unwrap_err();
        assert_eq!(error.setting(), "url", "{url}");
    }
}
