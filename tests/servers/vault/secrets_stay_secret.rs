//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::backends::{HttpOptions, RetryOptions};
use airflow_secrets::{SecretsBackend, backend::LookupOptions, backends::vault::VaultCredential};
use serde_json::json;

use crate::{
    support::{
        log::Log,
        wire::{Answer, Queued},
    },
    variable, vault,
};

/// Every answer below holds it, and so does every secret that goes out.
const MARKER: &str = "MARKER-7f3a";

fn answers() -> Vec<Answer> {
    let errors = json!({"errors": [format!("permission denied: {MARKER}")]}).to_string();
    vec![
        Answer::new(200, json!({"data": {"secret_id": MARKER}}).to_string()),
        Answer::login(MARKER),
        Answer::document(json!({"value": MARKER})),
        Answer::document(json!({"conn_uri": format!("pg://u:{MARKER}@h")})),
        Answer::document(json!({"conn_uri": [MARKER]})),
        Answer::new(200, format!("<html>{MARKER}")),
        Answer::new(400, errors.clone()),
        Answer::new(403, errors.clone()),
        Answer::new(404, errors.clone()),
        Answer::new(500, errors.clone()),
        Answer::new(307, "").header("location", &format!("http://u:{MARKER}@elsewhere/")),
    ]
}

#[tokio::test]
async fn debug_errors_and_logs_hold_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of the whole process, `log`'s records too: tasks on other threads, and libraries below.
    tracing_subscriber::util::SubscriberInitExt::init(subscriber);

    let server = Queued::with(answers()).await;
    let url = server.url.replace("://", &format!("://user:{MARKER}@"));
    let login = VaultCredential::approle_wrapped(MARKER, MARKER);
    let builder = vault(&url, login).retries(RetryOptions::new().with_max_retries(0));
    let mut shown = format!("{builder:?}");
    let vault = builder.build().unwrap();
    assert_eq!(variable(&vault, "x").await, Ok(MARKER.into()));
    for _ in 0..10 {
        shown += &format!(
            "{:?}",
            vault.get_conn_value("x", &LookupOptions::new()).await
        );
    }
    shown += &format!("{vault:?}");
    for login in [
        VaultCredential::token(MARKER),
        VaultCredential::approle("role", Some(MARKER)),
        VaultCredential::userpass("ann", MARKER),
        VaultCredential::jwt("role", MARKER),
        VaultCredential::github(MARKER),
    ] {
        let refusing = Queued::with(vec![Answer::new(403, MARKER); 2]).await;
        let vault = crate::vault(&refusing.url, login).http(HttpOptions::new().with_proxy(""));
        let vault = vault.build().unwrap();
        shown += &format!("{:?}", vault.get_variable("x", &LookupOptions::new()).await);
        shown += &format!("{vault:?}");
    }
    let logged = log.text();
    assert!(!shown.contains(MARKER), "{shown}");
    assert!(!logged.contains(MARKER), "{logged}");
    assert!(
        logged.contains("connect"),
        "the libraries below did log: {logged}"
    );
    assert!(shown.contains("AccessDenied"), "{shown}");
}

#[tokio::test]
async fn a_proxys_password_is_not_shown() {
    let builder = vault("http://vault.invalid", VaultCredential::token("t"))
        .retries(RetryOptions::new().with_max_retries(0));
    let builder =
        builder.http(HttpOptions::new().with_proxy(format!("http://user:{MARKER}@127.0.0.1:1")));
    let shown = format!("{builder:?}");
    let vault = builder.build().unwrap();
    let outcome = variable(&vault, "x").await.unwrap_err();
    assert!(outcome.starts_with("Unavailable: "), "{outcome}");
    assert!(!format!("{shown}{vault:?}{outcome}").contains(MARKER));
}
