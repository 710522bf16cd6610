//! `aws_iam`, against a server that checks the signature as AWS does.

use airflow_secrets::{
    Environment,
    backends::{
        aws::AwsCredential,
        vault::{AwsIamLogin, VaultCredential},
    },
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    backend, bodies, from_kwargs, logins, side_by_side,
    sigv4::SignedRequest,
    support::{
        served::Served,
        side_by_side::Variables,
        wire::{Answer, Request},
    },
    vault, x,
};

const KEY_ID: &str = "AKIAVAULTLOGINS00001";
const SECRET: &str = "MARKER+secret/access+key";
const TOKEN: &str = "MARKER+session+token==";
const ROLE: &str = "arn:aws:iam::123456789012:role/airflow";

/// Whether AWS would take it for what the owner of the key has sent.
fn is_genuine(login: &Value) -> bool {
    let request = SignedRequest::of(login);
    let must_be_signed = request.headers.keys().filter(|name| {
        *name == "host" || name.starts_with("x-amz-") || name.starts_with("x-vault-")
    });
    request.method == "POST"
        && request.url == "https://sts.amazonaws.com/"
        && request.body == "Action=GetCallerIdentity&Version=2011-06-15"
        && request.headers["host"] == "sts.amazonaws.com"
        && request.scope[2] == "sts"
        && request.key_id == KEY_ID
        && must_be_signed
            .clone()
            .all(|name| request.signed.contains(name))
        && request.is_signed_with(SECRET)
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let home = [("HOME", "/nowhere"), ("AWS_EC2_METADATA_DISABLED", "true")];
    home.iter().chain(variables).copied().collect()
}

fn key() -> AwsIamLogin {
    AwsIamLogin::new(AwsCredential::access_key(KEY_ID, SECRET, None))
}

/// The region that the last login was signed for.
fn region(vault: &Served) -> String {
    SignedRequest::of(bodies(vault).last().unwrap()).scope[1].clone()
}

#[tokio::test]
async fn a_request_that_the_key_signed_logs_in() {
    let vault = vault(is_genuine).await;
    let login = VaultCredential::aws_iam(key().role("airflow"));
    assert_eq!(
        x(&backend(&vault.url, login, &environment(&[]))).await,
        Ok("v".into())
    );
    assert_eq!(bodies(&vault)[0]["role"], "airflow");
    let login = VaultCredential::aws_iam(key());
    assert_eq!(
        x(&backend(&vault.url, login, &environment(&[]))).await,
        Ok("v".into())
    );
    assert_eq!(bodies(&vault)[1]["role"], Value::Null);
}

#[tokio::test]
async fn the_servers_id_is_signed_along() {
    let vault = vault(|login| {
        let request = SignedRequest::of(login);
        request
            .headers
            .get("x-vault-aws-iam-server-id")
            .map(String::as_str)
            == Some("vault.example.com")
            && is_genuine(login)
    })
    .await;
    let login = |login| {
        backend(
            &vault.url,
            VaultCredential::aws_iam(login),
            &environment(&[]),
        )
    };
    let with_id = login(key().server_id("vault.example.com"));
    assert_eq!(x(&with_id).await, Ok("v".into()));
    for without in [key(), key().server_id("another.example.com")] {
        assert!(x(&login(without)).await.is_err());
    }
}

#[tokio::test]
async fn a_key_that_the_role_does_not_know_is_refused_and_not_tried_at_once_again() {
    let vault = vault(is_genuine).await;
    let login = AwsIamLogin::new(AwsCredential::access_key(KEY_ID, "MARKER-wrong", None));
    let backend = backend(
        &vault.url,
        VaultCredential::aws_iam(login),
        &environment(&[]),
    );
    let expected = "AccessDenied: the login at auth/aws was refused: check role_id, that the role \
                    binds this AWS principal, the region, and this machine's clock";
    assert!(x(&backend).await.unwrap_err().contains(expected));
    let again = x(&backend).await.unwrap_err();
    assert!(
        again.contains("the login is not repeated for another"),
        "{again}"
    );
    assert_eq!(vault.seen.logins(), 1);
}

#[tokio::test]
async fn a_hundred_lookups_share_one_login() {
    let vault = vault(is_genuine).await;
    let backend = backend(
        &vault.url,
        VaultCredential::aws_iam(key()),
        &environment(&[]),
    );
    let found = join_all((0..100).map(|_| x(&backend))).await;
    assert_eq!(found, vec![Ok("v".to_owned()); 100]);
    assert_eq!(vault.seen.logins(), 1);
}

/// As Airflow's client, which has a default region for a key alone.
#[tokio::test]
async fn the_region_is_the_one_of_code_else_of_the_chain() {
    let vault = vault(is_genuine).await;
    let keys = [
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let with_region = [&keys[..], &[("AWS_DEFAULT_REGION", "eu-west-1")]].concat();
    let chain = || AwsIamLogin::new(AwsCredential::default_chain());
    for (login, variables, expected) in [
        (key(), &with_region[..], "us-east-1"),
        (key().region("eu-north-1"), &with_region[..], "eu-north-1"),
        (chain(), &with_region[..], "eu-west-1"),
        (chain().region("eu-north-1"), &with_region[..], "eu-north-1"),
        (chain(), &keys[..], "us-east-1"),
    ] {
        let login = VaultCredential::aws_iam(login);
        let backend = backend(&vault.url, login, &environment(variables));
        assert_eq!(x(&backend).await, Ok("v".into()));
        assert_eq!(region(&vault), expected);
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let vault = vault(is_genuine).await;
    let login = AwsIamLogin::new(AwsCredential::default_chain());
    let backend = backend(
        &vault.url,
        VaultCredential::aws_iam(login),
        &environment(&[]),
    );
    let outcome = x(&backend).await.unwrap_err();
    let expected = "Configuration: no credentials for Vault's aws login: ";
    assert!(outcome.starts_with(expected), "{outcome}");
    assert_eq!(vault.seen.lines(), Vec::<String>::new());
}

/// An STS that lends the key above to whoever asks for the role.
async fn sts() -> Served {
    Served::by(|request: &Request| {
        assert!(request.body.contains("Action=AssumeRole&"), "{request:?}");
        assert!(
            request.body.contains("RoleSessionName=airflow-session"),
            "{request:?}"
        );
        Answer::new(
            200,
            format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleResult><Credentials><AccessKeyId>{KEY_ID}</AccessKeyId>\
                 <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
                 </AssumeRoleResponse>"
            ),
        )
    })
    .await
}

fn variables(all: &[(&str, &str)]) -> Variables {
    let all = all.iter();
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn the_login_is_that_of_airflow() {
    let (sts, vault) = (sts().await, vault(is_genuine).await);
    let chain = [
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", TOKEN),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
    ];
    let key = json!({"key_id": KEY_ID, "secret_id": SECRET});
    let role = json!({"RoleArn": ROLE, "RoleSessionName": "airflow-session"});
    let mut cases = Vec::new();
    for (credentials, more) in [
        (&key, json!({"role_id": "airflow"})),
        (
            &key,
            json!({"role_id": "airflow", "region": "eu-central-1"}),
        ),
        (&key, json!({"auth_mount_point": "clouds/aws"})),
        (&key, json!({"assume_role_kwargs": role})),
        (&json!({}), json!({"role_id": "airflow"})),
        (&json!({}), json!({"region": "eu-north-1"})),
        (
            &json!({}),
            json!({"assume_role_kwargs": role, "role_id": "airflow"}),
        ),
        (
            &json!({}),
            json!({"assume_role_kwargs": role, "region": "eu-north-1"}),
        ),
    ] {
        let mut case = json!({"auth_type": "aws_iam"});
        for arguments in [credentials, &more] {
            let arguments = arguments.as_object().unwrap().clone();
            case.as_object_mut().unwrap().extend(arguments);
        }
        cases.push(case);
    }
    let [theirs, ours] = side_by_side(&vault, &cases, &variables(&chain)).await;
    let all_found = vec![json!("v"); cases.len()];
    assert_eq!((&theirs.0, &ours.0), (&all_found, &all_found));
    let comparable = |requests: &[Request]| {
        let logins = logins(requests).into_iter().map(|(path, body)| {
            let request = SignedRequest::of(&body).without_time_and_signature();
            (path, request, body["role"].clone())
        });
        logins.collect::<Vec<_>>()
    };
    assert_eq!(comparable(&ours.1), comparable(&theirs.1));
    assert_eq!(comparable(&ours.1).len(), cases.len());
}

#[tokio::test]
async fn a_role_is_assumed_anew_at_each_login() {
    let (sts, vault) = (sts().await, vault(is_genuine).await);
    let variables = environment(&[
        ("AWS_ACCESS_KEY_ID", "AKIAOFTHEMACHINE0001"),
        ("AWS_SECRET_ACCESS_KEY", "MARKER-of-the-machine"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
    ]);
    let kwargs = json!({
        "auth_type": "aws_iam",
        "assume_role_kwargs": {"RoleArn": ROLE, "RoleSessionName": "airflow-session"},
    });
    for logins in 1..=2 {
        let backend = from_kwargs(&vault.url, &kwargs, &variables);
        assert_eq!(x(&backend).await, Ok("v".into()));
        assert_eq!(sts.seen.lines().len(), logins);
    }
    assert_eq!(region(&vault), "eu-west-1");
}
