//! Answers that no service gives: they are not read to their end, no parser sees them, and nobody is
//! asked again.

use std::time::Duration;

use airflow_secrets::{
    SecretsBackend,
    backend::LookupOptions,
    backends::{
        HttpOptions, RetryOptions,
        aws::{SecretsManagerBackend, SystemsManagerParameterStoreBackend},
    },
};
use serde_json::json;

use crate::{
    credentials::FAR,
    environment,
    faults::quick,
    outcome,
    profiles::home,
    support::{
        hostile::{ATTACKS, Attack, Hostile},
        wire::{Answer, Queued},
    },
};

/// Within which a slow answer is not waited for.
const TIMEOUT: Duration = Duration::from_secs(2);

fn assert_bounded(attack: Attack, whom: &str, server: &Hostile, outcome: Result<String, String>) {
    let outcome = server.assert_bounded(attack, whom, outcome);
    let is_slow = attack == Attack::SlowBody;
    assert!(!is_slow || outcome.contains("in time"), "{whom}: {outcome}");
}

#[tokio::test]
async fn the_services_are_not_read_without_end() {
    for attack in ATTACKS {
        let http = HttpOptions::new().with_timeout(TIMEOUT);
        let server = Hostile::with(attack).await;
        let backend = quick(&server.url).http(http.clone()).build().unwrap();
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        assert_bounded(attack, "Secrets Manager", &server, outcome(found));
        let server = Hostile::with(attack).await;
        let backend = SystemsManagerParameterStoreBackend::builder()
            .environment(&environment(&[]))
            .endpoint_url(server.url.as_str())
            .http(http)
            .retries(RetryOptions::new().with_first_pause(Duration::from_millis(1)));
        let backend = backend.build().unwrap();
        let found = backend
            .get_variables(&["x", "y"], &LookupOptions::new())
            .await;
        let [found, _] = <[_; 2]>::try_from(found).unwrap();
        assert_bounded(attack, "the Parameter Store", &server, outcome(found));
    }
}

#[tokio::test]
async fn sources_of_credentials_are_not_read_without_end() {
    let home = home(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\n\
         [profile keys]\naws_access_key_id = ASIA\naws_secret_access_key = s\n\
         [profile sso]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n\
         [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://portal.test\n",
        "",
    );
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let token = json!({"accessToken": "t", "expiresAt": FAR});
    // The name is the SHA-1 hash of `s`.
    let file = cache.join("a0f1490a20d0211c997b44bc357e1972deab8ae3.json");
    std::fs::write(file, token.to_string()).unwrap();
    let home = ("HOME", home.path().to_str().unwrap());
    for attack in ATTACKS {
        let server = Hostile::with(attack).await;
        let url = server.url.as_str();
        for (whom, variables) in [
            (
                "STS",
                vec![("AWS_PROFILE", "role"), ("AWS_ENDPOINT_URL_STS", url)],
            ),
            (
                "SSO",
                vec![("AWS_PROFILE", "sso"), ("AWS_ENDPOINT_URL_SSO", url)],
            ),
            (
                "a container",
                vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)],
            ),
        ] {
            let server = Hostile::with(attack).await;
            let variables = variables.iter().map(|(name, value)| {
                (
                    *name,
                    if *value == url {
                        server.url.as_str()
                    } else {
                        value
                    },
                )
            });
            let variables = [home, ("AWS_ACCESS_KEY_ID", "")]
                .into_iter()
                .chain(variables);
            let variables = variables.collect::<Vec<_>>();
            let backend = SecretsManagerBackend::builder()
                .environment(&environment(&variables))
                .http(HttpOptions::new().with_timeout(TIMEOUT))
                .retries(RetryOptions::new().with_first_pause(Duration::from_millis(1)));
            let backend = backend.build().unwrap();
            let found = backend.get_variable("x", &LookupOptions::new()).await;
            assert_bounded(attack, whom, &server, outcome(found));
        }
    }
}

#[tokio::test]
async fn what_is_deep_in_a_member_that_nobody_reads_or_in_an_error_is_not_parsed() {
    let deep = "[".repeat(1_000_000);
    for (status, body) in [
        (200, format!(r#"{{"SecretString": "v", "Other": {deep}"#)),
        (
            400,
            format!(r#"{{"__type": "ResourceNotFoundException", "Other": {deep}"#),
        ),
        (500, deep),
    ] {
        let server = Queued::with(vec![Answer::new(status, body); 3]).await;
        let backend = quick(&server.url).build().unwrap();
        let found = backend.get_variable("x", &LookupOptions::new()).await;
        let expected = format!(
            "Unavailable: not an answer of Secrets Manager at {} (the answer nests deeper than 128 \
             levels): check the endpoint and the proxy (AWS-14)",
            server.url
        );
        assert_eq!(outcome(found), Err(expected));
        assert_eq!(server.seen.all().len(), 1);
    }
}

#[tokio::test]
async fn deep_xml_of_sts_ends_nothing() {
    let (open, close) = ("<a>".repeat(200_000), "</a>".repeat(200_000));
    for body in [
        format!("<AssumeRoleResponse><AssumeRoleResult>{open}{close}"),
        format!("<AssumeRoleResponse><AssumeRoleResult><Credentials>{open}"),
        format!("<ErrorResponse><Error>{open}{close}</Error></ErrorResponse>"),
    ] {
        let status = if body.starts_with("<E") { 400 } else { 200 };
        let sts = Queued::with(vec![Answer::new(status, body); 3]).await;
        let variables = [("AWS_ENDPOINT_URL_STS", sts.url.as_str())];
        let role =
            airflow_secrets::backends::aws::AssumeRole::new("arn:aws:iam::123456789012:role/r");
        let keys = airflow_secrets::backends::aws::AwsCredential::access_key("AKIA", "s", None);
        let backend = SecretsManagerBackend::builder()
            .environment(&environment(&variables))
            .credential(keys.assume_role(role))
            .build()
            .unwrap();
        let found = outcome(backend.get_variable("x", &LookupOptions::new()).await);
        let error = found.unwrap_err();
        assert!(error.starts_with("Unavailable: "), "{error}");
    }
}
