//! What AWS's bad days look like.

use std::time::{Duration, Instant};

use airflow_secrets::{
    FailureKind, SecretsBackend,
    backends::aws::{AwsBuilder, SecretsManager, SecretsManagerBackend},
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    SECRETS_MANAGER, environment, kind, make, outcome, parameter_store, secrets_manager,
    support::wire::{Answer, Queued, Request},
    variable,
};

fn error(status: u16, code: &str) -> Answer {
    let body = json!({"__type": format!("com.amazonaws.secretsmanager#{code}"), "message": "m"});
    Answer::new(status, body.to_string())
}

fn value() -> Answer {
    Answer::new(200, json!({"SecretString": "v"}).to_string())
}

/// One that does not wait long before it tries again.
pub(crate) fn quick(url: &str) -> AwsBuilder<SecretsManager> {
    SecretsManagerBackend::builder()
        .environment(&environment(&[]))
        .endpoint_url(url)
        .initial_backoff(Duration::from_millis(1))
}

async fn after(answers: impl IntoIterator<Item = Answer>) -> (Result<String, String>, usize) {
    let queued = Queued::with(answers).await;
    let backend = quick(&queued.url).build().unwrap();
    let found = outcome(backend.get_variable("x", None).await);
    (found, queued.seen.all().len())
}

#[tokio::test]
async fn throttling_and_errors_of_the_service_pass_with_another_try() {
    for trouble in [
        error(400, "ThrottlingException"),
        error(429, "TooManyRequestsException"),
        error(500, "InternalServiceError"),
        Answer::new(503, "<html>no</html>"),
    ] {
        let (found, calls) = after([trouble, value()]).await;
        assert_eq!((found, calls), (Ok("v".to_owned()), 2));
    }
}

#[tokio::test]
async fn throttling_that_lasts_is_unavailable_after_3_attempts() {
    let (found, calls) = after(vec![error(400, "ThrottlingException"); 9]).await;
    let message = found.unwrap_err();
    assert!(
        message.starts_with("Unavailable: ") && message.contains("throttles"),
        "{message}"
    );
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn how_often_a_call_is_made_is_settings_to_say() {
    for (kwargs, expected) in [
        (
            json!({"config_kwargs": {"retries": {"max_attempts": 0}}}),
            1,
        ),
        (
            json!({"config_kwargs": {"retries": {"total_max_attempts": 1, "mode": "standard"}}}),
            1,
        ),
        (
            json!({"config_kwargs": {"retries": {"max_attempts": 1}}}),
            2,
        ),
    ] {
        let queued = Queued::with(vec![error(400, "ThrottlingException"); 9]).await;
        let backend = secrets_manager(&queued.url, kwargs).await;
        assert_eq!(
            kind(backend.get_variable("x", None).await),
            FailureKind::Unavailable
        );
        assert_eq!(queued.seen.all().len(), expected);
    }
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    for (answer, expected) in [
        (
            error(400, "ExpiredTokenException"),
            "AccessDenied: the AWS credentials have expired",
        ),
        (
            error(400, "UnrecognizedClientException"),
            "does not know these AWS credentials",
        ),
        (
            error(403, "InvalidSignatureException"),
            "does not know these AWS credentials",
        ),
        (
            error(400, "AccessDeniedException"),
            "AccessDenied: denied: the AWS credentials' policies do not allow \
             secretsmanager:GetSecretValue",
        ),
        (
            Answer::new(
                400,
                r#"{"__type": "AccessDeniedException", "Message": "Access to KMS is not allowed"}"#,
            ),
            "AccessDenied: denied by the encryption key: allow kms:Decrypt",
        ),
        (
            error(400, "DecryptionFailure"),
            "AccessDenied: the secret cannot be decrypted",
        ),
        (error(400, "ValidationException"), "skipped: invalid id"),
        (
            error(400, "InvalidParameterException"),
            "missing: AWS takes it for no name",
        ),
        (
            error(400, "SomethingNew"),
            "refused the request (SomethingNew)",
        ),
        (Answer::new(404, "<html>"), "refused the request (404)"),
    ] {
        let (found, calls) = after([answer]).await;
        let message = found.unwrap_err();
        assert!(message.contains(expected), "{message}");
        assert_eq!(calls, 1, "{message}");
    }
}

#[tokio::test]
async fn the_parameter_store_tells_its_refusals_apart() {
    for (code, expected) in [
        ("ParameterNotFound", "missing: "),
        (
            "InvalidKeyId",
            "AccessDenied: the parameter cannot be decrypted",
        ),
        ("ResourceNotFoundException", "Unavailable: "),
        (
            "AccessDeniedException",
            "AccessDenied: denied: the AWS credentials' policies do not allow ssm:GetParameter",
        ),
    ] {
        let queued = Queued::with([error(400, code)]).await;
        let backend = parameter_store(&queued.url, json!({})).await;
        let message = variable(&backend, "x").await.unwrap_err();
        assert!(message.starts_with(expected), "{code}: {message}");
    }
}

#[tokio::test]
async fn what_airflow_takes_for_absent_under_a_teams_name_leaves_the_global_one() {
    let queued = Queued::with([error(400, "DecryptionFailure"), value()]).await;
    let backend = quick(&queued.url).multi_team(true).build().unwrap();
    let found = backend.get_variable("x", Some("red")).await;
    assert_eq!(outcome(found), Ok("v".to_owned()));
    let queued = Queued::with([error(400, "AccessDeniedException"), value()]).await;
    let backend = quick(&queued.url).multi_team(true).build().unwrap();
    let found = backend.get_variable("x", Some("red")).await;
    assert_eq!(kind(found), FailureKind::AccessDenied);
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_with_the_time_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let backend = quick(&url)
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let start = Instant::now();
    let message = outcome(backend.get_variable("x", None).await).unwrap_err();
    assert!(
        message.starts_with("Unavailable: AWS did not answer in time (0.3 s"),
        "{message}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    let backend = quick(&url)
        .connect_timeout(Duration::from_millis(50))
        .read_timeout(Duration::from_millis(50));
    let backend = backend.max_attempts(2).build().unwrap();
    let message = outcome(backend.get_variable("x", None).await).unwrap_err();
    assert!(message.contains("did not answer in time"), "{message}");
}

#[tokio::test]
async fn how_long_an_answer_may_take_is_settings_to_say() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let kwargs = json!({"config_kwargs": {
        "connect_timeout": 0.2, "read_timeout": 0.1, "retries": {"total_max_attempts": 1},
    }});
    let backend = secrets_manager(&url, kwargs).await;
    let start = Instant::now();
    let message = variable(&backend, "x").await.unwrap_err();
    // Less than the 30 s that a call may take in all.
    assert!(start.elapsed() < Duration::from_secs(10));
    let end = "did not answer in time (30 s for a call with its retries)";
    assert!(
        message.starts_with("Unavailable: ") && message.ends_with(end),
        "{message}"
    );
}

/// What the SDK says of itself in each request.
fn features(request: &Request) -> String {
    let agent = request.header("x-amz-user-agent").unwrap();
    let features = agent.split(' ').find_map(|word| word.strip_prefix("m/"));
    features.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn retries_are_adaptive_unless_settings_say_otherwise() {
    // As AWS's SDKs name these modes in what they say of themselves.
    let (adaptive, standard) = ("F", "E");
    let by_variable = |mode| vec![("AWS_RETRY_MODE", mode)];
    for (retries, variables, expected) in [
        (json!({}), vec![], adaptive),
        (json!({"mode": "standard"}), vec![], standard),
        (
            json!({"mode": "adaptive"}),
            by_variable("standard"),
            adaptive,
        ),
        (json!({"mode": "legacy"}), vec![], adaptive),
        (json!({}), by_variable("standard"), standard),
        (json!({}), by_variable("legacy"), adaptive),
    ] {
        let queued = Queued::with([value()]).await;
        let kwargs = json!({"endpoint_url": queued.url, "config_kwargs": {"retries": retries}});
        let made = make(SECRETS_MANAGER, kwargs, &environment(&variables), false).await;
        let found = made.unwrap().0.get_variable("x", None).await;
        assert_eq!(outcome(found), Ok("v".to_owned()));
        let features = features(&queued.seen.all()[0]);
        let modes = features
            .split(',')
            .filter(|feature| ["D", "E", "F"].contains(feature));
        assert_eq!(
            modes.collect::<Vec<_>>(),
            [expected],
            "{retries} {variables:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_then_is_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let backend = quick(&url).max_attempts(1).build().unwrap();
    let message = outcome(backend.get_variable("x", None).await).unwrap_err();
    assert!(
        message.starts_with(&format!(
            "Unavailable: Secrets Manager at {url} could not be reached"
        )),
        "{message}"
    );
}

#[tokio::test]
async fn a_document_that_is_no_json_is_an_invalid_value() {
    let document = json!({"SecretString": "{\"password\": \"marker\", }"});
    let queued = Queued::with([Answer::new(200, document.to_string())]).await;
    let backend = secrets_manager(&queued.url, json!({})).await;
    let message = outcome(backend.get_conn_value("x", None).await).unwrap_err();
    assert_eq!(message, "InvalidValue: the secret is not JSON");
}
