//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::backends::RetryOptions;
use airflow_secrets::{
    SecretsBackend,
    backend::LookupOptions,
    backends::gcp::{CloudSecretManagerBackend, GcpCredential},
};
use serde_json::json;

use crate::{
    impersonation::impersonated,
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
        GcpCredential::config(user.to_string())
    };
    let tokens = Queued::with([token(MARKER), Answer::new(400, MARKER)]).await;
    let server = Queued::with(answers()).await;
    let builder = CloudSecretManagerBackend::builder()
        .project_id("p")
        .endpoint(&server.url)
        .retries(RetryOptions::new().with_max_retries(0));
    let of_user = builder.clone().credential(user(&tokens.url));
    let mut shown = format!("{of_user:?}");
    let backend = of_user.build().unwrap();
    assert_eq!(variable(&backend, "x").await, Ok(MARKER.into()));
    for _ in 1..answers().len() {
        shown += &format!(
            "{:?}",
            backend.get_conn_value("x", &LookupOptions::new()).await
        );
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
        GcpCredential::config(exchange.to_string()),
    ] {
        let builder = builder.clone().credential(credentials);
        shown += &format!("{builder:?}");
        let backend = builder.build().unwrap();
        shown += &format!(
            "{:?}",
            backend.get_variable("x", &LookupOptions::new()).await
        );
        shown += &format!("{backend:?}");
    }
    let chained = builder
        .clone()
        .credential(GcpCredential::key(key))
        .impersonation_chain(["other@q.iam.gserviceaccount.com"])
        .iam_credentials_endpoint(&refusing.url);
    shown += &format!("{chained:?}");
    let chained = chained.build().unwrap();
    shown += &format!(
        "{:?} {chained:?}",
        chained.get_variable("x", &LookupOptions::new()).await
    );

    shown += &every_login().await;

    // Files that are not good.
    for bad in [
        format!("{{\"private_key\": \"{MARKER}"),
        json!({"private_key": MARKER, "client_email": MARKER}).to_string(),
        json!({"private_key": {"a": MARKER}, "client_email": "a"}).to_string(),
        json!([MARKER]).to_string(),
    ] {
        for credentials in [
            GcpCredential::key(bad.as_str()),
            GcpCredential::config(bad.as_str()),
        ] {
            let built = builder.clone().credential(credentials).build();
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
    assert!(!log.contains("eyJ"), "a token is logged: {log}");
    assert!(
        log.contains("connect"),
        "the libraries below did log: {log}"
    );
    assert!(shown.contains("AccessDenied"), "{shown}");
}

/// What is shown of every way to log in, each of which reads a secret: keys, logins of users, other
/// providers' tokens in files, from URLs, of programs and of AWS, machines, and accounts that are
/// impersonated.
async fn every_login() -> String {
    let folder = tempfile::tempdir().unwrap();
    let server = every_service().await;
    let url = &server.url;
    let credentials = every_credential(url, folder.path());
    let proxy = url.replace("http://", &format!("http://user:{MARKER}@"));
    let environment = [
        ("GCE_METADATA_HOST", url.strip_prefix("http://").unwrap()),
        ("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1"),
        ("HOME", "/nowhere"),
        ("PATH", "/usr/bin:/bin"),
    ];
    let with_proxy = environment
        .into_iter()
        .chain([("http_proxy", proxy.as_str())]);
    let mut shown = String::new();
    for credential in credentials {
        let builder = CloudSecretManagerBackend::builder()
            .project_id("p")
            .endpoint(url)
            .location("europe-west1")
            .credential(credential);
        let chained = builder
            .clone()
            .impersonation_chain([ACCOUNT])
            .iam_credentials_endpoint(url);
        for builder in [
            builder
                .clone()
                .environment(&environment.into_iter().collect()),
            builder.environment(&with_proxy.clone().collect()),
            chained.environment(&environment.into_iter().collect()),
        ] {
            let backend = builder.clone().build().unwrap();
            let found = variable(&backend, "x").await;
            assert_eq!(found, Ok(MARKER.to_owned()), "{builder:?}");
            shown += &format!("{builder:?} {backend:?}");
        }
    }
    shown
}

const ACCOUNT: &str = "a@q.iam.gserviceaccount.com";

/// Secret Manager, and all that gives tokens or leads to them; what each gives is a secret.
async fn every_service() -> Served {
    Served::by(|request| {
        // A proxy is asked for the whole URL.
        let path = request.path.split('?').next().unwrap();
        let path = path.split_once("//").map_or(path, |(_, rest)| {
            rest.find('/').map_or(rest, |start| &rest[start..])
        });
        match path {
            "/token" | "/sts" => token(MARKER),
            "/role" => Answer::new(200, "role"),
            "/role/role" => {
                let keys = json!({
                    "AccessKeyId": MARKER, "SecretAccessKey": MARKER, "Token": MARKER,
                });
                Answer::new(200, keys.to_string())
            }
            "/zone" => Answer::new(200, "eu-west-1a"),
            "/subject" | "/session" => Answer::new(200, MARKER),
            _ if path.ends_with("/default/token") => token(MARKER),
            _ if path.ends_with(":generateAccessToken") => impersonated(MARKER),
            _ if path.ends_with("/universe-domain") => Answer::new(404, ""),
            _ if path.contains("/computeMetadata/") => Answer::new(200, "p"),
            _ => payload(MARKER),
        }
        .header("metadata-flavor", "Google")
    })
    .await
}

fn every_credential(url: &str, folder: &std::path::Path) -> Vec<GcpCredential> {
    let file = folder.join("token");
    std::fs::write(&file, MARKER).unwrap();
    let user = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": MARKER,
        "refresh_token": MARKER, "token_uri": format!("{url}/token"), "quota_project_id": "payer",
    });
    let pod = |source: serde_json::Value| {
        json!({
            "type": "external_account", "audience": "a", "subject_token_type": "t",
            "token_url": format!("{url}/sts"), "credential_source": source,
            "client_id": "id", "client_secret": MARKER,
        })
    };
    let program = json!({
        "version": 1, "success": true, "id_token": MARKER, "token_type": "t",
    });
    let script = folder.join("program");
    std::fs::write(
        &script,
        format!("#!/bin/sh\necho '{program}'\necho {MARKER} >&2\n"),
    )
    .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let impersonation =
        format!("{url}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken");
    let mut of_pod = pod(json!({"file": file}));
    of_pod["service_account_impersonation_url"] = impersonation.clone().into();
    let impersonating = json!({
        "type": "impersonated_service_account", "source_credentials": user,
        "service_account_impersonation_url": impersonation,
    });
    let of_aws = pod(json!({
        "environment_id": "aws1", "url": format!("{url}/role"), "region_url": format!("{url}/zone"),
        "imdsv2_session_token_url": format!("{url}/session"),
    }));
    let files = [
        user,
        key_file(),
        of_pod,
        impersonating,
        of_aws,
        pod(json!({"file": file})),
        pod(json!({"url": format!("{url}/subject"), "headers": {"secret": MARKER}})),
        pod(json!({"executable": {"command": script}})),
    ];
    let mut credentials = files
        .map(|file| GcpCredential::config(file.to_string()))
        .to_vec();
    credentials.push(GcpCredential::application_default());
    credentials
}
