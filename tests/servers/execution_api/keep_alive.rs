//! A token that is kept alive though no lookup is made.

use std::time::Duration;

use airflow_secrets::backends::execution_api::{ExecutionApiBackend, ExecutionApiCredential};
use serde_json::json;

use crate::{
    TASK, api_at, server,
    support::{
        execution_api::{claims, signed},
        process::until,
        served::Served,
        wire::Answer,
    },
    variable,
};

/// A server that gives `next` with the answer about its health.
async fn served(next: String) -> Served {
    Served::by(move |request| match &*request.path {
        "/execution/health" => {
            Answer::new(200, r#"{"status": "healthy"}"#).header("Refreshed-API-Token", &next)
        }
        _ => Answer::new(200, json!({"key": "colour", "value": "blue"}).to_string()),
    })
    .await
}

fn kept(url: &str, token: &str) -> ExecutionApiBackend {
    api_at(&format!("{url}/execution/"))
        .credential(ExecutionApiCredential::token(token))
        .keep_alive(true)
        .build()
        .unwrap()
}

/// Which requests carried which token.
fn carried(server: &Served) -> Vec<(String, String)> {
    let seen = server.seen.all();
    let of = |request: &crate::support::wire::Request| {
        let path = request.path.strip_prefix("/execution/").unwrap();
        let token = request.header("authorization").unwrap();
        (
            path.to_owned(),
            token.strip_prefix("Bearer ").unwrap().to_owned(),
        )
    };
    seen.iter().map(of).collect()
}

#[tokio::test]
async fn the_next_token_is_asked_for_in_the_last_part_of_its_life_and_used() {
    // 14 s before its end: in the middle of its last part already.
    let (old, new) = (signed(&claims(TASK, 14)), signed(&claims(TASK, 600)));
    let server = served(new.clone()).await;
    let backend = kept(&server.url, &old);
    assert_eq!(variable(&backend, "colour").await, Ok("blue".to_owned()));
    until("the token is renewed", async || {
        server.seen.lines().len() == 2
    })
    .await;
    assert_eq!(variable(&backend, "colour").await, Ok("blue".to_owned()));
    let expected = [
        ("health", &old),
        ("variables/colour", &old),
        ("variables/colour", &new),
    ];
    let expected = expected.map(|(path, token)| (path.to_owned(), token.clone()));
    let mut carried = carried(&server);
    // The first two are under way at once.
    carried[..2].sort();
    assert_eq!(carried, expected);
}

#[tokio::test(start_paused = true)]
async fn a_young_token_is_left_alone_until_then() {
    let token = signed(&claims(TASK, 1000));
    let server = served(token.clone()).await;
    let backend = kept(&server.url, &token);
    assert_eq!(variable(&backend, "colour").await, Ok("blue".to_owned()));
    // The last fifth begins after 800 s; its middle is at 900 s.
    tokio::time::advance(Duration::from_secs(800)).await;
    assert_eq!(server.seen.count(|line| line.ends_with("/health")), 0);
    drop(backend);
}

#[tokio::test]
async fn without_the_option_and_after_the_backends_end_nothing_is_asked() {
    let old = signed(&claims(TASK, 14));
    let server = served(old.clone()).await;
    let backend = api_at(&format!("{}/execution/", server.url))
        .credential(ExecutionApiCredential::token(old.as_str()))
        .build()
        .unwrap();
    assert_eq!(variable(&backend, "colour").await, Ok("blue".to_owned()));
    let dropped = kept(&server.url, &old);
    drop(dropped);
    assert_eq!(variable(&backend, "colour").await, Ok("blue".to_owned()));
    assert_eq!(server.seen.count(|line| line.ends_with("/health")), 0);
}

#[tokio::test]
async fn the_real_server_gives_the_next_token_with_its_health() {
    let health = format!("{}health", server().await.url);
    let old = signed(&claims(TASK, 14));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(health).bearer_auth(&old).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let new = answer.headers()["refreshed-api-token"].to_str().unwrap();
    assert_ne!(new, old);
    let backend = crate::with_token(new).await;
    let found = variable(&backend, "colour").await;
    assert_eq!(found, Ok("a-blue-marker".to_owned()));
}
