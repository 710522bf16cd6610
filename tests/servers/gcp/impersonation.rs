//! Accounts that others become: what is asked of IAM, checked by local endpoints.

use airflow_secrets::backends::gcp::GcpCredential;
use airflow_secrets::backends::{HttpOptions, RetryOptions};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    credentials::{SCOPE, builder, echo, is_read, user},
    support::{
        google::{ACCOUNT, key_file, refusal, token, verified_claims},
        served::Served,
        wire::Answer,
    },
    variable,
};

pub(crate) fn impersonated(text: &str) -> Answer {
    impersonated_until(text, "2099-01-01T00:00:00Z")
}

fn impersonated_until(text: &str, time: &str) -> Answer {
    let token = json!({"accessToken": text, "expireTime": time});
    Answer::new(200, token.to_string())
}

#[tokio::test]
async fn a_chain_of_accounts_is_impersonated() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            impersonated("the last one's")
        }
    })
    .await;
    let chain = |accounts: &[&str]| {
        builder(&server.url)
            .credential(GcpCredential::key(key_file().to_string()))
            .impersonation_chain(accounts.iter().copied())
            .iam_credentials_endpoint(&server.url)
            .build()
            .unwrap()
    };
    for (accounts, delegates) in [
        (&["c@q.iam.gserviceaccount.com"][..], Value::Null),
        (
            &[
                "a@q.iam.gserviceaccount.com",
                "b@q.iam.gserviceaccount.com",
                "c@q.iam.gserviceaccount.com",
            ],
            json!(["a@q.iam.gserviceaccount.com", "b@q.iam.gserviceaccount.com"]),
        ),
    ] {
        server.seen.clear();
        let found = variable(&chain(accounts), "x").await;
        assert_eq!(found, Ok("the last one's".into()));
        let [asked, _] = server.seen.all().try_into().unwrap();
        assert_eq!(
            asked.path,
            "/v1/projects/-/serviceAccounts/c@q.iam.gserviceaccount.com:generateAccessToken"
        );
        assert_eq!(verified_claims(&asked)["iss"], ACCOUNT);
        let body = serde_json::from_str::<Value>(&asked.body).unwrap();
        assert_eq!(body["delegates"], delegates);
        assert_eq!(body["scope"], json!([SCOPE]));
        assert_eq!(body["lifetime"], "3600s");
    }
}

#[tokio::test]
async fn a_file_may_impersonate_by_itself_and_be_impersonated_from() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            verified_claims(request);
            impersonated("the file's account")
        }
    })
    .await;
    let url = format!(
        "{}/v1/projects/-/serviceAccounts/a@q:generateAccessToken",
        server.url
    );
    let file = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": key_file(),
        "delegates": ["b@q"],
    });
    let backend = builder(&server.url).credential(GcpCredential::config(file.to_string()));
    let found = variable(&backend.build().unwrap(), "x").await;
    assert_eq!(found, Ok("the file's account".into()));
    let body = serde_json::from_str::<Value>(&server.seen.all()[0].body).unwrap();
    assert_eq!(body["delegates"], json!(["b@q"]));
}

#[tokio::test]
async fn an_account_that_may_not_be_impersonated_is_a_denial() {
    let server = Served::by(|_| refusal(403, "PERMISSION_DENIED", "no token creator")).await;
    let backend = builder(&server.url)
        .credential(GcpCredential::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .build()
        .unwrap();
    let outcome = variable(&backend, "x").await.unwrap_err();
    let expected = "AccessDenied: there is no token: Google's IAM refused the credentials (HTTP 403, \
                    PERMISSION_DENIED): check that they are still valid, that the account may be \
                    impersonated";
    assert!(outcome.starts_with(expected), "{outcome}");
    assert_eq!(server.seen.lines().len(), 1);
}

#[tokio::test]
async fn an_iam_that_is_busy_or_silent_is_named() {
    let server = Served::by(|_| Answer::new(503, "busy")).await;
    let backend = builder(&server.url)
        .credential(GcpCredential::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .http(HttpOptions::new().with_timeout(std::time::Duration::from_millis(200)))
        .build()
        .unwrap();
    let expected = "Unavailable: there is no token: Google's IAM cannot answer (HTTP 503)";
    assert_eq!(variable(&backend, "x").await, Err(expected.to_owned()));

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = builder(&server.url)
        .credential(GcpCredential::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(format!("http://{}", silent.local_addr().unwrap()))
        .attempt_timeout(std::time::Duration::from_millis(50))
        .retries(RetryOptions::new().with_max_retries(1))
        .build()
        .unwrap();
    let expected = "Unavailable: there is no token: no answer from Google's IAM in time";
    assert_eq!(variable(&backend, "x").await, Err(expected.to_owned()));
}

/// It lives as long as was asked for; only the clocks differ.
#[tokio::test]
async fn a_token_that_has_ended_by_this_machines_clock_is_used() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            impersonated_until("the account's", "2001-01-01T00:00:00Z")
        }
    })
    .await;
    let backend = builder(&server.url)
        .credential(GcpCredential::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(variable(&backend, "x").await, Ok("the account's".into()));
    }
}

#[tokio::test]
async fn a_thousand_cold_lookups_become_the_account_once() {
    let server = Served::by(|request| match request.path.as_str() {
        "/token" => token("the user's"),
        _ if is_read(request) => echo(request),
        _ => impersonated("the account's"),
    })
    .await;
    let backend = builder(&server.url)
        .credential(GcpCredential::config(user(&server.url).to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .build()
        .unwrap();
    let keys = (0..1000).map(|n| format!("v{n}")).collect::<Vec<_>>();
    let found = join_all(keys.iter().map(|key| variable(&backend, key))).await;
    assert_eq!(found, vec![Ok("the account's".to_owned()); 1000]);
    assert_eq!(server.seen.count(|line| line == "POST /token"), 1);
    assert_eq!(server.seen.count(|line| line.contains(":generate")), 1);
}
