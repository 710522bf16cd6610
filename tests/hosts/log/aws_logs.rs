//! What a host's log holds of lookups in AWS, at level TRACE, each in a process of its own: all of
//! the host's own records, and no secret.

// A test may panic: so it fails.
#![allow(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod served;
    pub(crate) mod wire;
}

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use self::support::{
    served::Served,
    wire::{Answer, Request},
};

const CLASSES: [&str; 2] = [
    "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
    "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend",
];

/// It is in every secret that is sent or received.
const MARKER: &str = "MARKER7f3a";

const FAR: &str = "2199-01-01T00:00:00Z";

/// Secrets Manager, the Parameter Store, STS, SSO and its token service, a container's endpoint, a
/// machine's metadata, and Google's token endpoint.
fn everything(request: &Request) -> Answer {
    let (token, path) = (format!("{MARKER}+/=\"token"), request.path.as_str());
    let keys = json!({
        "AccessKeyId": "ASIA", "SecretAccessKey": MARKER, "Token": token, "Expiration": FAR,
        "Code": "Success",
    });
    let answer = match request.header("x-amz-target") {
        Some(target) if target.contains("Batch") => json!({
            "SecretValues": [{"Name": "airflow/variables/x", "SecretString": MARKER}],
            "Errors": [{"SecretId": "airflow/variables/y", "ErrorCode": "ResourceNotFoundException"}],
        }),
        Some(target) if target.ends_with("GetParameters") => json!({
            "Parameters": [{"Name": "/airflow/variables/x", "Value": MARKER}],
            "InvalidParameters": ["/airflow/variables/y"],
        }),
        Some(_) => json!({
            "ARN": "a", "Name": "x", "SecretString": format!("pg://u:{MARKER}@h"),
            "Parameter": {"Name": "x", "Value": format!("pg://u:{MARKER}@h")},
        }),
        None if path == "/container" => keys,
        None if path == "/latest/api/token" => return Answer::new(200, MARKER),
        None if path.ends_with("/security-credentials/") => return Answer::new(200, "the-role"),
        None if path.ends_with("/the-role") => keys,
        None if path == "/token" => json!({
            "accessToken": token, "refreshToken": MARKER, "expiresIn": 60, "id_token": MARKER,
        }),
        None if path.starts_with("/federation") => json!({"roleCredentials": {
            "accessKeyId": "ASIA", "secretAccessKey": MARKER, "sessionToken": token,
            "expiration": 7_226_582_400_000_i64,
        }}),
        None => return lent(request),
    };
    Answer::new(200, answer.to_string())
}

/// What STS answers.
fn lent(request: &Request) -> Answer {
    let action = if request.body.contains("WebIdentity") {
        "AssumeRoleWithWebIdentity"
    } else {
        "AssumeRole"
    };
    let credentials = format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>ASIALENT</AccessKeyId>\
         <SecretAccessKey>{MARKER}</SecretAccessKey><SessionToken>{MARKER}</SessionToken>\
         <Expiration>{FAR}</Expiration></Credentials></{action}Result></{action}Response>"
    );
    Answer::new(200, credentials)
}

/// A server that has errors alone to give.
fn nothing(request: &Request) -> Answer {
    if request.header("x-amz-target").is_some() {
        return Answer::new(400, r#"{"__type": "AccessDeniedException"}"#);
    }
    everything(request)
}

/// A home folder with a profile for each way to credentials.
fn home(url: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let printed = json!({
        "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": MARKER, "SessionToken": MARKER,
    });
    write(
        ".aws/config",
        &format!(
            "[profile program]\ncredential_process = echo '{printed}'\n\
             [profile keys]\naws_access_key_id = ASIA\naws_secret_access_key = {MARKER}\n\
             aws_session_token = {MARKER}\n\
             [profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\n\
             [profile sso]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n\
             [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://portal.test\n"
        ),
    );
    // The name is the SHA-1 hash of `s`.
    let token = json!({
        "accessToken": MARKER, "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c",
        "clientSecret": MARKER, "refreshToken": MARKER, "registrationExpiresAt": FAR,
    });
    write(
        ".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json",
        &token.to_string(),
    );
    write("web-identity", MARKER);
    let user = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": MARKER,
        "refresh_token": MARKER, "token_uri": format!("{url}/token"),
    });
    write("google.json", &user.to_string());
    home
}

/// A way to credentials: its name, keyword arguments and variables.
type Way = (&'static str, Value, Vec<(&'static str, String)>);

fn ways(url: &str, home: &Path) -> Vec<Way> {
    let file = |name: &str| home.join(name).display().to_string();
    let role = json!({
        "role_arn": "arn:aws:iam::123456789012:role/reader",
        "assume_role_kwargs": {"SerialNumber": "arn:aws:iam::1:mfa/x", "TokenCode": MARKER},
    });
    let keys = |mut kwargs: Value| {
        kwargs["aws_access_key_id"] = "AKIATEST".into();
        kwargs["aws_secret_access_key"] = MARKER.into();
        kwargs["aws_session_token"] = MARKER.into();
        kwargs
    };
    let web = json!({
        "role_arn": "arn:aws:iam::123456789012:role/reader",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": file("web-identity"),
    });
    let profile = |name: &str| json!({"profile_name": name});
    vec![
        ("keys in kwargs", keys(json!({})), vec![]),
        (
            "keys in the environment",
            json!({}),
            vec![
                ("AWS_ACCESS_KEY_ID", "AKIATEST".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", MARKER.to_owned()),
                ("AWS_SESSION_TOKEN", MARKER.to_owned()),
            ],
        ),
        ("a role", keys(role), vec![]),
        ("a web identity", web, vec![]),
        ("a program", profile("program"), vec![]),
        ("keys in a profile", profile("keys"), vec![]),
        ("a role in a profile", profile("role"), vec![]),
        ("SSO", profile("sso"), vec![]),
        (
            "a container",
            json!({}),
            vec![
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    format!("{url}/container"),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", MARKER.to_owned()),
            ],
        ),
        (
            "a machine",
            json!({}),
            vec![
                ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.to_owned()),
            ],
        ),
    ]
}

/// All that a host prints which asks `class` so.
async fn printed(
    mode: &'static str,
    class: &'static str,
    url: &str,
    home: &Path,
    (kwargs, variables): (&Value, &[(&'static str, String)]),
) -> String {
    let mut kwargs = kwargs.clone();
    kwargs["endpoint_url"] = url.into();
    let mut host = std::process::Command::new(env!("CARGO_BIN_EXE_host-that-logs"));
    host.arg(mode)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", home)
        .env("AIRFLOW_HOME", home)
        .env("AIRFLOW__SECRETS__BACKEND", class)
        .env("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs.to_string())
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1")
        .envs(["STS", "SSO", "SSO_OIDC"].map(|name| (format!("AWS_ENDPOINT_URL_{name}"), url)))
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .stderr(Stdio::inherit());
    let output = spawn_blocking(move || host.output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of a host's own.
fn own_lines(printed: &str) -> Vec<&str> {
    let lines = printed.lines().filter(|line| line.contains("a record"));
    lines
        .map(|line| &line[line.find("a record").unwrap()..])
        .collect()
}

async fn check(mode: &'static str, answer: fn(&Request) -> Answer, expected: &str) {
    let server = Served::by(answer).await;
    for class in CLASSES {
        let home = home(&server.url);
        for (way, kwargs, variables) in ways(&server.url, home.path()) {
            server.seen.clear();
            let asked = (&kwargs, variables.as_slice());
            let printed = printed(mode, class, &server.url, home.path(), asked).await;
            let what = format!("{mode}, {class}, {way}");
            assert_eq!(
                own_lines(&printed),
                ["a record before", "a record after"],
                "{what}"
            );
            let of_sdk = printed
                .lines()
                .find(|line| line.contains(" aws_smithy_runtime"));
            assert_eq!(of_sdk.is_some(), mode == "log", "{what}: {of_sdk:?}");
            let line = printed.lines().find(|line| line.contains(MARKER));
            assert_eq!(line, None, "{what}");
            assert!(printed.contains(expected), "{what}: {printed}");
            let all = server.seen.all();
            let asked = all
                .iter()
                .filter(|request| request.header("x-amz-target").is_some());
            assert!(asked.count() >= 3, "{what}: {printed}");
            // The secrets are sent where they belong, and no placeholder is.
            for request in &all {
                let sent = format!("{request:?}");
                assert!(!sent.contains("Hidden"), "{what}: {sent}");
                assert!(sent.contains(MARKER) || request.header("x-amz-target").is_none());
            }
        }
    }
}

#[tokio::test]
async fn without_a_subscriber_the_log_stays_and_holds_no_secret() {
    check("log", everything, "Ok(").await;
    check("log", nothing, "denied").await;
}

#[tokio::test]
async fn with_a_subscriber_the_log_stays_and_holds_no_secret() {
    check("subscriber", everything, "Ok(").await;
    check("subscriber", nothing, "denied").await;
}
