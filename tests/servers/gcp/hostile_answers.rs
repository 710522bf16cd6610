//! Answers that no service gives: they are not read to their end, and nobody is asked again.

use std::time::Duration;

use airflow_secrets::backends::{
    HttpOptions, RetryOptions,
    gcp::{CloudSecretManagerBackend, CloudSecretManagerBuilder, GcpCredential},
};
use serde_json::json;

use crate::{
    Environment,
    credentials::{builder, user},
    secret_manager,
    support::{
        google::{key_file, payload, token},
        hostile::{ATTACKS, Attack, Hostile, MOST_SENT},
        served::Served,
        wire::Answer,
    },
    variable,
};

/// With little time for an answer that comes slowly.
fn hurried(builder: CloudSecretManagerBuilder) -> CloudSecretManagerBackend {
    let retries = RetryOptions::new().with_max_retries(2);
    let builder = builder.retries(retries);
    let builder = builder.attempt_timeout(Duration::from_millis(500));
    let timeout = HttpOptions::new().with_timeout(Duration::from_secs(20));
    builder.http(timeout).build().unwrap()
}

fn assert_bounded(attack: Attack, whom: &str, server: &Hostile, outcome: Result<String, String>) {
    let outcome = server.assert_bounded(attack, whom, outcome);
    let is_slow = attack == Attack::SlowBody;
    assert!(
        !is_slow || outcome.ends_with("in time"),
        "{whom}: {outcome}"
    );
}

#[tokio::test]
async fn secret_manager_is_not_read_without_end() {
    for attack in ATTACKS {
        let server = Hostile::with(attack).await;
        let backend = hurried(secret_manager(&server.url));
        let outcome = variable(&backend, "x").await;
        assert_bounded(attack, "Secret Manager", &server, outcome);
    }
}

#[tokio::test]
async fn services_that_give_tokens_are_not_read_without_end() {
    let never = Served::by(|request| panic!("{request:?}")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "the cluster's token").unwrap();
    for attack in ATTACKS {
        let pod = |token_url: &str, source: serde_json::Value| {
            let pod = json!({
                "type": "external_account", "audience": "a", "subject_token_type": "t",
                "token_url": token_url, "credential_source": source,
            });
            builder(&never.url).credential(GcpCredential::config(pod.to_string()))
        };
        let impersonating = |url: &str| {
            builder(&never.url)
                .credential(GcpCredential::key(key_file().to_string()))
                .impersonation_chain(["a@q.iam.gserviceaccount.com"])
                .iam_credentials_endpoint(url)
        };
        let of_user = |url: &str| {
            builder(&never.url).credential(GcpCredential::config(user(url).to_string()))
        };
        let of_aws = |url: &str| {
            let source = json!({
                "environment_id": "aws1", "url": url, "region_url": url,
                "imdsv2_session_token_url": url,
            });
            pod(&never.url, source)
        };
        for (whom, make) in [
            (
                "a token endpoint",
                &of_user as &dyn Fn(&str) -> CloudSecretManagerBuilder,
            ),
            ("IAM", &impersonating),
            ("the Security Token Service", &|url| {
                pod(url, json!({"file": file}))
            }),
            ("a URL with a token", &|url| {
                pod(&never.url, json!({"url": url}))
            }),
            ("AWS's metadata service", &of_aws),
        ] {
            let server = Hostile::with(attack).await;
            let outcome = variable(&hurried(make(&server.url)), "x").await;
            assert_bounded(attack, whom, &server, outcome);
        }
    }
}

#[tokio::test]
async fn a_metadata_server_is_not_read_without_end() {
    for attack in ATTACKS {
        let server = Hostile::with(attack).await;
        let environment = [
            (
                "GCE_METADATA_HOST",
                server.url.strip_prefix("http://").unwrap(),
            ),
            ("GCE_METADATA_TIMEOUT", "1"),
            ("GCE_METADATA_DETECT_RETRIES", "1"),
            ("HOME", "/nowhere"),
        ];
        let builder =
            builder(&server.url).environment(&environment.into_iter().collect::<Environment>());
        let outcome = variable(&hurried(builder), "x").await.unwrap_err();
        let expected = "Configuration: there are no Google credentials";
        assert!(outcome.starts_with(expected), "{attack:?}: {outcome}");
        assert!(
            server.sent() < MOST_SENT,
            "{attack:?}: {} bytes",
            server.sent()
        );
    }
}

/// Neither to another host nor to another port of the same.
#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Served::by(|_| payload("another's")).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!(
            "{}/v1/projects/p/secrets/x/versions/latest:access",
            elsewhere.url
        );
        let redirect = move || Answer::new(status, "").header("location", &to);
        let server = Served::by(move |request| match request.path.as_str() {
            "/token" => token("the user's"),
            _ => redirect(),
        })
        .await;
        let of_user = GcpCredential::config(user(&server.url).to_string());
        let backend = builder(&server.url).credential(of_user).build().unwrap();
        let expected = format!(
            "Unavailable: the answer is not one of Secret Manager's (HTTP {status}): check the \
             endpoint and the proxy"
        );
        assert_eq!(variable(&backend, "x").await, Err(expected));
    }
    let to = elsewhere.url.clone();
    let server = Served::by(move |_| Answer::new(307, "").header("location", &to)).await;
    let of_user = GcpCredential::config(user(&server.url).to_string());
    let backend = builder(&server.url).credential(of_user).build().unwrap();
    let expected = "Unavailable: there is no token: the answer (HTTP 307) is not one of Google's token \
                    endpoint: check its address and the proxy";
    assert_eq!(variable(&backend, "x").await, Err(expected.to_owned()));
    assert_eq!(elsewhere.seen.lines(), Vec::<String>::new());
}
