//! How many calls many ids take.

use std::{sync::Arc, time::Duration};

use airflow_secrets::{Resolver, SecretsBackend, backend::LookupOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, backend, environment,
    faults::quick,
    make, outcome, parameter_store, secrets_manager,
    support::{
        moto::{Moto, moto},
        served::Served,
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

async fn assert_all(
    backend: &Arc<dyn SecretsBackend>,
    keys: &[String],
    prefix: &str,
    (whom, kind): (&str, &str),
) {
    let keys = keys.iter().map(String::as_str).collect::<Vec<_>>();
    let found = backend.get_variables(&keys, &LookupOptions::new()).await;
    for (key, found) in keys.iter().zip(found) {
        let expected = if key.ends_with('7') {
            Err(format!("missing: {whom} has no {kind} of this name"))
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
    let whom = format!("Secrets Manager at {}", proxy.url);
    assert_all(&backend, &keys, "many", (&whom, "secret")).await;
    let targets = targets(&proxy);
    assert_eq!(targets, ["secretsmanager.BatchGetSecretValue"; 5]);
}

#[tokio::test]
async fn a_hundred_variables_are_10_calls_to_the_parameter_store() {
    let moto = moto().await;
    let keys = fill(moto, "/many").await;
    let proxy = CountingProxy::before(&moto.url).await;
    let backend = parameter_store(&proxy.url, json!({"variables_prefix": "/many"})).await;
    let whom = format!("SSM at {}", proxy.url);
    assert_all(&backend, &keys, "/many", (&whom, "parameter")).await;
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
    let found = backend
        .get_variables(&keys, &LookupOptions::new().with_team("red"))
        .await;
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
    let found = backend
        .get_variables(&["a?", "b"], &LookupOptions::new())
        .await;
    let found = found.into_iter().map(outcome).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            Err("skipped: invalid id: AWS does not accept it as a name (AWS-9)".to_owned()),
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
    let found = backend
        .get_variables(&["a", "b"], &LookupOptions::new())
        .await;
    let found = found.into_iter().map(outcome).collect::<Vec<_>>();
    let denied = format!(
        "AccessDenied: the KMS key of this secret denies its use (Secrets Manager at {}): allow \
         kms:Decrypt on that key, besides secretsmanager:GetSecretValue",
        queued.url
    );
    assert_eq!(found, [Ok("one".to_owned()), Err(denied)]);
}

#[tokio::test]
async fn a_passing_error_of_one_secret_in_a_batch_is_retried_for_that_secret() {
    for code in ["InternalServiceError", "ThrottlingException"] {
        let batch = json!({
            "SecretValues": [{"Name": "airflow/variables/a", "SecretString": "one"}],
            "Errors": [{"SecretId": "airflow/variables/b", "ErrorCode": code, "Message": "m"}],
        });
        let busy = json!({"__type": code, "message": "m"}).to_string();
        let two = json!({"SecretString": "two"}).to_string();
        let answers = [
            Answer::new(200, batch.to_string()),
            Answer::new(if code.starts_with('I') { 500 } else { 400 }, busy),
            Answer::new(200, two),
        ];
        let queued = Queued::with(answers).await;
        let backend = quick(&queued.url).build().unwrap();
        let found = backend
            .get_variables(&["a", "b"], &LookupOptions::new())
            .await;
        let found = found.into_iter().map(outcome).collect::<Vec<_>>();
        assert_eq!(
            found,
            [Ok("one".to_owned()), Ok("two".to_owned())],
            "{code}"
        );
        let asked = queued.seen.all();
        let targets = asked.iter().map(target).collect::<Vec<_>>();
        let single = "secretsmanager.GetSecretValue";
        assert_eq!(
            targets,
            ["secretsmanager.BatchGetSecretValue", single, single]
        );
        for request in &asked[1..] {
            let body = serde_json::from_str::<Value>(&request.body).unwrap();
            assert_eq!(body["SecretId"], "airflow/variables/b");
        }
    }
}

#[tokio::test]
async fn an_error_that_stays_is_told_after_the_retries_of_that_secret() {
    let batch = json!({"Errors": [
        {"SecretId": "airflow/variables/a", "ErrorCode": "ThrottlingException"},
        {"SecretId": "airflow/variables/b", "ErrorCode": "InternalServiceError"},
    ]});
    let server = Served::by(move |request| {
        if target(request).contains("Batch") {
            return Answer::new(200, batch.to_string());
        }
        let is_a = request.body.contains("variables/a");
        let (status, code) = if is_a {
            (400, "ThrottlingException")
        } else {
            (500, "InternalServiceError")
        };
        Answer::new(status, json!({"__type": code}).to_string())
    });
    let server = server.await;
    let backend = quick(&server.url).build().unwrap();
    let found = backend
        .get_variables(&["a", "b"], &LookupOptions::new())
        .await;
    let found = found.into_iter().map(outcome).collect::<Vec<_>>();
    let whom = format!("Unavailable: Secrets Manager at {}", server.url);
    assert_eq!(
        found,
        [
            Err(format!(
                "{whom} throttles requests: the retries were throttled too; look up many ids in one \
                 call, or ask AWS for a higher quota"
            )),
            Err(format!("{whom} reports an internal error (500)")),
        ]
    );
    // Each name's call and its two retries, besides the batch.
    assert_eq!(server.seen.all().len(), 7);
}

#[tokio::test]
async fn a_batch_without_members_is_no_answer_that_nothing_is_there() {
    for (class, prefix) in [
        (SECRETS_MANAGER, "Secrets Manager"),
        (PARAMETER_STORE, "SSM"),
    ] {
        let server = Served::by(|_| Answer::new(200, "{}")).await;
        let backend = backend(class, &server.url, json!({})).await;
        let found = backend
            .get_variables(&["a", "b"], &LookupOptions::new())
            .await;
        let failed = format!(
            "Unavailable: not an answer of {prefix} at {} (it has none of the members that AWS \
             sends): check the endpoint and the proxy (AWS-10)",
            server.url
        );
        let found = found.into_iter().map(outcome).collect::<Vec<_>>();
        assert_eq!(found, [Err(failed.clone()), Err(failed)]);
    }
}

/// An answer that says that the answer is yet to come.
fn silence() -> Answer {
    Answer::new(100, "")
}

/// The values of `keys`, or the reports of those that have none, in a second.
async fn within_a_second(url: &str, keys: &[String]) -> Vec<Result<String, String>> {
    let backend = secrets_manager(url, json!({})).await;
    let resolver = Resolver::builder().backend(backend).build();
    let resolver = resolver.within(Duration::from_secs(1));
    let answers = resolver.get_variables(keys).await.into_iter();
    let told = answers.map(|answer| match answer {
        Ok(value) => Ok(value.expose().to_owned()),
        Err(error) => {
            let report = error.report().unwrap().to_string();
            // How much of the second was left differs.
            let end = report
                .find("in time")
                .map_or(report.len(), |at| at + "in time".len());
            Err(report[..end].to_owned())
        }
    });
    told.collect()
}

fn late(key: &str) -> Result<String, String> {
    Err(format!(
        "aws_secrets_manager (airflow/variables/{key}) unavailable: AWS did not answer in time"
    ))
}

#[tokio::test]
async fn what_one_batch_gave_by_the_deadline_is_kept_when_another_is_silent() {
    let server = Served::by(|request| {
        let asked = ids(request);
        if asked.to_string().contains("/20\"") {
            return silence();
        }
        let values = asked.as_array().unwrap().iter();
        let values = values.map(|name| json!({"Name": name, "SecretString": name}));
        let answer = json!({"SecretValues": values.collect::<Vec<_>>()});
        Answer::new(200, answer.to_string())
    });
    let server = server.await;
    let keys = (10..50).map(|key| key.to_string()).collect::<Vec<_>>();
    let answers = within_a_second(&server.url, &keys).await;
    // Names go in their order, 20 to a call.
    let expected = keys.iter().map(|key| {
        let is_of_the_first = keys[..20].contains(key);
        let value = Ok(format!("airflow/variables/{key}"));
        if is_of_the_first { late(key) } else { value }
    });
    assert_eq!(answers, expected.collect::<Vec<_>>());
    assert_eq!(server.seen.all().len(), 2);
}

#[tokio::test]
async fn what_a_batch_gave_is_kept_when_a_throttled_secret_of_it_is_silent_until_the_deadline() {
    let server = Served::by(|request| {
        if !target(request).contains("Batch") {
            return silence();
        }
        let answer = json!({
            "SecretValues": [{"Name": "airflow/variables/a", "SecretString": "one"}],
            "Errors": [{"SecretId": "airflow/variables/b", "ErrorCode": "ThrottlingException"}],
        });
        Answer::new(200, answer.to_string())
    });
    let server = server.await;
    let answers = within_a_second(&server.url, &["a".to_owned(), "b".to_owned()]).await;
    assert_eq!(answers, [Ok("one".to_owned()), late("b")]);
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
