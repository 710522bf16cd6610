//! What goes wrong with a vault, each with a message of its own, and what is done about it.

use std::time::Duration;

use airflow_secrets::backends::{HttpOptions, RetryOptions};
use airflow_secrets::{Environment, SecretsBackend, backend::LookupOptions};

use crate::{
    builder, reader,
    support::{
        hostile::{ATTACKS, Attack, Hostile, MOST_SENT},
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
async fn a_lookup_that_waits_for_its_retry_holds_no_slot() {
    let azure = azure();
    azure.vault.put("airflow-variables-other", "blue");
    let one_at_a_time = HttpOptions::new().with_max_concurrent_requests(1);
    let vault = builder(&azure.environment(&Azure::principal())).http(one_at_a_time);
    let vault = vault.build().unwrap();
    // From now on there is a token.
    assert_eq!(variable(&vault, "colour").await, blue());
    azure.vault.answer_first([throttled(1)]);
    let found = tokio::join!(variable(&vault, "other"), variable(&vault, "colour"));
    assert_eq!(found, (blue(), blue()));
    let asked = azure.vault.names_asked().split_off(1);
    let [first, second, third] = <[_; 3]>::try_from(asked).unwrap();
    assert_ne!(first, second);
    assert_eq!(first, third);
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
async fn a_wait_beyond_the_callers_deadline_is_not_begun() {
    let azure = azure();
    let busy = error(429, "Throttled", None).with("Retry-After", "20");
    azure.vault.answer_first([busy]);
    let start = std::time::Instant::now();
    let options = LookupOptions::new().with_deadline(start + Duration::from_secs(15));
    let failure = reader(&azure).get_variable("colour", &options).await;
    let failure = failure.unwrap_err().to_string();
    let end = "throttles its clients, and asks to wait 20 s";
    assert!(failure.ends_with(end), "{failure}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_lookup_that_never_got_a_slot_says_so() {
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", silent.local_addr().unwrap());
    let environment = Environment::from_iter([("https_proxy", proxy.as_str())]);
    let http = HttpOptions::new()
        .with_timeout(Duration::from_millis(300))
        .with_max_concurrent_requests(1);
    let vault = builder(&environment).http(http).build().unwrap();
    let (a, b) = tokio::join!(variable(&vault, "a"), variable(&vault, "b"));
    let messages = [a, b].map(Result::unwrap_err);
    let words = "most of the 0.3 s of this lookup passed in the wait for one of the 1 requests";
    let waited = messages.iter().filter(|message| message.contains(words));
    assert_eq!(waited.count(), 1, "{messages:?}");
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
        .retries(RetryOptions::new().with_max_retries(0))
        .build();
    assert_eq!(
        variable(&once.unwrap(), "colour").await,
        Err(
            "Unavailable: the Key Vault airflow-test.vault.azure.net cannot answer (HTTP 503)"
                .to_owned()
        )
    );

    azure.vault.answer_first([error(400, "BadParameter", None)]);
    let message = variable(&reader(&azure), "colour").await.unwrap_err();
    assert!(
        message.starts_with(
            "Configuration: airflow-test.vault.azure.net refused the request (HTTP 400)"
        ),
        "{message}"
    );
}

/// Where all wait, Tokio's clock jumps ahead.
#[tokio::test(start_paused = true)]
async fn retries_without_number_do_not_overflow() {
    let nowhere = Environment::from_iter([("https_proxy", "http://127.0.0.1:9")]);
    let vault = builder(&nowhere).retries(RetryOptions::new().with_max_retries(u32::MAX));
    let vault = vault
        .http(HttpOptions::new().with_timeout(Duration::from_secs(3600)))
        .build();
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
            "the vault's firewall blocks this machine",
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

fn reply(status: u16, body: &[u8]) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: body.to_vec(),
    }
}

#[tokio::test]
async fn what_is_no_answer_of_key_vault_is_an_outage() {
    let azure = azure();
    let vault = reader(&azure);
    for (status, body) in [
        (200, &b"\xff{\"value\": \"MARKER\"}"[..]),
        (200, b"{\"value\": \"\xff\"}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b""),
        (302, b""),
        (403, b"<html>"),
        (404, b""),
        (404, b"<html>"),
        (404, br#"{"message":"no Route matched with those values"}"#),
        (404, br#"{"error": {}}"#),
    ] {
        azure.vault.answer_first([reply(status, body)]);
        let expected = format!(
            "Unavailable: the answer is not one of Key Vault's (HTTP {status}): check \"vault_url\" \
             and the proxy (AZURE-20)"
        );
        assert_eq!(variable(&vault, "colour").await, Err(expected));
    }
    azure
        .vault
        .answer_first([error(404, "ResourceNotFound", None)]);
    let expected = "Unavailable: the Key Vault airflow-test.vault.azure.net refused the request (HTTP \
                    404): check \"vault_url\" and the proxy (AZURE-20)";
    assert_eq!(variable(&vault, "colour").await, Err(expected.to_owned()));

    let without_value = br#"{"id": "https://airflow-test.vault.azure.net/secrets/x/1"}"#;
    azure.vault.answer_first([reply(200, without_value)]);
    assert_eq!(
        variable(&vault, "colour").await,
        Err("missing: it has no value".to_owned())
    );
}

/// Of the vault and of those that give tokens: what is too long or too deep is not parsed, and not
/// asked for again.
#[tokio::test]
async fn answers_without_bounds_are_not_read() {
    let azure = azure();
    let vault = reader(&azure);
    assert_eq!(variable(&vault, "colour").await, blue());
    let long = [&br#"{"value": ""#[..], &vec![b'x'; 64 * 1024 * 1024]].concat();
    let deep = vec![b'['; 1_000_000];
    for (status, body, why) in [
        (200, &long, "is longer than"),
        (404, &long, "is longer than"),
        (200, &deep, "nests deeper than"),
        (403, &deep, "nests deeper than"),
    ] {
        let asked = azure.vault.names_asked().len();
        azure.vault.answer_first([reply(status, body)]);
        let message = variable(&vault, "colour").await.unwrap_err();
        assert!(message.starts_with("Unavailable: "), "{message}");
        assert!(message.contains(why), "{message}");
        assert_eq!(azure.vault.names_asked().len() - asked, 1);

        azure.authority.answer_first([reply(status, body)]);
        let message = variable(&reader(&azure), "colour").await.unwrap_err();
        assert!(message.starts_with("Unavailable: "), "{message}");
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn a_metadata_endpoint_is_not_read_without_end() {
    let azure = azure();
    for attack in ATTACKS {
        let server = Hostile::with(attack).await;
        let environment = azure.environment(&[
            ("IDENTITY_ENDPOINT", &server.url),
            ("IDENTITY_HEADER", "MARKER"),
            ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential"),
        ]);
        let options = HttpOptions::new().with_timeout(Duration::from_secs(2));
        let retries = RetryOptions::new().with_max_retries(2);
        let vault = builder(&environment).http(options).retries(retries);
        let message = variable(&vault.build().unwrap(), "colour")
            .await
            .unwrap_err();
        assert!(
            message.starts_with("Unavailable: "),
            "{attack:?}: {message}"
        );
        assert!(
            server.sent() < MOST_SENT,
            "{attack:?}: {} bytes",
            server.sent()
        );
        if !matches!(attack, Attack::SlowBody | Attack::EndlessHeader) {
            assert_eq!(server.requests(), 1, "{attack:?}: {message}");
        }
    }
}

#[tokio::test]
async fn a_challenge_for_another_audience_gets_no_token() {
    let azure = azure();
    azure.vault.challenge_with("https://evil.example");
    let message = variable(&reader(&azure), "colour").await.unwrap_err();
    assert!(
        message.starts_with(
            "Configuration: the challenge of airflow-test.vault.azure.net is invalid, or names another"
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
    let vault = builder(&environment)
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
    let message = variable(&vault, "colour").await.unwrap_err();
    assert!(
        message.starts_with(
            "Unavailable: no connection to airflow-test.vault.azure.net through the proxy: "
        ),
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
        .http(HttpOptions::new().with_timeout(Duration::from_millis(200)))
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
    let vault = builder(&environment).http(HttpOptions::new().with_timeout(Duration::from_secs(2)));
    let message = variable(&vault.build().unwrap(), "colour").await;
    assert_eq!(
        message,
        Err(
            "Unavailable: no token for the Key Vault airflow-test.vault.azure.net within 2 s: \
             check the connection to the authority (AZURE_AUTHORITY_HOST, or the managed identity's \
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
            "skipped: invalid id: the name would contain '.'; a secret's name in Key Vault has only 0-9, a-z, A-Z and '-'",
        ),
        (
            "größe",
            "skipped: invalid id: the name would contain 'ö'; a secret's name in Key Vault has only 0-9, a-z, A-Z and '-'",
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
        Err("skipped: not configured: \"variables_prefix\" is not set".to_owned())
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
            Err("skipped: refused for teams: the name would contain \"--\", which separates a team from its ids".to_owned())
        );
    }
    assert_eq!(variable(&vault, "colour").await, blue());
}
