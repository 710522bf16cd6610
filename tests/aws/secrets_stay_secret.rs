//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::Dialect;
use serde_json::json;

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER, environment,
    log::Log,
    make,
    support::wire::{Answer, Queued},
};

/// Every answer below holds it, and so does every secret that goes out.
const MARKER: &str = "MARKER7f3a";

fn answers() -> Vec<Answer> {
    let credentials = format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIALENT</AccessKeyId>\
         <SecretAccessKey>{MARKER}</SecretAccessKey><SessionToken>{MARKER}</SessionToken>\
         <Expiration>2199-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
         </AssumeRoleResponse>"
    );
    let error = |status, code: &str| {
        let body = json!({"__type": code, "message": MARKER, "Message": MARKER});
        Answer::new(status, body.to_string())
    };
    let one = json!({
        "SecretString": format!("{{\"password\": \"{MARKER}\"}}"),
        "Parameter": {"Name": "x", "Value": format!("pg://u:{MARKER}@h")},
    });
    let bad = json!({
        "SecretString": format!("{{\"password\": {MARKER}}}"),
        "Parameter": {"Name": "x", "Value": format!("{{{MARKER}")},
    });
    let many = json!({
        "SecretValues": [{"Name": "airflow/variables/x", "SecretString": MARKER}],
        "Errors": [{"SecretId": "airflow/variables/y", "ErrorCode": MARKER, "Message": MARKER}],
        "Parameters": [{"Name": "/airflow/variables/x", "Value": MARKER}],
        "InvalidParameters": ["/airflow/variables/y"],
    });
    vec![
        Answer::new(200, credentials),
        Answer::new(200, one.to_string()),
        Answer::new(200, bad.to_string()),
        Answer::new(200, many.to_string()),
        Answer::new(200, format!("{MARKER} is no JSON")),
        error(400, "AccessDeniedException"),
        error(400, MARKER),
        error(404, "ResourceNotFoundException"),
        error(400, "ValidationException"),
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

    tracing::trace!("the log is of all levels");
    for class in [SECRETS_MANAGER, PARAMETER_STORE] {
        let server = Queued::with(answers()).await;
        let kwargs = json!({
            "endpoint_url": server.url, "role_arn": "arn:aws:iam::123456789012:role/reader",
            "aws_access_key_id": "AKIATEST", "aws_secret_access_key": MARKER,
            "aws_session_token": MARKER, "service_config": {"sts": {"endpoint_url": server.url}},
            "config_kwargs": {"retries": {"max_attempts": 0}},
        });
        let variables = [("AWS_SECRET_ACCESS_KEY", MARKER), ("OTHER", MARKER)];
        let made = make(class, kwargs, &environment(&variables), false).await;
        let (backend, _) = made.unwrap();
        let mut shown = format!("{backend:?}");
        let mut found = 0;
        for round in 0..8 {
            if round == 2 {
                for answer in backend.get_variables(&["x", "y"], None).await {
                    found += usize::from(answer.is_ok());
                    shown.push_str(&format!("{answer:?}"));
                }
                continue;
            }
            let answer = backend.get_connection("x", None, Dialect::Core).await;
            found += usize::from(answer.is_ok());
            shown.push_str(&format!("{answer:?}"));
            if let Err(failure) = answer {
                shown.push_str(&failure.to_string());
            }
        }
        shown.push_str(&format!("{backend:?}"));
        assert!(found >= 3, "{shown}");
        assert!(shown.contains("denied"), "{shown}");
        assert!(!shown.contains(MARKER), "{shown}");
    }
    let log = log.text();
    assert!(log.contains("the log is of all levels"));
    let line = log.lines().find(|line| line.contains(MARKER));
    assert_eq!(line, None);
}
