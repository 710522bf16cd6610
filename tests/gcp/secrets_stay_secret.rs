//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::{
    SecretsBackend,
    backends::gcp::{CloudSecretManagerBackend, GcpCredentials},
};
use serde_json::json;

use crate::{
    support::{
        google::{key_file, payload, private_key, refusal, token},
        log::Log,
        served::Served,
        wire::{Answer, Queued},
    },
    variable,
};

/// Every answer below holds it, and so does every secret that goes out.
const MARKER: &str = "MARKER-7f3a";

fn answers() -> Vec<Answer> {
    vec![
        payload(MARKER),
        payload([MARKER.as_bytes(), b"\xff"].concat()),
        Answer::new(200, format!("<html>{MARKER}")),
        Answer::new(200, json!({"payload": {"data": MARKER}}).to_string()),
        refusal(400, "INVALID_ARGUMENT", MARKER),
        refusal(400, "FAILED_PRECONDITION", MARKER),
        refusal(401, "UNAUTHENTICATED", MARKER),
        refusal(403, "PERMISSION_DENIED", MARKER),
        refusal(404, "NOT_FOUND", MARKER),
        refusal(500, "INTERNAL", MARKER),
        refusal(501, MARKER, MARKER),
        Answer::new(418, MARKER),
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

    // A token endpoint that gives one and then refuses, and a Secret Manager.
    let user = |url: &str| {
        let user = json!({
            "type": "authorized_user", "client_id": "id", "client_secret": MARKER,
            "refresh_token": MARKER, "token_uri": format!("{url}/token"),
        });
        GcpCredentials::config(user.to_string())
    };
    let tokens = Queued::with([token(MARKER), Answer::new(400, MARKER)]).await;
    let server = Queued::with(answers()).await;
    let builder = CloudSecretManagerBackend::builder()
        .project_id("p")
        .endpoint(&server.url)
        .max_retries(0);
    let of_user = builder.clone().credentials(user(&tokens.url));
    let mut shown = format!("{of_user:?}");
    let backend = of_user.build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok(MARKER.into()));
    for _ in 1..answers().len() {
        shown += &format!("{:?}", backend.get_conn_value("x", None).await);
    }
    shown += &format!("{backend:?}");

    // Refusals of tokens, whose answers hold what was sent.
    let refusing =
        Served::by(|request| Answer::new(400, format!("{MARKER}{}", request.body))).await;
    let exchange = json!({
        "type": "external_account", "audience": "a", "subject_token_type": "t",
        "token_url": refusing.url, "credential_source": {"url": refusing.url}, "client_secret": MARKER,
    });
    let key = key_file().to_string();
    for credentials in [
        user(&refusing.url),
        GcpCredentials::config(exchange.to_string()),
    ] {
        let builder = builder.clone().credentials(credentials);
        shown += &format!("{builder:?}");
        let backend = builder.build().unwrap();
        shown += &format!("{:?}", backend.get_variable("x", None).await);
        shown += &format!("{backend:?}");
    }
    let chained = builder
        .clone()
        .credentials(GcpCredentials::key(key))
        .impersonation_chain(["other@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&refusing.url);
    shown += &format!("{chained:?}");
    let chained = chained.build().unwrap();
    shown += &format!("{:?} {chained:?}", chained.get_variable("x", None).await);

    // Files that are not good.
    for bad in [
        format!("{{\"private_key\": \"{MARKER}"),
        json!({"private_key": MARKER, "client_email": MARKER}).to_string(),
        json!({"private_key": {"a": MARKER}, "client_email": "a"}).to_string(),
        json!([MARKER]).to_string(),
    ] {
        for credentials in [
            GcpCredentials::key(bad.as_str()),
            GcpCredentials::config(bad.as_str()),
        ] {
            let built = builder.clone().credentials(credentials).build();
            shown += &format!("{:?}", built.unwrap_err());
        }
    }

    let log = log.text();
    let key = private_key();
    let part_of_key = key.lines().nth(5).unwrap();
    for (where_, text) in [("shown", &shown), ("logged", &log)] {
        assert!(!text.contains(MARKER), "{where_}: {text}");
        assert!(!text.contains(part_of_key), "{where_}: {text}");
    }
    assert!(
        log.contains("connect"),
        "the libraries below did log: {log}"
    );
    assert!(shown.contains("AccessDenied"), "{shown}");
}
