//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::{
    SecretsBackend, backend::LookupOptions, backends::HttpOptions, backends::RetryOptions,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    KubernetesSecretsBackend,
    faults::{secrets, status},
    in_pod, kubeconfig,
    support::{
        kubernetes::{ApiServer, CONNECTION, VARIABLE},
        log::Log,
        wire::{Answer, Queued},
    },
    variable,
};

/// Every answer below holds it, and so does every secret that goes out.
const MARKER: &str = "MARKER-7f3a";

fn answers() -> Vec<Answer> {
    let list = |data: serde_json::Value| {
        let item = json!({"metadata": {"name": "a", "labels": {VARIABLE: "x"}}, "data": data});
        Answer::new(
            200,
            json!({"kind": "SecretList", "items": [item]}).to_string(),
        )
    };
    let bytes = BASE64_STANDARD.encode([MARKER.as_bytes(), b"\xff"].concat());
    vec![
        secrets(VARIABLE, &[("x", MARKER)]),
        secrets(CONNECTION, &[("x", MARKER)]),
        list(json!({"value": bytes})),
        list(json!({"value": MARKER})),
        list(json!({"value": {"a": MARKER}})),
        list(json!({"other": MARKER})),
        Answer::new(200, format!("<html>{MARKER}")),
        status(400, MARKER),
        status(401, MARKER),
        status(403, MARKER),
        status(404, MARKER),
        status(410, MARKER),
        status(429, MARKER),
        status(500, MARKER),
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

    let server = Queued::with(answers()).await;
    let proxy = HttpOptions::new().with_proxy(server.url.replace("//", &format!("//u:{MARKER}@")));
    let builder = KubernetesSecretsBackend::builder()
        .credential(kubeconfig("http://127.0.0.1:1", &json!({"token": MARKER})))
        .http(proxy)
        .retries(RetryOptions::new().with_max_retries(0));
    let mut shown = format!("{builder:?}");
    let backend = builder.build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok(MARKER.into()));
    let options = LookupOptions::new();
    shown += &format!("{:?}", backend.get_connection("x", &options).await);
    for _ in 2..answers().len() {
        shown += &format!("{:?}", backend.get_variables(&["x"], &options).await);
    }
    assert_eq!(server.seen.lines().len(), answers().len());
    shown += &format!("{backend:?}");

    // A real API server, whose account's token is a secret too.
    let namespace = ApiServer::shared().await.namespace().await;
    let labels = [(VARIABLE, "x"), (CONNECTION, "x")];
    for name in ["a", "b"] {
        namespace.secret(name, &labels, &[("value", MARKER)]).await;
    }
    let pod = namespace.pod("airflow").await;
    let token = pod.new_token().await;
    pod.write_token(&token);
    let backend = in_pod(&pod).build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok(MARKER.into()));
    shown += &format!(
        "{:?} {backend:?}",
        backend.get_connection("x", &options).await
    );

    let log = log.text();
    for (where_, text) in [("shown", &shown), ("logged", &log)] {
        for secret in [MARKER, &BASE64_STANDARD.encode(MARKER), &token] {
            assert!(!text.contains(secret), "{where_}: {text}");
        }
    }
    assert!(
        log.contains("connect"),
        "the libraries below did log: {log}"
    );
    let warning = "several secrets have the label";
    assert!(log.contains(warning), "{log}");
    assert!(shown.contains("AccessDenied"), "{shown}");
}
