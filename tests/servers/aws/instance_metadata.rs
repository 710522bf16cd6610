//! The credentials of a machine of AWS's own: its metadata service, in both versions.

use std::{collections::BTreeSet, sync::Arc};

use airflow_secrets::{SecretsBackend, backend::LookupOptions};
use serde_json::{Value, json};

use tokio::task::spawn_blocking;

use crate::{
    SECRETS_MANAGER,
    credentials::{FAR, lent, signed, value},
    environment, make, outcome,
    profiles::{ask, home},
    support::{
        ports::free_port,
        served::Served,
        side_by_side::{self, Question},
        wire::{Answer, Queued, Request},
    },
};

const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// Answers as AWS's documentation says: nothing without a token.
fn machine(request: &Request) -> Answer {
    match request.header("x-aws-ec2-metadata-token") {
        _ if request.method == "PUT" => Answer::new(200, "session token")
            .header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        Some("session token") => metadata(request, &keys("2199-01-01T00:00:00Z")),
        _ => Answer::new(401, "marker"),
    }
}

/// What version 1 answers, and version 2 who has a token.
fn metadata(request: &Request, keys: &Value) -> Answer {
    match request.path.strip_prefix(ROLE) {
        Some("") => Answer::new(200, "the-role"),
        Some("the-role") => Answer::new(200, keys.to_string()),
        _ => Answer::new(404, "marker"),
    }
}

fn keys(expiration: &str) -> Value {
    json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
        "AccessKeyId": "ASIAMACHINE", "SecretAccessKey": "s", "Token": "lent-token",
        "Expiration": expiration,
    })
}

/// A machine that has no tokens to give and says so with `status`, or has only version 1.
async fn without_tokens(status: u16) -> Served {
    Served::by(move |request| match request.method.as_str() {
        "PUT" => Answer::new(status, ""),
        _ if request.header("x-aws-ec2-metadata-token").is_some() => Answer::new(400, "marker"),
        _ => metadata(request, &keys("2199-01-01T00:00:00Z")),
    })
    .await
}

/// A backend on the machine whose metadata are at `url`, and so much more in the environment.
async fn backend_on(url: &str, service: &Queued, more: &[(&str, &str)]) -> Arc<dyn SecretsBackend> {
    let machine = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url),
    ];
    let environment = environment(&[&machine, more].concat());
    let kwargs = json!({"endpoint_url": service.url});
    let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
    made.unwrap().0
}

/// Reads a secret there.
async fn read_on(url: &str, more: &[(&str, &str)]) -> Result<String, String> {
    let service = Queued::with([value()]).await;
    let backend = backend_on(url, &service, more).await;
    let found = outcome(backend.get_variable("x", &LookupOptions::new()).await);
    if found.is_ok() {
        assert_eq!(signed(&service.seen.all()[0]).0, "ASIAMACHINE");
    }
    found
}

#[tokio::test]
async fn a_machines_metadata_give_its_roles_credentials() {
    let machine = Served::by(machine).await;
    let service = Queued::with([value(), value()]).await;
    let backend = backend_on(&machine.url, &service, &[]).await;
    for _ in 0..2 {
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        assert_eq!(outcome(found), Ok("v".to_owned()));
    }
    let asked = machine.seen.all();
    let ttl = asked[0].header("x-aws-ec2-metadata-token-ttl-seconds");
    assert_eq!(ttl, Some("21600"));
    assert_eq!(
        machine.seen.lines(),
        [
            "PUT /latest/api/token".to_owned(),
            format!("GET {ROLE}"),
            format!("GET {ROLE}the-role"),
        ]
    );
    for request in service.seen.all() {
        assert_eq!(signed(&request).0, "ASIAMACHINE");
        assert_eq!(request.header("x-amz-security-token"), Some("lent-token"));
    }
}

#[tokio::test]
async fn the_metadatas_address_may_be_the_profiles() {
    let machine = Served::by(machine).await;
    let service = Queued::with([value()]).await;
    let config = format!(
        "[profile machine]\nrole_arn = arn:aws:iam::123456789012:role/r\n\
         credential_source = Ec2InstanceMetadata\n\
         ec2_metadata_service_endpoint = {}\n",
        machine.url
    );
    let home = home(&config, "");
    let sts = Queued::with([lent("AssumeRole", FAR)]).await;
    let variables = [
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
        ("AWS_EC2_METADATA_DISABLED", ""),
    ];
    let kwargs = json!({"endpoint_url": service.url});
    let found = ask(SECRETS_MANAGER, "machine", &kwargs, home.path(), &variables).await;
    assert_eq!(found, Ok("v".to_owned()));
    assert_eq!(signed(&sts.seen.all()[0]).0, "ASIAMACHINE");
    assert_eq!(signed(&service.seen.all()[0]).0, "ASIALENT");

    machine.seen.clear();
    let found = ask(
        SECRETS_MANAGER,
        "machine",
        &kwargs,
        home.path(),
        &variables[..2],
    )
    .await;
    let error = "Configuration: the AWS profile \"machine\" uses the role of the machine (Ec2InstanceMetadata), which AWS_EC2_METADATA_DISABLED in the environment disables";
    assert_eq!(found, Err(error.to_owned()));
    assert_eq!(machine.seen.lines(), [""; 0]);
}

#[tokio::test]
async fn nobody_is_asked_where_metadata_are_disabled() {
    for disabled in ["true", "True"] {
        let machine = Served::by(machine).await;
        let environment = environment(&[
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_EC2_METADATA_DISABLED", disabled),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &machine.url),
        ]);
        let made = make(SECRETS_MANAGER, json!({}), &environment, false).await;
        let error = outcome(
            made.unwrap()
                .0
                .get_variable("x", &LookupOptions::new())
                .await,
        )
        .unwrap_err();
        let start = "Configuration: no AWS credentials were found: set \"aws_access_key_id\"";
        assert!(error.starts_with(start), "{error}");
        assert_eq!(machine.seen.lines(), [""; 0]);
    }
}

#[tokio::test]
async fn keys_in_the_environment_ask_no_machine() {
    let machine = Served::by(machine).await;
    let service = Queued::with([value()]).await;
    let environment = environment(&[
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &machine.url),
    ]);
    let kwargs = json!({"endpoint_url": service.url});
    let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
    let found = made
        .unwrap()
        .0
        .get_variable("x", &LookupOptions::new())
        .await;
    assert_eq!(outcome(found), Ok("v".to_owned()));
    assert_eq!(signed(&service.seen.all()[0]).0, "AKIATEST");
    assert_eq!(machine.seen.lines(), [""; 0]);
}

#[tokio::test]
async fn a_machine_that_gives_no_token_is_asked_in_version_1() {
    // 102 is no answer yet, and there comes none: so it is behind one hop too many.
    for status in [403, 404, 405, 102] {
        let machine = without_tokens(status).await;
        let found = read_on(&machine.url, &[]).await;
        assert_eq!(found, Ok("v".to_owned()), "{status}");
        assert_eq!(
            machine.seen.lines(),
            [
                "PUT /latest/api/token".to_owned(),
                format!("GET {ROLE}"),
                format!("GET {ROLE}the-role"),
            ]
        );
    }
}

#[tokio::test]
async fn version_1_is_not_asked_where_it_is_disabled() {
    let machine = without_tokens(404).await;
    let found = read_on(&machine.url, &[("AWS_EC2_METADATA_V1_DISABLED", "True")]).await;
    let error = "Unavailable: this machine's metadata service issues no token, and its version 1, \
                 which needs none, is disabled by AWS_EC2_METADATA_V1_DISABLED in the environment \
                 or ec2_metadata_v1_disabled in the AWS profile";
    assert_eq!(found, Err(error.to_owned()));
    assert_eq!(machine.seen.lines(), ["PUT /latest/api/token"]);
}

#[tokio::test]
async fn a_metadata_service_that_refuses_is_a_setting_to_change() {
    for status in [401, 403] {
        let refused = format!(
            "Configuration: this machine's metadata service (AWS credentials) refused the request \
             with status {status}: enable the instance's metadata service and, for containers, set \
             its hop limit to 2: aws ec2 modify-instance-metadata-options --http-endpoint enabled \
             --http-put-response-hop-limit 2 (AWS-20)"
        );
        // Version 1 is off, and the token does not come over the second hop, or the service is off.
        let off = Served::by(move |_| Answer::new(status, "marker")).await;
        assert_eq!(read_on(&off.url, &[]).await, Err(refused.clone()));
        let version_1 = [("AWS_EC2_METADATA_V1_DISABLED", "true")];
        assert_eq!(read_on(&off.url, &version_1).await, Err(refused.clone()));
        let without_keys = Served::by(move |request| match request.path.strip_prefix(ROLE) {
            Some("") => Answer::new(200, "the-role"),
            Some(_) => Answer::new(status, "marker"),
            None => Answer::new(200, "session token"),
        });
        let without_keys = without_keys.await;
        assert_eq!(read_on(&without_keys.url, &[]).await, Err(refused));
    }
}

#[tokio::test]
async fn what_has_expired_and_cannot_be_renewed_is_used_for_a_while() {
    let machine = Served::by(|request| match request.method.as_str() {
        "PUT" => Answer::new(200, "session token"),
        _ => metadata(request, &keys("2020-01-01T00:00:00Z")),
    })
    .await;
    let service = Queued::with([value(), value()]).await;
    let backend = backend_on(&machine.url, &service, &[]).await;
    for _ in 0..2 {
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        assert_eq!(outcome(found), Ok("v".to_owned()));
    }
    assert_eq!(machine.seen.lines().len(), 3);
}

#[tokio::test]
async fn every_fault_of_a_machine_has_its_own_message() {
    let none = "Configuration: no AWS credentials were found: set";
    let whom = "Unavailable: this machine's metadata service (AWS credentials)";
    let refused = format!("{whom} answered with status 400");
    let nonsense = format!("{whom} answered without credentials (AWS-20)");
    let untrusting = "Configuration: this machine's role does not trust EC2, so its metadata service returns no AWS credentials: correct the role's trust policy";
    let code = json!({"Code": "AssumeRoleUnauthorizedAccess", "Message": "marker"}).to_string();
    let faults = [
        (["400", "", ""], refused.as_str()),
        (["200", "404", ""], none),
        (["200", "200", ""], none),
        (["200", "200 the-role", "200 marker"], &nonsense),
        (["200", "200 the-role", "200 {}"], &nonsense),
        (["200", "200 the-role", &format!("200 {code}")], untrusting),
    ];
    for (answers, expected) in faults {
        let answers = answers.map(|answer| {
            let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
            Answer::new(status.parse().unwrap_or(500), body)
        });
        let machine = Queued::with(answers).await;
        let error = read_on(&machine.url, &[]).await.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("marker"), "{error}");
    }
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let error = read_on(&nobody, &[]).await.unwrap_err();
    assert!(error.starts_with(none), "{error}");
}

#[tokio::test]
async fn settings_that_no_machine_can_be_asked_with_are_named() {
    for (variable, value, expected) in [
        (
            "AWS_METADATA_SERVICE_TIMEOUT",
            "soon",
            "AWS_METADATA_SERVICE_TIMEOUT in the environment, or metadata_service_timeout in the \
             AWS profile, must be a number",
        ),
        (
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
            "1.5",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS in the environment, or \
             metadata_service_num_attempts in the AWS profile, must be a number",
        ),
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
            "ipv5",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE in the environment, or \
             ec2_metadata_service_endpoint_mode in the AWS profile, must be ipv4 or ipv6",
        ),
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "nowhere",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT in the environment, or \
             ec2_metadata_service_endpoint in the AWS profile, is not an http or https URL",
        ),
    ] {
        let error = read_on("http://127.0.0.1:1", &[(variable, value)]).await;
        assert_eq!(error, Err(format!("Configuration: {expected}")));
    }
}

#[tokio::test]
async fn boto3_asks_a_machine_the_same_and_gets_the_same() {
    let service = Served::by(|_| value()).await;
    for tokens in [true, false] {
        let mut asked = Vec::new();
        for is_airflow in [true, false] {
            let machine = if tokens {
                Served::by(machine).await
            } else {
                without_tokens(403).await
            };
            let kwargs = json!({"endpoint_url": service.url});
            let variables = [
                ("AWS_DEFAULT_REGION", "eu-west-1"),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &machine.url),
            ];
            let settings = side_by_side::settings(SECRETS_MANAGER, &kwargs, &variables);
            let questions: [Question; 1] = [("variable", "x".to_owned(), None)];
            let answers = if is_airflow {
                let asked = (settings, questions);
                let answers = spawn_blocking(move || side_by_side::airflow(&asked.0, &asked.1));
                answers.await.unwrap()
            } else {
                side_by_side::ours(&settings, &questions).await
            };
            asked.push((answers, BTreeSet::from_iter(machine.seen.lines())));
        }
        assert_eq!(asked[0], asked[1]);
        assert_eq!(asked[0].1.len(), 3, "{asked:?}");
    }
}
