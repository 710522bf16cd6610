//! How many calls many ids take.

use std::sync::Arc;

use airflow_secrets::SecretsBackend;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    SECRETS_MANAGER, environment, make, outcome, parameter_store, secrets_manager,
    support::{
        moto::{Moto, moto},
        wire::{Answer, CountingProxy, Queued},
    },
};

async fn fill(moto: &Moto, prefix: &str) -> Vec<String> {
    let keys = (0..100)
        .map(|index| format!("key {index}"))
        .collect::<Vec<_>>();
    let made = keys.iter().filter(|key| !key.ends_with('7'));
    join_all(made.map(|key| async move {
        let name = format!("{prefix}/{key}");
        if prefix.starts_with('/') {
            moto.parameter(&name, "String", &name).await;
        } else {
            moto.secret(&name, &name).await;
        }
    }))
    .await;
    keys
}

async fn assert_all(backend: &Arc<dyn SecretsBackend>, keys: &[String], prefix: &str) {
    let keys = keys.iter().map(String::as_str).collect::<Vec<_>>();
    let found = backend.get_variables(&keys, None).await;
    for (key, found) in keys.iter().zip(found) {
        let expected = if key.ends_with('7') {
            Err("missing: ".to_owned())
        } else {
            Ok(format!("{prefix}/{key}"))
        };
        assert_eq!(outcome(found), expected, "{key}");
    }
}

#[tokio::test]
async fn a_hundred_variables_are_5_calls_to_secrets_manager() {
    let moto = moto().await;
    let keys = fill(moto, "many").await;
    let proxy = CountingProxy::before(&moto.url).await;
    let backend = secrets_manager(&proxy.url, json!({"variables_prefix": "many"})).await;
    assert_all(&backend, &keys, "many").await;
    let targets = targets(&proxy);
    assert_eq!(targets, ["secretsmanager.BatchGetSecretValue"; 5]);
}

#[tokio::test]
async fn a_hundred_variables_are_10_calls_to_the_parameter_store() {
    let moto = moto().await;
    let keys = fill(moto, "/many").await;
    let proxy = CountingProxy::before(&moto.url).await;
    let backend = parameter_store(&proxy.url, json!({"variables_prefix": "/many"})).await;
    assert_all(&backend, &keys, "/many").await;
    assert_eq!(targets(&proxy), ["AmazonSSM.GetParameters"; 10]);
}

#[tokio::test]
async fn a_teams_names_and_the_global_ones_are_a_batch_each() {
    let moto = moto().await;
    moto.secret("batch-teams/red--a", "red a").await;
    moto.secret("batch-teams/a", "a").await;
    moto.secret("batch-teams/b", "b").await;
    let proxy = CountingProxy::before(&moto.url).await;
    let kwargs = json!({"endpoint_url": proxy.url, "variables_prefix": "batch-teams"});
    let (backend, _) = make(SECRETS_MANAGER, kwargs, &environment(&[]), true)
        .await
        .unwrap();
    let keys = ["a", "b", "c", "a", "x--y"];
    let found = backend.get_variables(&keys, Some("red")).await;
    let found = found.into_iter().map(|found| outcome(found).ok());
    let texts = found.collect::<Vec<_>>();
    let expected = [Some("red a"), Some("b"), None, Some("red a"), None];
    assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
    assert_eq!(targets(&proxy), ["secretsmanager.BatchGetSecretValue"; 2]);
    let asked = proxy.seen.all().iter().map(ids).collect::<Vec<_>>();
    assert_eq!(
        asked,
        [
            json!([
                "batch-teams/red--a",
                "batch-teams/red--b",
                "batch-teams/red--c"
            ]),
            json!(["batch-teams/b", "batch-teams/c"]),
        ]
    );
}

#[tokio::test]
async fn one_name_that_aws_takes_for_none_does_not_spoil_the_others() {
    let invalid = || Answer::new(400, r#"{"__type": "ValidationException", "message": "no"}"#);
    let value = json!({"Parameter": {"Name": "/airflow/variables/b", "Value": "two"}});
    let answers = [invalid(), invalid(), Answer::new(200, value.to_string())];
    let queued = Queued::with(answers).await;
    let kwargs = json!({"config_kwargs": {"max_pool_connections": 1}});
    let backend = parameter_store(&queued.url, kwargs).await;
    let found = backend.get_variables(&["a?", "b"], None).await;
    let found = found.into_iter().map(outcome).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            Err("skipped: invalid id: AWS takes it for no name".to_owned()),
            Ok("two".to_owned())
        ]
    );
}

#[tokio::test]
async fn an_error_of_one_secret_in_a_batch_is_that_secrets_alone() {
    let answer = json!({
        "SecretValues": [{"Name": "airflow/variables/a", "SecretString": "one"}],
        "Errors": [{"SecretId": "airflow/variables/b", "ErrorCode": "AccessDeniedException",
            "Message": "Access to KMS is not allowed"}],
    });
    let queued = Queued::with([Answer::new(200, answer.to_string())]).await;
    let backend = secrets_manager(&queued.url, json!({})).await;
    let found = backend.get_variables(&["a", "b"], None).await;
    let found = found.into_iter().map(outcome).collect::<Vec<_>>();
    let denied = "AccessDenied: denied by the encryption key: allow kms:Decrypt for it besides \
                  secretsmanager:GetSecretValue";
    assert_eq!(found, [Ok("one".to_owned()), Err(denied.to_owned())]);
}

pub(crate) fn target(request: &crate::support::wire::Request) -> String {
    request.header("x-amz-target").unwrap().to_owned()
}

fn targets(proxy: &CountingProxy) -> Vec<String> {
    proxy.seen.all().iter().map(target).collect()
}

fn ids(request: &crate::support::wire::Request) -> Value {
    let body = serde_json::from_str::<Value>(&request.body).unwrap();
    body["SecretIdList"].clone()
}
