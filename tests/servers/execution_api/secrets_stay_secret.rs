//! No token and no secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::{
    Environment, Resolver, Secret, SecretsBackend,
    backend::VariableStore,
    backends::execution_api::{ExecutionApiBackend, ExecutionApiCredential, TaskStart},
};
use serde_json::json;

use crate::{
    TASK, api_at, options,
    support::{
        execution_api::{claims, signed},
        log::Log,
        wire::{Answer, Queued},
    },
};

/// Every answer below holds it, and so does every secret that goes out.
const MARKER: &str = "MARKER-7f3a";

fn answers() -> Vec<Answer> {
    let detail = |status: u16, detail: serde_json::Value| {
        Answer::new(status, json!({"detail": detail}).to_string())
    };
    let token = format!("{MARKER}-refreshed");
    vec![
        Answer::new(200, json!({"key": "x", "value": MARKER}).to_string())
            .header("Refreshed-API-Token", &token),
        Answer::new(200, json!({"key": MARKER, "value": MARKER}).to_string()),
        Answer::new(200, json!({"key": "x", "value": [MARKER]}).to_string()),
        Answer::new(200, format!("<html>{MARKER}")),
        Answer::new(307, MARKER).header("Location", &format!("http://{MARKER}/")),
        detail(400, json!(MARKER)),
        detail(401, json!(MARKER)),
        detail(403, json!(MARKER)),
        detail(403, json!(format!("Invalid auth token: {MARKER}"))),
        detail(403, json!({"reason": MARKER, "message": MARKER})),
        detail(404, json!({"reason": "not_found", "message": MARKER})),
        detail(404, json!(MARKER)),
        detail(409, json!({"reason": MARKER})),
        detail(422, json!([{"input": MARKER}])),
        Answer::new(429, MARKER).header("Retry-After", MARKER),
        detail(500, json!(MARKER)),
        Answer::new(503, MARKER),
        Answer::new(418, MARKER),
    ]
}

async fn ask_everything(backend: &ExecutionApiBackend) -> String {
    let (options, value) = (options(), Secret::from(MARKER));
    let mut shown = format!("{:?}", backend.get_variable("x", &options).await);
    shown += &format!("{:?}", backend.get_connection("x", &options).await);
    shown += &format!("{:?}", backend.check(&options).await);
    shown += &format!("{:?}", backend.variable_keys("x", &options).await);
    let set = backend.set_variable("x", &value, Some("about x"), &options);
    shown += &format!("{:?}", set.await);
    shown += &format!("{:?}", backend.delete_variable("x", &options).await);
    let start = TaskStart::now("host", "user", 1);
    let run = backend.run_task_instance(TASK, &start, &options);
    shown += &format!("{:?}", run.await);
    shown + &format!("{backend:?}")
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

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, MARKER).unwrap();
    let ended = signed(&claims(MARKER, -60));
    let credentials = || {
        [
            ExecutionApiCredential::token(MARKER),
            ExecutionApiCredential::token(ended.as_str()),
            ExecutionApiCredential::file(&file),
            ExecutionApiCredential::callback(|| async { Ok(Secret::from(MARKER)) }),
        ]
    };
    let mut shown = String::new();
    for credential in credentials() {
        for answer in answers() {
            let server = Queued::with(vec![answer; 8]).await;
            let builder = api_at(&format!("{}/execution/", server.url))
                .credential(credential.clone())
                .keep_alive(true);
            shown += &format!("{builder:?}");
            shown += &ask_everything(&builder.build().unwrap()).await;
        }
    }
    // A proxy's password, a URL's, and tokens that cannot be sent.
    for url in [
        format!("http://user:{MARKER}@127.0.0.1/execution/"),
        format!("http://127.0.0.1/execution/?token={MARKER}"),
        format!("{MARKER}://"),
    ] {
        shown += &format!("{:?}", api_at(&url).build().unwrap_err());
    }
    let unsendable = ExecutionApiCredential::token(format!("{MARKER}\n"));
    let builder = api_at("http://127.0.0.1:9/execution/").credential(unsendable);
    shown += &ask_everything(&builder.build().unwrap()).await;

    // The resolver's own words.
    let server = Queued::with(answers()).await;
    let environment = [
        ("AIRFLOW_HOME", "/nowhere"),
        (
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
            &format!("{}/execution/", server.url),
        ),
        ("AIRFLOW__WORKERS__EXECUTION_API_RETRIES", "1"),
    ];
    let resolver = Resolver::from_environment(Environment::from_iter(environment))
        .worker()
        .execution_api(|api| api.credential(ExecutionApiCredential::token(MARKER)))
        .build()
        .await
        .unwrap();
    for _ in answers() {
        shown += &format!("{:?}", resolver.get_variable("x").await);
    }

    let log = log.text();
    let token = ended.split('.').next_back().unwrap();
    for (where_, text) in [("shown", &shown), ("logged", &log)] {
        for secret in [MARKER, token] {
            let at = text.find(secret);
            let around = at.map(|at| &text[at.saturating_sub(200)..at]);
            assert_eq!(around, None, "{where_}");
        }
    }
    assert!(!log.contains("eyJ"), "a token is logged");
    assert!(
        log.contains("connect"),
        "the libraries below did log: {log}"
    );
    assert!(shown.contains("FinalDenial"), "{shown}");
}
