//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::backends::RetryOptions;
use airflow_secrets::{
    Lookup, SecretsBackend, backend::LookupOptions, backends::azure::AzureCredential,
};

use crate::{
    builder,
    credentials::tool,
    support::{
        https::Reply,
        key_vault::{Azure, error},
        log::Log,
        token_authority::{
            CLIENT, CLIENT_SECRET, EXPIRED_SECRET, IDENTITY_HEADER, SUBJECT, TENANT, certificate,
            federated_token, now, users_token,
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
    let vault = builder(&environment)
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
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
        shown += &format!(
            "{:?}",
            vault.get_conn_value("x", &LookupOptions::new()).await
        );
    }
    let pem = azure.file("client.pem", &certificate(true));
    let of_service = azure.file("service.pem", &certificate(false));
    for credential in [
        AzureCredential::client_certificate(TENANT, CLIENT, of_service),
        AzureCredential::client_secret(TENANT, CLIENT, "MARKER-wrong"),
        AzureCredential::client_secret(TENANT, CLIENT, EXPIRED_SECRET),
        AzureCredential::client_secret("unknown", CLIENT, CLIENT_SECRET),
        AzureCredential::client_certificate(TENANT, CLIENT, pem),
    ] {
        let vault = builder(&azure.environment(&[])).credential(credential);
        shown += &format!("{vault:?}");
        let vault = vault.build().unwrap();
        shown += &format!(
            "{:?} {vault:?}",
            vault.get_variable("x", &LookupOptions::new()).await
        );
    }
    let endpoint = format!("http://{}/msi/token", azure.address);
    for client in ["", "unknown"] {
        let environment = azure.environment(&[
            ("IDENTITY_ENDPOINT", &endpoint),
            ("IDENTITY_HEADER", IDENTITY_HEADER),
            ("AZURE_CLIENT_ID", client),
        ]);
        let vault = builder(&environment).build().unwrap();
        let answer = vault.get_variable("x", &LookupOptions::new()).await;
        shown += &format!("{answer:?} {vault:?}");
    }
    shown += &every_login(&azure).await;
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

/// What is shown of the other logins, each of which reads the secret, and each with what it is
/// refused: tokens in files and of tools, metadata endpoints, proxies with passwords.
async fn every_login(azure: &Azure) -> String {
    let token = azure
        .file("token", &federated_token(SUBJECT))
        .display()
        .to_string();
    let strangers = azure
        .file("strangers", &federated_token("MARKER"))
        .display()
        .to_string();
    let user = users_token();
    let az = serde_json::json!({
        "accessToken": user, "expires_on": now() + 3600, "tokenType": "Bearer",
    });
    let azd = serde_json::json!({"token": user, "expiresOn": "2199-01-01T00:00:00Z"});
    let az = tool(azure, "az", &az.to_string());
    let azd = tool(azure, "azd", &azd.to_string());
    let broken = tool(azure, "broken", "MARKER");
    std::fs::rename(format!("{broken}/broken"), format!("{broken}/az")).unwrap();
    let proxy = format!("http://user:MARKER@{}", azure.address);
    let imds = format!("http://{}", azure.address);
    let pod = |token: &str| {
        vec![
            ("AZURE_TENANT_ID", TENANT.to_owned()),
            ("AZURE_CLIENT_ID", CLIENT.to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", token.to_owned()),
        ]
    };
    let principal = Azure::principal().map(|(name, value)| (name, value.to_owned()));
    let with_proxy = [&principal[..], &[("https_proxy", proxy)]].concat();
    let mut shown = String::new();
    for (variables, is_found) in [
        (pod(&token), true),
        (pod(&strangers), false),
        (vec![("PATH", az)], true),
        (vec![("PATH", azd)], true),
        (vec![("PATH", broken)], false),
        (vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds)], true),
        (with_proxy, true),
    ] {
        let names = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let environment = azure.environment(&names.collect::<Vec<_>>());
        let vault = builder(&environment).build().unwrap();
        let found = vault.get_variable("x", &LookupOptions::new()).await;
        let is_ok = matches!(found, Ok(Lookup::Found { .. }));
        assert_eq!(is_ok, is_found, "{:?}: {found:?}", variables.last());
        shown += &format!("{environment:?} {vault:?} {found:?}");
    }
    shown
}
