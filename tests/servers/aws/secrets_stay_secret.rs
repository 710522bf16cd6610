//! No secret in `Debug`, errors or logs, whatever happens.

use airflow_secrets::backend::LookupOptions;
use serde_json::{Value, json};

use crate::{
    PARAMETER_STORE, SECRETS_MANAGER,
    credentials::{FAR, lent_as},
    environment, log, make,
    profiles::home,
    support::{
        google::key_file,
        served::Served,
        wire::{Answer, Queued, Request},
    },
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
    let log = log::of_everything();
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
                for answer in backend
                    .get_variables(&["x", "y"], &LookupOptions::new())
                    .await
                {
                    found += usize::from(answer.is_ok());
                    shown.push_str(&format!("{answer:?}"));
                }
                continue;
            }
            let answer = backend.get_connection("x", &LookupOptions::new()).await;
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

/// A service that denies everything, and STS: what it lends is secret.
fn aws(request: &Request) -> Answer {
    if request.header("x-amz-target").is_some() {
        return Answer::new(400, r#"{"__type": "AccessDeniedException"}"#);
    }
    lent_as("AssumeRoleWithWebIdentity", FAR, MARKER)
}

/// What an error and `Debug` show of a backend with these settings, once it got its credentials.
async fn shown(kwargs: Value, variables: &[(&str, &str)]) -> String {
    let server = Served::by(aws).await;
    let mut kwargs = kwargs;
    kwargs["endpoint_url"] = server.url.clone().into();
    let own = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_ENDPOINT_URL_STS", server.url.as_str()),
    ];
    let environment = environment(&[&own, variables].concat());
    let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
    let (backend, _) = made.unwrap();
    let failure = backend
        .get_variable("x", &LookupOptions::new())
        .await
        .unwrap_err();
    let asked = server.seen.all();
    let last = asked.last().expect("the service is asked");
    assert_eq!(last.header("x-amz-security-token"), Some(MARKER));
    let shown = format!("{failure} {failure:?} {backend:?}");
    assert!(shown.contains("denied"), "{shown}");
    shown
}

#[tokio::test]
async fn where_credentials_come_from_shows_no_secret() {
    let log = log::of_everything();
    let mut all = Vec::new();

    let container = json!({
        "AccessKeyId": "ASIA", "SecretAccessKey": MARKER, "Token": MARKER, "Expiration": FAR,
    });
    let container = Served::by(move |_| Answer::new(200, container.to_string())).await;
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", MARKER),
    ];
    all.push(shown(json!({}), &variables).await);

    let printed = json!({
        "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": MARKER, "SessionToken": MARKER,
    });
    let config = format!(
        "[profile program]\ncredential_process = echo '{printed}'\n\
         [profile keys]\naws_access_key_id = ASIA\naws_secret_access_key = {MARKER}\n\
         aws_session_token = {MARKER}\n\
         [profile sso]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n\
         [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://portal.test\n"
    );
    let home = home(&config, "");
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let token = json!({
        "accessToken": MARKER, "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c",
        "clientSecret": MARKER, "refreshToken": MARKER, "registrationExpiresAt": FAR,
    });
    // The name is the SHA-1 hash of `s`.
    let file = cache.join("a0f1490a20d0211c997b44bc357e1972deab8ae3.json");
    std::fs::write(file, token.to_string()).unwrap();
    let portal = Served::by(|request| {
        let answer = match request.method.as_str() {
            "POST" => json!({"accessToken": MARKER, "expiresIn": 60, "refreshToken": MARKER}),
            _ => json!({"roleCredentials": {
                "accessKeyId": "ASIA", "secretAccessKey": MARKER, "sessionToken": MARKER,
                "expiration": 7_226_582_400_000_i64,
            }}),
        };
        Answer::new(200, answer.to_string())
    });
    let portal = portal.await;
    for profile in ["program", "keys", "sso"] {
        let variables = [
            ("HOME", home.path().to_str().unwrap()),
            ("AWS_ENDPOINT_URL_SSO", portal.url.as_str()),
            ("AWS_ENDPOINT_URL_SSO_OIDC", &portal.url),
        ];
        all.push(shown(json!({"profile_name": profile}), &variables).await);
    }

    let mut key = key_file();
    let google = format!("{{\"id_token\": \"{MARKER}\"}}");
    let google = Served::by(move |_| Answer::new(200, google.clone())).await;
    key["token_uri"] = google.url.clone().into();
    let file = home.path().join("key.json");
    std::fs::write(&file, key.to_string()).unwrap();
    let kwargs = json!({
        "role_arn": "arn:aws:iam::123456789012:role/reader",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "google",
        "assume_role_with_web_identity_federation_audience": "a",
    });
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
    all.push(shown(kwargs, &variables).await);

    let log = log.text();
    let key = key["private_key"].as_str().unwrap().lines().nth(1).unwrap();
    for text in all.iter().chain([&log]) {
        for secret in [MARKER, key] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None);
        }
    }
    assert!(log.contains("the log is of all levels"));
}
