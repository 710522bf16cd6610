//! How long a token is used.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use airflow_secrets::backends::gcp::GcpCredential;
use serde_json::json;

use crate::{
    credentials::{builder, echo, is_read, user},
    support::{
        google::{bearer, payload, refusal, token},
        served::Served,
        wire::Answer,
    },
    variable,
};

#[tokio::test]
async fn a_token_whose_end_no_clock_can_tell_is_used() {
    let token = json!({"access_token": "t", "expires_in": u64::MAX, "token_type": "Bearer"});
    let server = Served::by(move |request| {
        if is_read(request) {
            echo(request)
        } else {
            Answer::new(200, token.to_string())
        }
    })
    .await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(credentials);
    let backend = backend.build().unwrap();
    for _ in 0..2 {
        assert_eq!(variable(&backend, "x").await, Ok("t".into()));
    }
    assert_eq!(server.seen.count(|line| line.contains("/token")), 1);
}

#[tokio::test]
async fn a_token_that_is_over_is_followed_by_another_in_good_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Served::by(move |request| {
        if is_read(request) {
            return echo(request);
        }
        token(&format!("token {}", asked.fetch_add(1, Ordering::Relaxed)))
    })
    .await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(credentials);
    let backend = backend.build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok("token 0".into()));
    tokio::time::pause();
    for (seconds, expected) in [(3300, "token 0"), (100, "token 1")] {
        tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(variable(&backend, "x").await, Ok(expected.into()));
        tokio::time::pause();
    }
}

/// As where a key is rotated, or a session is ended. One that was refused at once is not asked for
/// again and again.
#[tokio::test]
async fn a_token_that_is_revoked_is_replaced_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Served::by(move |request| {
        if !is_read(request) {
            return token(&format!("token {}", asked.fetch_add(1, Ordering::Relaxed)));
        }
        match bearer(request).as_str() {
            "token 1" => payload("v"),
            _ => refusal(401, "UNAUTHENTICATED", "revoked"),
        }
    })
    .await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(credentials);
    let backend = backend.build().unwrap();
    for _ in 0..2 {
        let outcome = variable(&backend, "x").await.unwrap_err();
        assert!(outcome.starts_with("AccessDenied: "), "{outcome}");
    }
    assert_eq!(server.seen.count(|line| line.contains("/token")), 1);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    tokio::time::resume();
    for _ in 0..2 {
        assert_eq!(variable(&backend, "x").await, Ok("v".into()));
    }
    assert_eq!(server.seen.count(|line| line.contains("/token")), 2);
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            token("")
        }
    })
    .await;
    let credentials = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url)
        .credential(credentials)
        .build()
        .unwrap();
    let expected = "Unavailable: there is no token: the one that came with the answer is empty";
    assert_eq!(variable(&backend, "x").await, Err(expected.to_owned()));
    assert_eq!(server.seen.count(|line| line.contains(":access")), 0);
}

#[tokio::test]
async fn a_gateways_refusal_is_none_of_googles() {
    for (status, body) in [
        (403, "<html>blocked</html>"),
        (404, r#"{"message":"no Route"}"#),
    ] {
        let server = Served::by(move |request| {
            if is_read(request) {
                echo(request)
            } else {
                Answer::new(status, body)
            }
        })
        .await;
        let credentials = GcpCredential::config(user(&server.url).to_string());
        let backend = builder(&server.url)
            .credential(credentials)
            .build()
            .unwrap();
        let expected = format!(
            "Unavailable: there is no token: the answer (HTTP {status}) is not one of Google's token \
             endpoint: check its address and the proxy"
        );
        assert_eq!(variable(&backend, "x").await, Err(expected));
    }
}
