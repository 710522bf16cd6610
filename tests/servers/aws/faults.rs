//! What AWS's bad days look like.

use std::time::{Duration, Instant};

use airflow_secrets::backends::{HttpOptions, RetryOptions};
use airflow_secrets::{
    SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::aws::{AwsBuilder, SecretsManager, SecretsManagerBackend},
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, backend, environment, kind, make, outcome, parameter_store,
    secrets_manager,
    support::wire::{Answer, Queued, Request},
    variable,
};

pub(crate) fn error(status: u16, code: &str) -> Answer {
    let body = json!({"__type": format!("com.amazonaws.secretsmanager#{code}"), "message": "m"});
    Answer::new(status, body.to_string())
}

pub(crate) fn value() -> Answer {
    Answer::new(200, json!({"SecretString": "v"}).to_string())
}

/// One that does not wait long before it tries again.
pub(crate) fn quick(url: &str) -> AwsBuilder<SecretsManager> {
    SecretsManagerBackend::builder()
        .environment(&environment(&[]))
        .endpoint_url(url)
        .retries(RetryOptions::new().with_first_pause(Duration::from_millis(1)))
}

async fn after(answers: impl IntoIterator<Item = Answer>) -> (Result<String, String>, usize) {
    let queued = Queued::with(answers).await;
    let backend = quick(&queued.url).build().unwrap();
    let found = outcome(backend.get_variable("x", &LookupOptions::new()).await);
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
async fn headers_that_the_sdk_cannot_read_are_passed_over() {
    let odd = |answer: Answer| {
        let answer = answer.header("x-amz-retry-after", "5");
        answer
            .header("x-gateway", "caf\u{e9}")
            .header("server", "x")
    };
    let (found, calls) = after([odd(error(400, "SomethingNew"))]).await;
    assert!(
        found
            .unwrap_err()
            .contains("refused the request (SomethingNew)")
    );
    assert_eq!(calls, 1);
    let (found, calls) = after([odd(error(500, "InternalServiceError")), odd(value())]).await;
    assert_eq!((found, calls), (Ok("v".to_owned()), 2));
    let latin_1 = b"HTTP/1.1 200 OK\r\nx-gateway: caf\xe9\r\ncontent-length: 20\r\n\r\n{\"SecretString\":\"v\"}";
    let backend = quick(&served_once(latin_1).await).build().unwrap();
    let found = backend.get_variable("x", &LookupOptions::new()).await;
    assert_eq!(outcome(found), Ok("v".to_owned()));
}

/// The URL of a server that gives this answer to its first request.
async fn served_once(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.read(&mut [0; 4096]).await.unwrap();
        client.write_all(answer).await.unwrap();
    });
    url
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
            kind(backend.get_variable("x", &LookupOptions::new()).await),
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
            "does not accept these AWS credentials",
        ),
        (
            error(403, "InvalidSignatureException"),
            "does not accept these AWS credentials",
        ),
        (
            error(400, "AccessDeniedException"),
            "AccessDenied: denied: the policies of the AWS credentials do not allow \
             secretsmanager:GetSecretValue",
        ),
        (
            Answer::new(
                400,
                r#"{"__type": "AccessDeniedException", "Message": "Access to KMS is not allowed"}"#,
            ),
            "AccessDenied: the KMS key of this secret denies its use (Secrets Manager at",
        ),
        (
            error(400, "DecryptionFailure"),
            "AccessDenied: the secret cannot be decrypted",
        ),
        (error(400, "ValidationException"), "skipped: invalid id"),
        (
            error(400, "InvalidParameterException"),
            "missing: AWS does not accept it as the name of a secret",
        ),
        (
            error(400, "SomethingNew"),
            "refused the request (SomethingNew)",
        ),
        (
            Answer::new(404, "<html>"),
            "Unavailable: not an answer of Secrets Manager at",
        ),
        (
            Answer::new(404, r#"{"message": "no Route matched with those values"}"#),
            "(status 404): check the endpoint and the proxy (AWS-10)",
        ),
        (
            Answer::new(200, "{}"),
            "(it has none of the members that AWS sends): check the endpoint and the proxy (AWS-10)",
        ),
        (
            Answer::new(200, r#"{"Name": "airflow/variables/x", "ARN": "arn"}"#),
            "Unavailable: not an answer of Secrets Manager at",
        ),
        (
            Answer::new(200, "<html>"),
            "Unavailable: not an answer of Secrets Manager at",
        ),
        (
            Answer::new(200, r#"{"SecretString": 5}"#),
            "Unavailable: not an answer of Secrets Manager at",
        ),
        (
            Answer::new(407, "marker"),
            "Unavailable: the proxy before Secrets Manager at",
        ),
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
        ("ParameterNotFound", "missing: SSM at http://127.0.0.1:"),
        (
            "InvalidKeyId",
            "AccessDenied: the parameter cannot be decrypted",
        ),
        ("ResourceNotFoundException", "Unavailable: "),
        (
            "AccessDeniedException",
            "AccessDenied: denied: the policies of the AWS credentials do not allow ssm:GetParameter",
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
    let found = backend
        .get_variable("x", &LookupOptions::new().with_team("red"))
        .await;
    assert_eq!(outcome(found), Ok("v".to_owned()));
    let queued = Queued::with([error(400, "AccessDeniedException"), value()]).await;
    let backend = quick(&queued.url).multi_team(true).build().unwrap();
    let found = backend
        .get_variable("x", &LookupOptions::new().with_team("red"))
        .await;
    assert_eq!(kind(found), FailureKind::AccessDenied);
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_with_the_time_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let backend = quick(&url)
        .http(HttpOptions::new().with_timeout(Duration::from_millis(300)))
        .build()
        .unwrap();
    let start = Instant::now();
    let message = outcome(backend.get_variable("x", &LookupOptions::new()).await).unwrap_err();
    assert!(
        message.starts_with("Unavailable: AWS did not answer in time (0.3 s"),
        "{message}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    let backend = quick(&url)
        .http(HttpOptions::new().with_connect_timeout(Duration::from_millis(50)))
        .read_timeout(Duration::from_millis(50));
    let backend = backend
        .retries(RetryOptions::new().with_max_retries(1))
        .build()
        .unwrap();
    let message = outcome(backend.get_variable("x", &LookupOptions::new()).await).unwrap_err();
    assert!(message.contains("did not answer in time"), "{message}");
}

/// How many requests of 100 lookups reach a service at once that answers none of them.
async fn at_once(class: &str) -> usize {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let backend = backend(class, &url, json!({})).await;
    let options = LookupOptions::new();
    let lookups = join_all((0..100).map(|_| backend.get_variable("x", &options)));
    let accepted = async {
        let mut clients = Vec::new();
        // When no more come, the last one is long past.
        while let Ok(accepted) = timeout(Duration::from_secs(3), silent.accept()).await {
            clients.push(accepted.unwrap());
        }
        clients.len()
    };
    tokio::select! {
        _ = lookups => panic!("nothing is answered"),
        requests = accepted => requests,
    }
}

#[tokio::test]
async fn many_lookups_at_once_are_as_many_requests_as_the_service_allows() {
    assert_eq!(at_once(SECRETS_MANAGER).await, 64);
    assert_eq!(at_once(PARAMETER_STORE).await, 16);
}

#[tokio::test]
async fn each_way_not_to_reach_the_service_has_its_own_message() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = format!("https://{}", plain.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut client, _) = plain.accept().await.unwrap();
        client
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        // Open until the client has read it.
        let _ = client.read(&mut [0; 4096]).await;
    });
    for (url, expected) in [
        (
            nobody,
            "no answer from Secrets Manager at $: Connection refused",
        ),
        (
            "http://no-such-host.invalid".to_owned(),
            "no answer from Secrets Manager at $: failed to lookup address information",
        ),
        (
            no_tls,
            "Secrets Manager at $ does not speak TLS: check the port, or begin the endpoint's URL \
             with http://",
        ),
    ] {
        let retries = RetryOptions::new().with_max_retries(0);
        let backend = quick(&url).retries(retries).build().unwrap();
        let message = outcome(backend.get_variable("x", &LookupOptions::new()).await).unwrap_err();
        let expected = format!("Unavailable: {}", expected.replace('$', &url));
        assert!(message.starts_with(&expected), "{message}");
    }
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
    let end = "did not answer in time (30 s for a call with its retries, AWS-5)";
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
        let found = made
            .unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await;
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
    let backend = quick(&url)
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
    let message = outcome(backend.get_variable("x", &LookupOptions::new()).await).unwrap_err();
    assert!(
        message.starts_with(&format!(
            "Unavailable: no answer from Secrets Manager at {url}: Connection refused"
        )),
        "{message}"
    );
}

#[tokio::test]
async fn a_document_that_is_no_json_is_an_invalid_value() {
    let document = json!({"SecretString": "{\"password\": \"marker\", }"});
    let queued = Queued::with([Answer::new(200, document.to_string())]).await;
    let backend = secrets_manager(&queued.url, json!({})).await;
    let message = outcome(backend.get_conn_value("x", &LookupOptions::new()).await).unwrap_err();
    assert_eq!(
        message,
        "InvalidValue: the secret is not valid JSON (line 1, column 24): it contains a comma before a \
         closing bracket; remove the comma"
    );
}
