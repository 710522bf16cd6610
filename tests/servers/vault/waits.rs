//! How long a lookup waits: for answers, for retries, for a free slot.

use std::time::{Duration, Instant};

use airflow_secrets::{
    SecretsBackend,
    backend::LookupOptions,
    backends::{
        HttpOptions,
        vault::{VaultBackend, VaultCredential},
    },
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    outcome,
    support::{
        slow::Slow,
        wire::{Answer, Queued},
    },
    variable, vault,
};

fn token_login(url: &str) -> VaultBackend {
    vault(url, VaultCredential::token("t")).build().unwrap()
}

#[tokio::test]
async fn a_wait_for_a_free_slot_is_not_blamed_on_vault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = HttpOptions::new()
        .with_timeout(Duration::from_millis(300))
        .with_max_concurrent_requests(1);
    let vault = vault(&url, VaultCredential::token("t")).http(options);
    let vault = vault.build().unwrap();
    let (first, second) = tokio::join!(variable(&vault, "a"), variable(&vault, "b"));
    let mut outcomes = [first.unwrap_err(), second.unwrap_err()];
    outcomes.sort();
    let [served, waited] = outcomes;
    let start = format!("Unavailable: Vault at {url} did not answer within 0.3 s");
    assert!(served.starts_with(&start), "{served}");
    let start = format!(
        "Unavailable: waited 0.3 s in vain for one of the 1 requests to Vault at {url} that may be \
         under way at once"
    );
    assert!(waited.starts_with(&start), "{waited}");
}

#[tokio::test]
async fn a_thousand_callers_at_600_ms_a_read_are_all_served() {
    let document = r#"{"data":{"data":{"value":"v"},"metadata":{"version":1}}}"#;
    let server = Slow::serving(document, Duration::from_millis(600)).await;
    let vault = token_login(&server.url);
    let ids = (0..1000).map(|n| format!("x{n}")).collect::<Vec<_>>();
    let found = join_all(ids.iter().map(|id| variable(&vault, id))).await;
    assert_eq!(found, vec![Ok("v".to_owned()); 1000]);
    assert_eq!(server.most_at_once(), 64);
}

#[tokio::test]
async fn no_pause_is_begun_that_ends_after_the_callers_deadline() {
    let busy = Answer::new(429, "").header("retry-after", "20");
    let server = Queued::with(vec![busy; 9]).await;
    let start = Instant::now();
    let options = LookupOptions::new().with_deadline(start + Duration::from_secs(15));
    let found = token_login(&server.url).get_variable("x", &options).await;
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let expected = format!("Unavailable: Vault at {} throttles its clients", server.url);
    assert_eq!(outcome(found), Err(expected));
    assert_eq!(server.seen.lines().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_ends_the_lookup_at_the_callers_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let vault = token_login(&url);
    let options = LookupOptions::new().with_deadline(Instant::now() + Duration::from_millis(200));
    let message = outcome(vault.get_variable("x", &options).await).unwrap_err();
    let start = format!("Unavailable: Vault at {url} did not answer within 0.");
    assert!(message.starts_with(&start), "{message}");
}

#[tokio::test]
async fn a_hint_about_the_mount_is_not_waited_for_when_it_is_slow_in_coming() {
    let missing = Answer::new(404, r#"{"errors":[]}"#).text();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.read(&mut [0; 4096]).await.unwrap();
        client.write_all(missing.as_bytes()).await.unwrap();
        // What is asked next has no answer.
        std::future::pending::<()>().await;
    });
    let vault = token_login(&url);
    let start = Instant::now();
    assert_eq!(variable(&vault, "x").await, Err("missing: ".into()));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_hint_about_the_mount_is_asked_for_once() {
    let missing = Answer::new(404, r#"{"errors":[]}"#);
    let busy = Answer::new(503, "").header("retry-after", "1");
    let document = Answer::document(json!({"value": "v"}));
    let server = Queued::with([missing, busy, document]).await;
    assert_eq!(
        variable(&token_login(&server.url), "x").await,
        Err("missing: ".into())
    );
    assert_eq!(server.seen.lines().len(), 2);
}
