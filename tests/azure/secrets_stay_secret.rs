//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::{SecretsBackend, backends::azure::AzureCredential};

use crate::{
    builder,
    support::{
        https::Reply,
        key_vault::{Azure, error},
        log::Log,
        token_authority::{
            CLIENT, CLIENT_SECRET, EXPIRED_SECRET, IDENTITY_HEADER, TENANT, certificate,
        },
    },
    variable,
};

/// The secrets that are sent, the vault's values and every text of an answer hold it.
const MARKER: &str = "MARKER";

#[tokio::test]
async fn debug_errors_and_logs_hold_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of the whole process, libraries below among it.
    tracing_subscriber::util::SubscriberInitExt::init(subscriber);

    let azure = Azure::start();
    azure.vault.put("airflow-variables-x", MARKER);
    let environment = azure.environment(&Azure::principal());
    let mut shown = format!("{environment:?} {:?}", builder(&environment));
    let with_passwords = builder(&environment)
        .vault_url("https://user:MARKER@vault.example")
        .authority_host("https://user:MARKER@login.example");
    shown += &format!("{with_passwords:?} {:?}", with_passwords.clone().build());
    let vault = builder(&environment).max_retries(0).build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok(MARKER.to_owned()));
    let html = Reply {
        status: 200,
        headers: Vec::new(),
        body: MARKER.into(),
    };
    azure.vault.answer_first([html]);
    for status in [400, 403, 404, 409, 429, 500, 503] {
        azure
            .vault
            .answer_first([error(status, "MARKER", Some("MARKER"))]);
    }
    for _ in 0..9 {
        shown += &format!("{:?}", vault.get_conn_value("x", None).await);
    }
    let pem = azure.file("client.pem", &certificate(true));
    for credential in [
        AzureCredential::client_secret(TENANT, CLIENT, "MARKER-wrong"),
        AzureCredential::client_secret(TENANT, CLIENT, EXPIRED_SECRET),
        AzureCredential::client_secret("unknown", CLIENT, CLIENT_SECRET),
        AzureCredential::client_certificate(TENANT, CLIENT, pem),
    ] {
        let vault = builder(&azure.environment(&[])).credential(credential);
        shown += &format!("{vault:?}");
        let vault = vault.build().unwrap();
        shown += &format!("{:?} {vault:?}", vault.get_variable("x", None).await);
    }
    let endpoint = format!("http://{}/msi/token", azure.address);
    for client in ["", "unknown"] {
        let environment = azure.environment(&[
            ("IDENTITY_ENDPOINT", &endpoint),
            ("IDENTITY_HEADER", IDENTITY_HEADER),
            ("AZURE_CLIENT_ID", client),
        ]);
        let vault = builder(&environment).build().unwrap();
        let answer = vault.get_variable("x", None).await;
        shown += &format!("{answer:?} {vault:?}");
    }
    let logged = log.text();
    let key = certificate(true);
    let key = key.lines().rev().nth(3).unwrap();
    for (name, text) in [("shown", &shown), ("logged", &logged)] {
        for secret in [MARKER, key, "eyJ"] {
            let at = text
                .find(secret)
                .map(|at| &text[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "{name} holds {secret}");
        }
    }
    assert!(logged.contains("connect"), "the libraries below did log");
    assert!(shown.contains("AccessDenied"), "{shown}");
}
