//! Faults, and the failures that they result in.

use std::time::Duration;

use airflow_secrets::backends::HttpOptions;
use airflow_secrets::{
    Environment, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::vault::{VaultBackend, VaultCredential},
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
    vault(&server.url, VaultCredential::token("t"))
        .build()
        .unwrap()
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
async fn a_lookup_that_waits_for_its_retry_holds_no_slot() {
    let busy = Answer::new(503, "").header("retry-after", "1");
    let server = Queued::with([busy, value(), value()]).await;
    let one_at_a_time = HttpOptions::new().with_max_concurrent_requests(1);
    let vault = vault(&server.url, VaultCredential::token("t")).http(one_at_a_time);
    let vault = vault.build().unwrap();
    let found = tokio::join!(variable(&vault, "a"), variable(&vault, "b"));
    assert_eq!(found, (Ok("v".into()), Ok("v".into())));
    let [first, second, third] = <[_; 3]>::try_from(server.seen.lines()).unwrap();
    assert_ne!(first, second);
    assert_eq!(first, third);
}

#[tokio::test]
async fn after_three_repeats_it_is_an_outage() {
    for (status, body, message) in [
        (412, "", "has not caught up with its leader yet"),
        (429, "", "throttles its clients"),
        (500, "<html>", "cannot answer (HTTP 500): see Vault's log"),
        (
            500,
            r#"{"errors":["local node not active but active cluster node not found"]}"#,
            "is a standby and knows no leader: check the cluster",
        ),
        (
            503,
            r#"{"errors":["Vault is sealed"]}"#,
            "is sealed: unseal it",
        ),
        (501, "", "is not initialized: run `vault operator init`"),
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
            kind(
                backend(&server)
                    .get_variable("x", &LookupOptions::new())
                    .await
            ),
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
            kind(
                backend(&server)
                    .get_variable("x", &LookupOptions::new())
                    .await
            ),
            expected,
            "{body}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_an_outage() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let vault = vault(&url, VaultCredential::token("t")).build().unwrap();
    let outcome = variable(&vault, "x").await.unwrap_err();
    let start = format!("Unavailable: no answer from Vault at {url}: ");
    assert!(outcome.starts_with(&start), "{outcome}");
}

#[tokio::test]
async fn a_server_that_says_nothing_ends_the_lookup_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let vault = vault(&url, VaultCredential::token("t"))
        .http(HttpOptions::new().with_timeout(Duration::from_millis(200)))
        .build()
        .unwrap();
    assert_eq!(
        variable(&vault, "x").await,
        Err(format!(
            "Unavailable: Vault at {url} did not answer within 0.2 s: check its load and the network, \
             or raise \"timeout\""
        ))
    );
}

const PATH: &str = "/v1/airflow/data/variables/x";

#[tokio::test]
async fn a_redirect_is_followed_to_the_same_host_and_port_and_takes_the_token_along() {
    let moved = Answer::new(307, "").header("location", "/v1/elsewhere?a=b#c");
    let server = Queued::with([moved, value()]).await;
    assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
    let [first, second] = &server.seen.all()[..] else {
        panic!()
    };
    assert_eq!((&*first.path, &*second.path), (PATH, "/v1/elsewhere?a=b"));
    assert_eq!(second.header("x-vault-token"), Some("t"));
}

#[tokio::test]
async fn a_redirect_elsewhere_is_not_followed_unless_it_is_allowed() {
    let leader = Queued::with(vec![value(); 9]).await;
    let port = leader.url.rsplit(':').next().unwrap();
    for (host, location) in [
        ("localhost", format!("http://localhost:{port}{PATH}")),
        // Another port of the same host may be anybody's.
        ("127.0.0.1", format!("http://127.0.0.1:{port}{PATH}")),
    ] {
        let redirect = || Answer::new(307, "").header("location", &location);
        let standby = Queued::with([redirect(), redirect(), redirect()]).await;
        let builder = || vault(&standby.url, VaultCredential::token("t"));
        for vault in [builder(), builder().follow_redirects(false)] {
            let outcome = variable(&vault.build().unwrap(), "x").await.unwrap_err();
            let words = format!("redirects to {host}:{port}, where the token is not sent");
            assert!(outcome.contains(&words), "{outcome}");
        }
        assert_eq!(leader.seen.lines(), Vec::<String>::new());
        let allowed = builder().redirect_hosts([host]).build().unwrap();
        assert_eq!(variable(&allowed, "x").await, Ok("v".into()));
        assert_eq!(leader.seen.lines(), [format!("GET {PATH}")]);
        leader.seen.clear();
    }
}

#[tokio::test]
async fn a_redirect_to_another_scheme_or_with_a_password_is_not_followed() {
    for location in [
        "https://127.0.0.1",
        "http://a:b@127.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://[",
        "",
    ] {
        let location = format!("{location}{PATH}");
        let standby = Queued::with([Answer::new(307, "").header("location", &location)]).await;
        let allowed =
            vault(&standby.url, VaultCredential::token("t")).redirect_hosts(["127.0.0.1"]);
        let outcome = variable(&allowed.build().unwrap(), "x").await;
        match &*location {
            // To itself, where the queue has ended.
            PATH => assert_eq!(outcome, Err("missing: ".into())),
            _ => assert!(
                outcome
                    .as_ref()
                    .unwrap_err()
                    .contains("where the token is not sent"),
                "{location}: {outcome:?}"
            ),
        }
    }
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let circle = Answer::new(307, "").header("location", PATH);
    let server = Queued::with(vec![circle; 20]).await;
    let outcome = variable(&backend(&server), "x").await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
    assert_eq!(server.seen.lines().len(), 4);
}

#[tokio::test]
async fn a_redirect_never_turns_a_login_into_another_request() {
    let moved = Answer::new(302, "").header("location", "/v1/other");
    let server = Queued::with([moved]).await;
    let login = VaultCredential::approle("role", Some("secret"));
    let outcome = variable(&vault(&server.url, login).build().unwrap(), "x").await;
    assert!(outcome.unwrap_err().starts_with("Unavailable: "));
    assert_eq!(server.seen.lines(), ["POST /v1/auth/approle/login"]);
}

#[tokio::test]
async fn a_404_that_is_not_vaults_does_not_say_that_a_document_is_missing() {
    for body in [
        r#"{"message":"no Route matched with those values"}"#,
        "<html>404 Not Found</html>",
        "",
        "{}",
        r#"{"errors":[{"code":"404"}]}"#,
        r#"{"error":"not found"}"#,
        "404 page not found",
        r#"{"data":"not found"}"#,
        r#"{"data":[]}"#,
        r#"{"data":{"data":null}}"#,
        r#"{"data":null,"errors":null}"#,
    ] {
        let server = Queued::with([Answer::new(404, body)]).await;
        let outcome = variable(&backend(&server), "x").await.unwrap_err();
        let start = "Unavailable: the answer is not one of Vault's: check that \"url\" is Vault's";
        assert!(outcome.starts_with(start), "{body}: {outcome}");
    }
}

#[tokio::test]
async fn a_document_without_metadata_is_read_as_airflow_reads_it() {
    let body = r#"{"data":{"data":{"value":"v"}}}"#;
    let server = Queued::with([Answer::new(200, body)]).await;
    assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
}

#[tokio::test]
async fn a_mount_that_is_being_made_versioned_and_a_gateway_that_is_late_are_asked_again() {
    let upgrading = "Upgrading from non-versioned to versioned data. This backend will be \
                     unavailable for a brief period and will resume service shortly.";
    let upgrading = Answer::new(400, json!({"errors": [upgrading]}).to_string());
    for (busy, words) in [
        (upgrading, "is making the mount's documents versioned"),
        (
            Answer::new(408, ""),
            "did not get the request in time (HTTP 408)",
        ),
    ] {
        let server = Queued::with([busy.clone(), value()]).await;
        assert_eq!(variable(&backend(&server), "x").await, Ok("v".into()));
        let server = Queued::with(vec![busy; 9]).await;
        let outcome = variable(&backend(&server), "x").await.unwrap_err();
        let start = format!("Unavailable: Vault at {} {words}", server.url);
        assert!(outcome.starts_with(&start), "{outcome}");
    }
}

#[tokio::test]
async fn what_stands_before_vault_is_not_taken_for_a_setting() {
    for (status, body, expected) in [
        (
            407,
            "",
            "Unavailable: the proxy before Vault at $ requires a user name and password",
        ),
        (204, "", "Unavailable: the answer is not one of Vault's"),
        (
            400,
            r#"{"errors":["missing client token"]}"#,
            "Configuration: $ refused the request (HTTP 400): the header X-Vault-Token did not arrive",
        ),
    ] {
        let server = Queued::with(vec![Answer::new(status, body); 9]).await;
        let outcome = variable(&backend(&server), "x").await.unwrap_err();
        let start = expected.replace('$', &server.url);
        assert!(outcome.starts_with(&start), "{outcome}");
        assert_eq!(server.seen.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_login_that_is_not_vaults_to_refuse_is_an_outage() {
    let login = || VaultCredential::approle("role", Some("secret"));
    for status in [400, 401, 403, 404] {
        for body in ["<html>no</html>", "", r#"{"message":"no Route matched"}"#] {
            let server = Queued::with(vec![Answer::new(status, body); 9]).await;
            let outcome = variable(&vault(&server.url, login()).build().unwrap(), "x").await;
            let outcome = outcome.unwrap_err();
            let start =
                "Unavailable: the login at auth/approle failed: the answer is not one of Vault's";
            assert!(outcome.starts_with(start), "{status} {body}: {outcome}");
            assert_eq!(server.seen.logins(), 1);
        }
    }
    let wrapped = r#"{"auth":null,"wrap_info":{"token":"marker"}}"#;
    let mfa = r#"{"auth":{"client_token":null,"mfa_requirement":{}}}"#;
    for (body, words) in [(wrapped, "Vault wrapped the token"), (mfa, "multi-factor")] {
        let server = Queued::with([Answer::new(200, body)]).await;
        let outcome = variable(&vault(&server.url, login()).build().unwrap(), "x").await;
        let outcome = outcome.unwrap_err();
        assert!(
            outcome.starts_with("AccessDenied: ") && outcome.contains(words),
            "{outcome}"
        );
        assert!(!outcome.contains("marker"), "{outcome}");
    }
}

#[tokio::test]
async fn a_proxy_that_makes_no_connection_is_named() {
    let nobody = format!("http://u:marker@127.0.0.1:{}", free_port());
    let denies = Queued::with(vec![Answer::new(407, ""); 9]).await;
    let refuses = Queued::with(vec![Answer::new(502, ""); 9]).await;
    for (proxy, expected) in [
        (
            &nobody,
            "no connection to Vault at https://vault.invalid through the proxy: Connection refused",
        ),
        (
            &denies.url,
            "the proxy before Vault at https://vault.invalid requires a user name and password",
        ),
        (
            &refuses.url,
            "no connection to Vault at https://vault.invalid through the proxy: it refuses",
        ),
    ] {
        let vault = vault("https://vault.invalid", VaultCredential::token("t"));
        let vault = vault.http(HttpOptions::new().with_proxy(proxy.as_str()));
        let outcome = variable(&vault.build().unwrap(), "x").await.unwrap_err();
        assert!(
            outcome.starts_with(&format!("Unavailable: {expected}")),
            "{outcome}"
        );
    }
    assert_eq!(denies.seen.lines().len(), 1, "it is not asked again");
}

#[tokio::test]
async fn a_403_that_is_not_vaults_is_a_denial_that_says_so() {
    let server = Queued::with([Answer::new(403, "<html>Forbidden</html>")]).await;
    let outcome = variable(&backend(&server), "x").await.unwrap_err();
    let start = "AccessDenied: denied, but not by Vault: a proxy or gateway before ";
    assert!(outcome.starts_with(start), "{outcome}");
}

#[tokio::test]
async fn answers_that_no_vault_gives_are_outages_and_cost_no_memory() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let document =
        |value: &str| format!(r#"{{"data":{{"data":{{"value":{value}}},"metadata":{{}}}}}}"#);
    let unread = format!(r#"{{"x":{},"errors":[]}}"#, deep(1_000_000));
    for (status, body) in [
        (200, document(&deep(1_000_000))),
        (200, unread.clone()),
        (404, unread.clone()),
        (403, unread.clone()),
        (500, unread),
        (200, document(&format!("\"{}\"", "a".repeat(3_000_000)))),
        (403, "a".repeat(3_000_000)),
    ] {
        let server = Queued::with(vec![Answer::new(status, body); 9]).await;
        let outcome = variable(&backend(&server), "x").await.unwrap_err();
        let start = format!(
            "Unavailable: the answer from {} is not one of Vault's (",
            server.url
        );
        assert!(outcome.starts_with(&start), "{status}: {outcome}");
        assert_eq!(server.seen.lines().len(), 1, "it is not asked again");
    }
}

#[tokio::test]
async fn a_document_that_is_deep_and_long_but_possible_is_read() {
    let value = format!("{}{}", "[".repeat(900), "]".repeat(900));
    let text = "a".repeat(1024 * 1024);
    let body = format!(r#"{{"data":{{"data":{{"a":"{text}","value":{value}}},"metadata":{{}}}}}}"#);
    let server = Queued::with([Answer::new(200, body)]).await;
    assert_eq!(variable(&backend(&server), "x").await, Ok(value));
}

#[tokio::test]
async fn a_slow_answer_ends_with_the_time_of_the_lookup() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.read(&mut [0; 4096]).await.unwrap();
        let mut every = tokio::time::interval(Duration::from_millis(10));
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        client.write_all(head).await.unwrap();
        loop {
            every.tick().await;
            if client.write_all(b" ").await.is_err() {
                return;
            }
        }
    });
    let vault = vault(&url, VaultCredential::token("t"))
        .http(HttpOptions::new().with_timeout(Duration::from_millis(300)));
    let outcome = variable(&vault.build().unwrap(), "x").await.unwrap_err();
    assert!(outcome.contains("did not answer within 0.3 s"), "{outcome}");
}

#[tokio::test]
async fn no_proxy_may_name_an_ipv6_address() {
    let (server, proxy) = (
        Queued::at("[::1]:0", [value()]).await,
        Queued::with([]).await,
    );
    let environment =
        Environment::from_iter([("http_proxy", proxy.url.as_str()), ("no_proxy", "::1")]);
    let vault = vault(&server.url, VaultCredential::token("t")).environment(&environment);
    assert_eq!(variable(&vault.build().unwrap(), "x").await, Ok("v".into()));
    assert_eq!(proxy.seen.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_gets_the_request() {
    let proxy = Queued::with([value()]).await;
    let vault = vault(
        "http://vault.invalid:8200/prefix/",
        VaultCredential::token("t"),
    );
    let vault = vault
        .http(HttpOptions::new().with_proxy(proxy.url.as_str()))
        .build()
        .unwrap();
    assert_eq!(variable(&vault, "x").await, Ok("v".into()));
    assert_eq!(
        proxy.seen.lines(),
        ["GET http://vault.invalid:8200/prefix/v1/airflow/data/variables/x"]
    );
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_a_configuration_failure() {
    let server = Queued::with([]).await;
    let vault = vault(&server.url, VaultCredential::token("a\nb"))
        .build()
        .unwrap();
    assert_eq!(
        variable(&vault, "x").await,
        Err(
            "Configuration: the token contains a character that cannot be sent: check its file"
                .into()
        )
    );
}

#[test]
fn an_invalid_address_is_an_error_when_the_backend_is_made() {
    for url in [
        "127.0.0.1:8200",
        "ftp://vault",
        "",
        "http://",
        "http://h?x=1",
        r"http:\\h",
        "http:/h",
        "http://h\nx:8200",
    ] {
        let error = vault(url, VaultCredential::token("t")).build().unwrap_err();
        assert_eq!(error.setting(), "url", "{url}");
    }
}
