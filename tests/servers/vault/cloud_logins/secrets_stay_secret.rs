//! No credential of a cloud, no proof and no token in `Debug`, errors or logs.

use airflow_secrets::{
    Environment,
    backends::{
        aws::AwsCredential,
        azure::AzureCredential,
        gcp::GcpCredential,
        vault::{AwsIamLogin, VaultBackend, VaultCredential},
    },
};
use serde_json::{Value, json};

use crate::{
    bodies,
    support::{
        google::key_file,
        key_vault::Azure,
        log::Log,
        served::Served,
        token_authority::{CLIENT, CLIENT_SECRET, TENANT},
        wire::Answer,
    },
    x,
};

/// Each answer of the server holds it, and each secret of ours.
const MARKER: &str = "MARKER";

#[tokio::test]
async fn debug_errors_and_logs_hold_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of the whole process, `log`'s records too: tasks on other threads, and libraries below.
    tracing_subscriber::util::SubscriberInitExt::init(subscriber);

    let azure = Azure::start();
    let environment =
        azure.environment(&[("HOME", "/nowhere"), ("AWS_EC2_METADATA_DISABLED", "true")]);
    let key = key_file();
    let mut shown = String::new();
    let mut secrets = vec![MARKER.to_owned()];
    secrets.extend(
        key["private_key"]
            .as_str()
            .unwrap()
            .lines()
            .skip(1)
            .take(3)
            .map(str::to_owned),
    );
    for login in [
        VaultCredential::aws_iam(AwsIamLogin::new(AwsCredential::access_key(
            "AKIAVAULTLOGINS00001",
            "MARKER-secret",
            Some("MARKER-session".into()),
        ))),
        VaultCredential::azure(
            "airflow",
            "https://management.azure.com/",
            AzureCredential::client_secret(TENANT, CLIENT, CLIENT_SECRET),
        ),
        VaultCredential::gcp("airflow", GcpCredential::key(key.to_string())),
    ] {
        shown += &format!("{login:?}");
        for status in [200, 400, 500] {
            let body = json!({"errors": [MARKER], "auth": {"client_token": [MARKER]}}).to_string();
            let server = Served::by(move |_| Answer::new(status, &*body)).await;
            let backend = built(&server.url, login.clone(), &environment);
            shown += &format!("{backend:?}");
            shown += &x(&backend).await.unwrap_err();
            shown += &format!("{backend:?}");
            secrets.extend(bodies(&server).iter().flat_map(proofs));
        }
    }
    shown += &log.text();
    for secret in secrets {
        let line = shown.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
    assert!(log.text().contains("TRACE"));
}

fn built(url: &str, login: VaultCredential, environment: &Environment) -> VaultBackend {
    VaultBackend::builder()
        .url(url)
        .credential(login)
        .environment(environment)
        .retries(airflow_secrets::backends::RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap()
}

/// What a login's body proves its sender by.
fn proofs(body: &Value) -> Vec<String> {
    let texts = ["jwt", "iam_request_headers"].map(|name| body[name].as_str());
    texts.into_iter().flatten().map(str::to_owned).collect()
}
