//! Tokens that the real server does not accept: each is a denial, and final.

use std::time::Duration;

use airflow_secrets::{
    ErrorKind, Resolver, SecretsBackend, backend::FailureKind, backends::memory::MemoryBackend,
};
use serde_json::json;

use crate::{
    TASK, connection, options, server,
    support::execution_api::{claims, signed, signed_by, token},
    variable, with_token,
};

/// The same claims, some of them others.
fn with(more: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let mut claims = claims(TASK, 600);
    for (name, value) in more {
        claims[*name] = value.clone();
    }
    claims
}

const NOT_ACCEPTED: &str = "FinalDenial: denied: the Execution API at API does not accept the token: \
                            check that it is this deployment's, and the clocks";

#[tokio::test]
async fn a_forged_or_foreign_token_is_denied() {
    for token in [
        signed_by(&"x".repeat(64), &claims(TASK, 600)),
        signed(&with(&[("aud", json!("urn:other"))])),
        signed(&with(&[("scope", json!("everything"))])),
        signed(&with(&[("nbf", json!(4_000_000_000_u64))])),
        "no-token-at-all".to_owned(),
    ] {
        let backend = with_token(&token).await;
        let denied = Err(NOT_ACCEPTED.to_owned());
        assert_eq!(variable(&backend, "colour").await, denied, "{token}");
        assert_eq!(connection(&backend, "pg").await, denied, "{token}");
        assert_eq!(variable(&backend, "nowhere").await, denied, "{token}");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_says_since_when() {
    let backend = with_token(&signed(&claims(TASK, -3600))).await;
    let found = variable(&backend, "colour").await.unwrap_err();
    let (before, after) = found.split_once(" ended ").unwrap();
    assert_eq!(before, "FinalDenial: denied: the token");
    let (seconds, after) = after.split_once(' ').unwrap();
    assert!((3600..3700).contains(&seconds.parse().unwrap()), "{found}");
    assert_eq!(after, "s ago: give a new one");
}

#[tokio::test]
async fn the_token_of_a_workload_reads_nothing() {
    let backend = with_token(&signed(&with(&[("scope", json!("workload"))]))).await;
    let found = variable(&backend, "colour").await;
    let why = "FinalDenial: denied: the token is that of a workload, which may only start its task: \
               exchange it with `ExecutionApiBackend::run_task_instance`, or give the token of a task \
               that runs";
    assert_eq!(found, Err(why.to_owned()));
}

#[tokio::test]
async fn a_denial_ends_the_search() {
    let forged = signed_by(&"x".repeat(64), &claims(TASK, 600));
    let resolver = Resolver::builder()
        .backend(with_token(&forged).await)
        .backend(MemoryBackend::new("next").with_variable("colour", "red"))
        .build();
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!(error.report().unwrap().attempts().len(), 1);
}

#[tokio::test]
async fn the_check_tells_a_good_token_from_another() {
    let good = with_token(&token(TASK)).await;
    let checked = good.check(&options()).await.unwrap();
    let asked = format!("{}connections/airflow-secrets-check", server().await.url);
    let reachable = airflow_secrets::backend::CheckOutcome::reachable(asked);
    assert_eq!(checked, reachable);
    let bad = with_token(&signed(&claims(TASK, -60))).await;
    let failure = bad.check(&options()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::FinalDenial);
    assert!(!failure.is_transient());
    assert_eq!(failure.retry_after(), None::<Duration>);
}
