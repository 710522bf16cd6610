//! Where the permission for batches is missing.

use airflow_secrets::backend::{FailureKind, LookupOptions};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, backend, kind,
    many_ids::target,
    outcome,
    support::{
        log::{Log, of_this_thread},
        served::Served,
        wire::{Answer, Request},
    },
};

/// Denies batches, and some single reads too.
fn no_batches(request: &Request) -> Answer {
    let body = serde_json::from_str::<Value>(&request.body).unwrap();
    let name = body["SecretId"].as_str().or(body["Name"].as_str());
    match name {
        Some(name) if !name.ends_with("denied") => {
            let value = json!({"SecretString": name, "Parameter": {"Value": name}});
            Answer::new(200, value.to_string())
        }
        _ => Answer::new(
            400,
            r#"{"__type": "AccessDeniedException", "message": "no"}"#,
        ),
    }
}

#[tokio::test]
async fn a_denied_batch_is_told_once_and_ids_are_asked_for_singly_from_then_on() {
    for (class, prefix, action, batch, single) in [
        (
            SECRETS_MANAGER,
            "airflow/variables",
            "secretsmanager:BatchGetSecretValue",
            "secretsmanager.BatchGetSecretValue",
            "secretsmanager.GetSecretValue",
        ),
        (
            PARAMETER_STORE,
            "/airflow/variables",
            "ssm:GetParameters",
            "AmazonSSM.GetParameters",
            "AmazonSSM.GetParameter",
        ),
    ] {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("warn"))
            .with_ansi(false)
            .without_time()
            .with_writer(log.clone())
            .finish();
        // Of this test's thread, on which all of it runs.
        let logging = of_this_thread(subscriber);
        let server = Served::by(no_batches).await;
        let backend = backend(class, &server.url, json!({})).await;
        for round in ["first", "second"] {
            for keys in [["a", "b"], ["b", "c"]] {
                let found = backend.get_variables(&keys, &LookupOptions::new()).await;
                let found = found.into_iter().map(outcome).collect::<Vec<_>>();
                let expected = keys.map(|key| Ok(format!("{prefix}/{key}")));
                assert_eq!(found, expected, "{round}");
            }
        }
        drop(logging);
        let targets = server.seen.all().iter().map(target).collect::<Vec<_>>();
        assert_eq!(targets[0], batch);
        assert_eq!(targets[1..], vec![single; 8]);
        let name = backend.name();
        assert_eq!(
            log.text(),
            format!(
                " WARN airflow_secrets::backends::aws: AWS denied {action}: from now on each id is read by a call of its own; allow the action to save calls backend=\"{name}\"\n"
            )
        );
    }
}

#[tokio::test]
async fn batches_that_are_denied_at_the_same_time_are_told_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    let logging = of_this_thread(subscriber);
    let server = Served::by(no_batches).await;
    let backend = backend(PARAMETER_STORE, &server.url, json!({})).await;
    let keys = (0..40).map(|key| key.to_string()).collect::<Vec<_>>();
    let keys = keys.iter().map(String::as_str).collect::<Vec<_>>();
    for found in backend.get_variables(&keys, &LookupOptions::new()).await {
        assert!(outcome(found).is_ok());
    }
    drop(logging);
    assert_eq!(
        log.text().matches("AWS denied").count(),
        1,
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn where_single_reads_are_denied_too_each_says_so_itself() {
    let server = Served::by(no_batches).await;
    let backend = backend(SECRETS_MANAGER, &server.url, json!({})).await;
    let found = backend
        .get_variables(&["denied", "b"], &LookupOptions::new())
        .await;
    let [denied, b] = <[_; 2]>::try_from(found).unwrap();
    assert_eq!(kind(denied), FailureKind::AccessDenied);
    assert_eq!(outcome(b), Ok("airflow/variables/b".to_owned()));
}
