//! The credentials of a machine of AWS's own: the metadata service, version 2.

use serde_json::json;

use crate::{
    SECRETS_MANAGER,
    credentials::{FAR, lent, signed, value},
    environment, make, outcome,
    profiles::{ask, home},
    support::{
        served::Served,
        wire::{Answer, Queued, Request},
    },
};

const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// Answers as AWS's documentation says: nothing without a token.
fn machine(request: &Request) -> Answer {
    let with_token = request.header("x-aws-ec2-metadata-token") == Some("session token");
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token") => Answer::new(200, "session token")
            .header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        ("GET", _) if !with_token => Answer::new(401, "marker"),
        ("GET", path) if path.trim_end_matches('/') == ROLE.trim_end_matches('/') => {
            Answer::new(200, "the-role")
        }
        ("GET", path) if path == format!("{ROLE}the-role") => Answer::new(
            200,
            json!({
                "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": "ASIAMACHINE", "SecretAccessKey": "s", "Token": "lent-token",
                "Expiration": "2199-01-01T00:00:00Z",
            })
            .to_string(),
        ),
        _ => Answer::new(404, "marker"),
    }
}

#[tokio::test]
async fn a_machines_metadata_give_its_roles_credentials() {
    let machine = Served::by(machine).await;
    let service = Queued::with([value(), value()]).await;
    let environment = environment(&[
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &machine.url),
    ]);
    let kwargs = json!({"endpoint_url": service.url});
    let made = make(SECRETS_MANAGER, kwargs, &environment, false).await;
    let (backend, _) = made.unwrap();
    for _ in 0..2 {
        let found = backend.get_variable("x", None).await;
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
    let error = "Configuration: the AWS profile \"machine\" is for a machine's own role, and \
                 AWS_EC2_METADATA_DISABLED in the environment forbids to ask for it";
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
        let error = outcome(made.unwrap().0.get_variable("x", None).await).unwrap_err();
        let start = "Configuration: there are no AWS credentials: give \"aws_access_key_id\"";
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
    let found = made.unwrap().0.get_variable("x", None).await;
    assert_eq!(outcome(found), Ok("v".to_owned()));
    assert_eq!(signed(&service.seen.all()[0]).0, "AKIATEST");
    assert_eq!(machine.seen.lines(), [""; 0]);
}
