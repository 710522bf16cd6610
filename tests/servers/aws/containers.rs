//! The credentials of a container, in ECS and in EKS.

use airflow_secrets::{
    SecretsBackend as _,
    backend::{FailureKind, LookupOptions},
    backends::aws::SecretsManagerBackend,
};
use serde_json::json;

use crate::{
    SECRETS_MANAGER,
    credentials::{signed, value},
    environment, kind, make, outcome,
    support::{
        served::Served,
        wire::{Answer, Queued, Request},
    },
};

const NO_KEYS: (&str, &str) = ("AWS_ACCESS_KEY_ID", "");

/// A container's credentials, for a minute and a half or for long.
fn lent(expiration: &str) -> Answer {
    let credentials = json!({
        "AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "lent-secret", "Token": "lent-token",
        "Expiration": expiration, "RoleArn": "arn:aws:iam::123456789012:role/task",
    });
    Answer::new(200, credentials.to_string())
}

const FAR: &str = "2199-01-01T00:00:00Z";

/// What a lookup comes to with these variables, and the one request that the container's endpoint
/// and the service got.
async fn ask(variables: &[(&str, &str)]) -> (Result<String, String>, Vec<Request>, Vec<Request>) {
    let container = Queued::with([lent(FAR)]).await;
    let service = Queued::with([value()]).await;
    let url = format!("{}/role?of=task", container.url);
    let own = [
        NO_KEYS,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        // No proxy stands before it.
        ("http_proxy", "http://127.0.0.1:1"),
        ("no_proxy", "secrets.test"),
    ];
    let kwargs = json!({
        "endpoint_url": service.url, "config_kwargs": {"proxies": {"https": "http://127.0.0.1:1"}},
    });
    let environment = environment(&[&own, variables].concat());
    let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
    let found = made
        .unwrap()
        .0
        .get_variable("x", &LookupOptions::new())
        .await;
    (outcome(found), container.seen.all(), service.seen.all())
}

#[tokio::test]
async fn a_containers_endpoint_is_asked_with_the_token_that_the_environment_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from the file").unwrap();
    let file = (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        file.to_str().unwrap(),
    );
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "from the variable");
    for (variables, expected) in [
        (vec![], None),
        (vec![token], Some("from the variable")),
        // As EKS Pod Identity has it.
        (vec![token, file], Some("from the file")),
    ] {
        let (found, asked, service) = ask(&variables).await;
        assert_eq!(found, Ok("v".to_owned()));
        let [request] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert_eq!(request.method, "GET");
        assert_eq!(request.path, "/role?of=task");
        assert_eq!(request.header("authorization"), expected);
        assert_eq!(signed(&service[0]).0, "ASIACONTAINER");
        let sent = service[0].header("x-amz-security-token");
        assert_eq!(sent, Some("lent-token"));
    }
}

#[tokio::test]
async fn keys_in_the_environment_come_before_the_containers() {
    let (found, asked, service) = ask(&[("AWS_ACCESS_KEY_ID", "AKIATEST")]).await;
    assert_eq!((found, asked), (Ok("v".to_owned()), vec![]));
    assert_eq!(signed(&service[0]).0, "AKIATEST");
}

/// A backend whose credentials are those of `container`.
fn backend_in(container: &Queued, service: &Queued) -> SecretsManagerBackend {
    let variables = environment(&[
        NO_KEYS,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.url),
    ]);
    SecretsManagerBackend::builder()
        .environment(&variables)
        .endpoint_url(service.url.as_str())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_containers_credentials_are_asked_for_again_before_they_expire() {
    let soon = crate::credentials::in_seconds(30);
    let container = Queued::with([lent(&soon), lent(FAR)]).await;
    let service = Queued::with([value(), value(), value()]).await;
    let backend = backend_in(&container, &service);
    for calls in [1, 2, 2] {
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        assert_eq!(outcome(found), Ok("v".to_owned()));
        assert_eq!(container.seen.all().len(), calls);
    }
}

#[tokio::test]
async fn only_those_who_may_be_asked_for_credentials_are_asked() {
    let start = "Configuration: AWS_CONTAINER_CREDENTIALS_FULL_URI in the environment must be an \
                 https URL, or an http URL of a loopback address or of one of 169.254.170.2, \
                 169.254.170.23, [fd00:ec2::23], localhost";
    for url in [
        "http://secrets.test/role",
        "http://10.0.0.1/",
        "http://[fd00:ec2::24]/",
    ] {
        let (found, ..) = ask(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]).await;
        assert_eq!(found, Err(start.to_owned()), "{url}");
    }
    let (found, ..) = ask(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "marker")]).await;
    let error = "Configuration: AWS_CONTAINER_CREDENTIALS_FULL_URI is not an http or https URL";
    assert_eq!(found, Err(error.to_owned()));
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_told_without_it() {
    let (found, asked, _) = ask(&[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "mar\r\nker")]).await;
    let error = "Configuration: the token in AWS_CONTAINER_AUTHORIZATION_TOKEN, or in the file that \
                 AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, contains a line break: remove it";
    assert_eq!((found, asked), (Err(error.to_owned()), vec![]));
    let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere/token");
    let (found, asked, _) = ask(&[file]).await;
    let error = found.unwrap_err();
    let start = "Configuration: the file /nowhere/token, which \
                 AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, cannot be read: ";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(asked, vec![]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_a_setting_to_change() {
    for status in [401, 403] {
        let container = Served::by(move |_| Answer::new(status, "marker")).await;
        let variables = environment(&[
            NO_KEYS,
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.url),
        ]);
        let backend = SecretsManagerBackend::builder().environment(&variables);
        let backend = backend.build().unwrap();
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        let failure = found.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Configuration);
        assert_eq!(
            failure.message(),
            format!(
                "the endpoint for the container's AWS credentials refused the request with status \
                 {status}: check AWS_CONTAINER_AUTHORIZATION_TOKEN or its file, and the role of the \
                 task or pod"
            )
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_gives_no_credentials_is_unavailable_and_its_answer_is_not_shown() {
    for (status, body, expected) in [
        (400, "marker", "answered with status 400"),
        (200, "marker", "answered without credentials"),
        (
            200,
            r#"{"AccessKeyId": "marker"}"#,
            "answered without credentials",
        ),
    ] {
        let container = Served::by(move |_| Answer::new(status, body)).await;
        let variables = environment(&[
            NO_KEYS,
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.url),
        ]);
        let backend = SecretsManagerBackend::builder().environment(&variables);
        let backend = backend.build().unwrap();
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        let failure = found.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unavailable);
        let message = failure.message();
        assert!(
            message.starts_with("the endpoint for the container's AWS credentials ")
                && message.ends_with(expected),
            "{message}"
        );
        assert_eq!(container.seen.all().len(), 1);
    }
}

#[tokio::test]
async fn an_endpoint_with_an_error_of_its_own_is_asked_again() {
    let container = Queued::with([Answer::new(500, ""), lent(FAR)]).await;
    let service = Queued::with([value()]).await;
    let backend = backend_in(&container, &service);
    let found = backend.get_variable("x", &LookupOptions::new()).await;
    assert_eq!(outcome(found), Ok("v".to_owned()));
    assert_eq!(container.seen.all().len(), 2);

    let gone = environment(&[
        NO_KEYS,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
    ]);
    let backend = SecretsManagerBackend::builder().environment(&gone);
    let found = backend
        .build()
        .unwrap()
        .get_variable("x", &LookupOptions::new())
        .await;
    assert_eq!(kind(found), FailureKind::Unavailable);
}
