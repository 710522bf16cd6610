//! Accounts that others become: what is asked of IAM, checked by local endpoints.

use airflow_secrets::backends::gcp::GcpCredentials;
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
            .credentials(GcpCredentials::key(key_file().to_string()))
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
    let backend = builder(&server.url).credentials(GcpCredentials::config(file.to_string()));
    let found = variable(&backend.build().unwrap(), "x").await;
    assert_eq!(found, Ok("the file's account".into()));
    let body = serde_json::from_str::<Value>(&server.seen.all()[0].body).unwrap();
    assert_eq!(body["delegates"], json!(["b@q"]));
}

#[tokio::test]
async fn an_account_that_may_not_be_impersonated_is_a_denial() {
    let server = Served::by(|_| refusal(403, "PERMISSION_DENIED", "no token creator")).await;
    let backend = builder(&server.url)
        .credentials(GcpCredentials::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .build()
        .unwrap();
    let outcome = variable(&backend, "x").await.unwrap_err();
    let expected = "AccessDenied: there is no token to be had with these credentials (HTTP 403): \
                    check that they are still valid, that the account may be impersonated";
    assert!(outcome.starts_with(expected), "{outcome}");
    assert_eq!(server.seen.lines().len(), 1);
}

/// Google's library retries by itself, for a minute.
#[tokio::test]
async fn an_iam_that_does_not_answer_in_time_is_named() {
    let server = Served::by(|_| Answer::new(503, "busy")).await;
    let backend = builder(&server.url)
        .credentials(GcpCredentials::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .timeout(std::time::Duration::from_millis(200))
        .build()
        .unwrap();
    let expected = "Unavailable: no token for the impersonated account, or no answer from Secret \
                    Manager, within 0.2 s";
    assert_eq!(variable(&backend, "x").await, Err(expected.to_owned()));
}

/// Google's library for Rust panics at it.
#[tokio::test]
async fn a_token_that_has_ended_by_this_machines_clock_is_an_error_that_names_the_clock() {
    let server = Served::by(|request| {
        if is_read(request) {
            echo(request)
        } else {
            impersonated_until("the account's", "2001-01-01T00:00:00Z")
        }
    })
    .await;
    let backend = builder(&server.url)
        .credentials(GcpCredentials::key(key_file().to_string()))
        .impersonation_chain(["a@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&server.url)
        .build()
        .unwrap();
    for _ in 0..3 {
        let outcome = variable(&backend, "x").await.unwrap_err();
        let expected = "AccessDenied: there is no token to be had with these credentials: ";
        assert!(outcome.starts_with(expected), "{outcome}");
        assert!(outcome.ends_with("and this machine's clock"), "{outcome}");
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
        .credentials(GcpCredentials::config(user(&server.url).to_string()))
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
