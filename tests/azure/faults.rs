//! What goes wrong with a vault, each with a message of its own, and what is done about it.

use std::time::Duration;

use airflow_secrets::{Environment, SecretsBackend};

use crate::{
    builder, reader,
    support::{
        https::Reply,
        key_vault::{Azure, error, throttled},
    },
    variable,
};

pub(crate) fn azure() -> Azure {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    azure
}

pub(crate) fn blue() -> Result<String, String> {
    Ok("blue".to_owned())
}

#[tokio::test]
async fn throttling_is_waited_for_as_the_vault_asks() {
    let azure = azure();
    azure.vault.answer_first([throttled(1)]);
    let start = std::time::Instant::now();
    assert_eq!(variable(&reader(&azure), "colour").await, blue());
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_that_takes_too_long_is_not_begun() {
    let azure = azure();
    azure.vault.answer_first([throttled(3600)]);
    let start = std::time::Instant::now();
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Err(
            "Unavailable: airflow-test.vault.azure.net throttles its clients, and asks to wait \
             3600 s"
                .to_owned()
        )
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_wait_may_be_told_as_a_date_or_in_milliseconds() {
    let azure = azure();
    for (name, wait) in [
        ("Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("retry-after-ms", "3600000"),
        ("x-ms-retry-after-ms", "9223372036854775807"),
    ] {
        let busy = error(429, "Throttled", None).with(name, wait);
        azure.vault.answer_first([busy]);
        let start = std::time::Instant::now();
        let message = variable(&reader(&azure), "colour").await.unwrap_err();
        assert!(
            message.contains("throttles its clients, and asks to wait "),
            "{name}: {message}"
        );
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
    }
    // What is past, or no time at all, keeps nobody.
    for wait in ["Fri, 01 Jan 2021 00:00:00 GMT", "-1", "soon"] {
        let busy = error(429, "Throttled", None).with("Retry-After", wait);
        azure.vault.answer_first([busy]);
        assert_eq!(variable(&reader(&azure), "colour").await, blue(), "{wait}");
    }
}

#[tokio::test]
async fn errors_that_pass_are_retried_and_those_that_do_not_are_not() {
    let azure = azure();
    azure.vault.answer_first([
        error(503, "ServiceUnavailable", None),
        error(500, "InternalError", None),
    ]);
    assert_eq!(variable(&reader(&azure), "colour").await, blue());
    assert_eq!(azure.vault.names_asked().len(), 3);

    azure
        .vault
        .answer_first([error(503, "ServiceUnavailable", None)]);
    let once = builder(&azure.environment(&Azure::principal()))
        .max_retries(0)
        .build();
    assert_eq!(
        variable(&once.unwrap(), "colour").await,
        Err("Unavailable: the Key Vault airflow-test.vault.azure.net is not able to answer (HTTP 503)".to_owned())
    );

    azure.vault.answer_first([error(400, "BadParameter", None)]);
    let message = variable(&reader(&azure), "colour").await.unwrap_err();
    assert!(
        message.starts_with(
            "Configuration: airflow-test.vault.azure.net did not take the request (HTTP 400)"
        ),
        "{message}"
    );
}

/// Where all wait, Tokio's clock jumps ahead.
#[tokio::test(start_paused = true)]
async fn retries_without_number_do_not_overflow() {
    let nowhere = Environment::from_iter([("https_proxy", "http://127.0.0.1:9")]);
    let vault = builder(&nowhere).max_retries(u32::MAX);
    let vault = vault.timeout(Duration::from_secs(3600)).build();
    let message = variable(&vault.unwrap(), "colour").await.unwrap_err();
    assert!(message.starts_with("Unavailable: "), "{message}");
}

#[tokio::test]
async fn a_403_says_what_is_in_the_way() {
    let azure = azure();
    for (code, expected) in [
        (
            "ForbiddenByRbac",
            "this identity may not read the vault's secrets",
        ),
        (
            "AccessDenied",
            "this identity may not read the vault's secrets",
        ),
        (
            "ForbiddenByFirewall",
            "the vault's firewall does not let this machine in",
        ),
        (
            "SecretDisabled",
            "the secret, or its latest version, is disabled",
        ),
    ] {
        azure
            .vault
            .answer_first([error(403, "Forbidden", Some(code))]);
        let message = variable(&reader(&azure), "colour").await.unwrap_err();
        assert!(
            message.starts_with(&format!("AccessDenied: denied: {expected}")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn what_is_no_answer_of_key_vault_is_an_error() {
    let azure = azure();
    let vault = reader(&azure);
    for body in [
        &b"\xff{\"value\": \"MARKER\"}"[..],
        b"{\"value\": \"\xff\"}",
        b"<html>",
        b"[]",
    ] {
        let reply = Reply {
            status: 200,
            headers: Vec::new(),
            body: body.to_vec(),
        };
        azure.vault.answer_first([reply]);
        assert_eq!(
            variable(&vault, "colour").await,
            Err("InvalidValue: the answer cannot be read: it is not UTF-8, or not one of Key Vault's".to_owned())
        );
    }
    azure.vault.answer_first([Reply {
        status: 200,
        headers: Vec::new(),
        body: b"{}".to_vec(),
    }]);
    assert_eq!(
        variable(&vault, "colour").await,
        Err("missing: it has no value".to_owned())
    );
}

#[tokio::test]
async fn a_challenge_for_another_audience_gets_no_token() {
    let azure = azure();
    azure.vault.challenge_with("https://evil.example");
    let message = variable(&reader(&azure), "colour").await.unwrap_err();
    assert!(
        message.starts_with(
            "Configuration: airflow-test.vault.azure.net does not ask for a token as a Key Vault"
        ),
        "{message}"
    );
    assert_eq!(azure.authority.requests().len(), 0);

    let trusting =
        builder(&azure.environment(&Azure::principal())).verify_challenge_resource(false);
    assert_eq!(variable(&trusting.build().unwrap(), "colour").await, blue());
}

#[tokio::test]
async fn an_authority_or_a_vault_that_cannot_be_reached_is_unavailable() {
    let azure = azure();
    let nowhere = [("https_proxy", "http://127.0.0.1:9")];
    let environment = azure.environment(&[&Azure::principal()[..], &nowhere[..]].concat());
    let vault = builder(&environment).max_retries(0).build().unwrap();
    let message = variable(&vault, "colour").await.unwrap_err();
    assert!(
        message.starts_with("Unavailable: no answer from airflow-test.vault.azure.net: "),
        "{message}"
    );

    azure.authority.answer_first([Reply {
        status: 200,
        headers: Vec::new(),
        body: b"<html>MARKER".to_vec(),
    }]);
    let message = variable(&reader(&azure), "colour").await.unwrap_err();
    assert!(
        message.contains("the answer of login.microsoftonline.com is not one of a token authority"),
        "{message}"
    );
}

#[tokio::test]
async fn a_lookup_ends_in_time() {
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", silent.local_addr().unwrap());
    let environment = Environment::from_iter([("https_proxy", proxy.as_str())]);
    let vault = builder(&environment)
        .timeout(Duration::from_millis(200))
        .build();
    let message = variable(&vault.unwrap(), "colour").await.unwrap_err();
    assert!(message.starts_with("Unavailable: "), "{message}");
}

#[tokio::test]
async fn an_authority_that_says_nothing_is_told_from_a_vault_that_does() {
    let azure = azure();
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = format!("https://{}", silent.local_addr().unwrap());
    let variables = [
        ("AZURE_AUTHORITY_HOST", authority.as_str()),
        ("no_proxy", "127.0.0.1"),
    ];
    let environment = azure.environment(&[&Azure::principal()[..], &variables].concat());
    let vault = builder(&environment).timeout(Duration::from_secs(2));
    let message = variable(&vault.build().unwrap(), "colour").await;
    assert_eq!(
        message,
        Err(
            "Unavailable: no token for the Key Vault airflow-test.vault.azure.net within 2 s: \
             check the way to who gives it (AZURE_AUTHORITY_HOST, or the managed identity's \
             endpoint)"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn names_that_cannot_be_are_skipped_with_their_reason() {
    let azure = azure();
    let vault = reader(&azure);
    for (key, expected) in [
        (
            "a.b",
            "skipped: invalid id: the name would hold '.'; Key Vault's names hold 0-9, a-z, A-Z and '-' alone",
        ),
        (
            "größe",
            "skipped: invalid id: the name would hold 'ö'; Key Vault's names hold 0-9, a-z, A-Z and '-' alone",
        ),
        (
            &"a".repeat(120),
            "skipped: invalid id: the name would have 138 characters; Key Vault takes 127 at most",
        ),
    ] {
        assert_eq!(variable(&vault, key).await, Err(expected.to_owned()));
    }
    let without = builder(&azure.environment(&[]))
        .variables_prefix(None)
        .build()
        .unwrap();
    assert_eq!(
        variable(&without, "a").await,
        Err("skipped: not configured: no prefix, path or file".to_owned())
    );
    assert_eq!(azure.vault.requests().len(), 0);
    assert_eq!(vault.name(), "azure_key_vault");
}

#[tokio::test]
async fn a_name_with_the_teams_separator_is_refused_for_teams() {
    let azure = azure();
    let vault = builder(&azure.environment(&Azure::principal()))
        .multi_team(true)
        .build()
        .unwrap();
    for key in ["red--colour", "red__colour", "red_-colour"] {
        assert_eq!(
            variable(&vault, key).await,
            Err("skipped: refused for teams: the name would hold \"--\", which stands between a team and its ids".to_owned())
        );
    }
    assert_eq!(variable(&vault, "colour").await, blue());
}
