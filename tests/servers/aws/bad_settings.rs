//! Settings that cannot be used: each has its own words, and names what is wrong.

use airflow_secrets::backend::LookupOptions;
use serde_json::{Value, json};

use crate::{PARAMETER_STORE, SECRETS_MANAGER, environment, make, outcome};

const ORIGIN: &str = "AIRFLOW__SECRETS__BACKEND_KWARGS";

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "it is one table")]
async fn an_argument_that_can_never_work_is_an_error_that_names_it() {
    let role = |more: Value| {
        let mut kwargs = json!({"role_arn": "arn:aws:iam::123456789012:role/r"});
        for (name, value) in more.as_object().unwrap() {
            kwargs[name] = value.clone();
        }
        kwargs
    };
    let web = |more: Value| {
        let mut kwargs = role(json!({"assume_role_method": "assume_role_with_web_identity"}));
        for (name, value) in more.as_object().unwrap() {
            kwargs[name] = value.clone();
        }
        kwargs
    };
    for (kwargs, name, message) in [
        (
            json!({"connections_prefix": 5}),
            "connections_prefix",
            "must be a text or null",
        ),
        (
            json!({"variables_prefix": ["a"]}),
            "variables_prefix",
            "must be a text or null",
        ),
        (json!({"sep": 5}), "sep", "must be a text"),
        (
            json!({"connections_lookup_pattern": "(marker"}),
            "connections_lookup_pattern",
            "this pattern does not compile",
        ),
        (
            json!({"variables_lookup_pattern": "a\\z"}),
            "variables_lookup_pattern",
            "the escape \\z",
        ),
        (
            json!({"config_lookup_pattern": 5}),
            "config_lookup_pattern",
            "must be a text or null",
        ),
        (
            json!({"extra_conn_words": {"nope": ["a"]}}),
            "extra_conn_words",
            "a connection has no field \"nope\"; the fields are user, login, password",
        ),
        (
            json!({"extra_conn_words": ["a"]}),
            "extra_conn_words",
            "must be an object",
        ),
        (
            json!({"endpoint_url": "localhost:5000"}),
            "endpoint_url",
            "is not an endpoint; write it like",
        ),
        (
            json!({"endpoint_url": ""}),
            "endpoint_url",
            "is not an endpoint; write it like",
        ),
        (
            json!({"endpoint_url": "http://user:marker@host"}),
            "endpoint_url",
            "an endpoint must not contain a user name or a password (AWS-17)",
        ),
        (
            json!({"verify": ""}),
            "verify",
            "must be true, false, or the path",
        ),
        (
            json!({"api_version": "latest"}),
            "api_version",
            "the only version (AWS-1)",
        ),
        (
            json!({"region_name": 5}),
            "region_name",
            "must be a text or null",
        ),
        (
            json!({"aws_access_key_id": "AKIA"}),
            "aws_access_key_id",
            "must be set together (AWS-1)",
        ),
        (
            json!({"aws_session_token": "marker"}),
            "aws_session_token",
            "needs \"aws_access_key_id\"",
        ),
        (
            json!({"config_kwargs": "{}"}),
            "config_kwargs",
            "must be an object",
        ),
        (
            json!({"config_kwargs": {"foo": 1}}),
            "config_kwargs\" \"foo",
            "unknown argument; known arguments: connect_timeout, read_timeout, retries",
        ),
        (
            json!({"config_kwargs": {"connect_timeout": "3"}}),
            "config_kwargs\" \"connect_timeout",
            "must be a number of seconds",
        ),
        (
            json!({"config_kwargs": {"retries": {"mode": "x"}}}),
            "config_kwargs\" \"retries\" \"mode",
            "must be legacy, standard or adaptive",
        ),
        (
            json!({"config_kwargs": {"proxies": {"https": "socks5://marker"}}}),
            "config_kwargs\" \"proxies",
            "SOCKS proxies are not offered",
        ),
        (
            json!({"config_kwargs": {"proxies_config": {"proxy_use_forwarding_for_https": true}}}),
            "config_kwargs\" \"proxies_config\" \"proxy_use_forwarding_for_https",
            "is not supported, since the proxy would read the secrets: remove it, and a tunnel is used (AWS-4)",
        ),
        (
            json!({"config_kwargs": {"proxies_config": {"proxy_ca_bundle": 1}}}),
            "config_kwargs\" \"proxies_config\" \"proxy_ca_bundle",
            "must be a path",
        ),
        (
            json!({"config_kwargs": {"proxies_config": {"proxy_client_cert": ["marker"]}}}),
            "config_kwargs\" \"proxies_config\" \"proxy_client_cert",
            "must be the path of a PEM file with certificate and key, or a list of two paths: certificate, key",
        ),
        (
            json!({"config_kwargs": {"proxies_config": "marker"}}),
            "config_kwargs\" \"proxies_config",
            "must be an object",
        ),
        (
            role(json!({"assume_role_method": "assume_role_with_saml"})),
            "assume_role_method",
            "SAML is not supported",
        ),
        (
            role(json!({"assume_role_method": "other"})),
            "assume_role_method",
            "must be assume_role",
        ),
        (
            role(json!({"assume_role_kwargs": {"Nope": 1}})),
            "assume_role_kwargs\" \"Nope",
            "unknown argument; known arguments: RoleSessionName, DurationSeconds",
        ),
        (
            role(json!({"assume_role_kwargs": {"DurationSeconds": 60}})),
            "assume_role_kwargs\" \"DurationSeconds",
            "must be a whole number, 900 or more",
        ),
        (
            web(json!({})),
            "role_arn",
            "needs \"assume_role_with_web_identity_federation\": \"file\" or \"google\"",
        ),
        (
            web(json!({"assume_role_with_web_identity_federation": "file"})),
            "assume_role_with_web_identity_federation",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ),
        (
            web(json!({
                "assume_role_with_web_identity_federation": "google",
                "assume_role_kwargs": {"ExternalId": "abc"},
            })),
            "assume_role_kwargs\" \"ExternalId",
            "known arguments: RoleSessionName, DurationSeconds, Policy, PolicyArns, ProviderId",
        ),
    ] {
        let made = make(SECRETS_MANAGER, kwargs.clone(), &environment(&[]), false).await;
        let error = made
            .err()
            .unwrap_or_else(|| panic!("{kwargs} is taken"))
            .to_string();
        let start = format!("[secrets] backend_kwargs \"{name}\" ({ORIGIN}): ");
        assert!(error.starts_with(&start), "{error}");
        assert!(error.contains(message), "{error}");
        assert!(!error.contains("marker"), "{error}");
    }
}

#[tokio::test]
async fn what_airflow_passes_over_is_a_warning() {
    for (class, kwargs, warned) in [
        (
            SECRETS_MANAGER,
            json!({"full_url_mode": false}),
            "\"full_url_mode\"|Airflow removed it",
        ),
        (
            SECRETS_MANAGER,
            json!({"are_secret_values_urlencoded": true}),
            "\"are_secret_values_urlencoded\"|without percent-encoding",
        ),
        (
            SECRETS_MANAGER,
            json!({"profile": "x"}),
            "\"profile\"|\"profile_name\"",
        ),
        (
            PARAMETER_STORE,
            json!({"sep": "-"}),
            "\"sep\"|unknown argument",
        ),
        (
            PARAMETER_STORE,
            json!({"config_kwargs": {"signature_version": "v4"}}),
            "\"config_kwargs\" \"signature_version\"|is ignored: it has no effect here (AWS-2)",
        ),
        (
            PARAMETER_STORE,
            json!({"nope": "marker"}),
            "\"nope\"|known arguments: connections_prefix",
        ),
    ] {
        let made = make(class, kwargs, &environment(&[]), false).await;
        let warnings = made
            .unwrap()
            .1
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        for part in warned.split('|') {
            assert!(warnings[0].contains(part), "{warnings:?}");
        }
        assert!(!warnings[0].contains("marker"), "{warnings:?}");
    }
}

#[tokio::test]
async fn what_only_a_lookup_can_tell_is_that_lookups_failure() {
    let folder = tempfile::tempdir().unwrap();
    let aws = folder.path().join(".aws");
    std::fs::create_dir(&aws).unwrap();
    std::fs::write(aws.join("credentials"), "no profile file, marker").unwrap();
    let broken = folder.path().to_str().unwrap();
    let no_region = ("AWS_DEFAULT_REGION", "");
    let no_key = ("AWS_ACCESS_KEY_ID", "");
    let web = json!({
        "role_arn": "arn:aws:iam::123456789012:role/r",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": "/nowhere/token",
    });
    for (kwargs, variables, expected) in [
        (
            json!({}),
            vec![no_region],
            "the AWS region is not set: give \"region_name\"",
        ),
        (
            json!({"region_name": "eu west"}),
            vec![],
            "\"region_name\" (AIRFLOW__SECRETS__BACKEND_KWARGS): is not an AWS region",
        ),
        (
            json!({}),
            vec![no_key],
            "no AWS credentials were found: set \"aws_access_key_id\"",
        ),
        (
            json!({}),
            vec![("AWS_SECRET_ACCESS_KEY", "")],
            "AWS_ACCESS_KEY_ID is set in the environment, but AWS_SECRET_ACCESS_KEY is not",
        ),
        (
            json!({"profile_name": "nope"}),
            vec![],
            "\"profile_name\" (AIRFLOW__SECRETS__BACKEND_KWARGS): there is no AWS profile \"nope\"",
        ),
        (
            json!({}),
            vec![("AWS_PROFILE", "nope")],
            "AWS_PROFILE (the environment): there is no AWS profile \"nope\"",
        ),
        (
            json!({}),
            vec![("HOME", broken)],
            "/.aws/credentials, line 1: the line comes before the first [section]: put a section above it",
        ),
        (
            json!({}),
            vec![("AWS_ENDPOINT_URL_SECRETS_MANAGER", "nonsense")],
            "AWS_ENDPOINT_URL_SECRETS_MANAGER or AWS_ENDPOINT_URL",
        ),
        (json!({}), vec![("AWS_RETRY_MODE", "x")], "AWS_RETRY_MODE"),
        (
            json!({}),
            vec![("AWS_MAX_ATTEMPTS", "x")],
            "AWS_MAX_ATTEMPTS",
        ),
        (
            json!({}),
            vec![("AWS_MAX_ATTEMPTS", " 0 ")],
            "must be a number above 0",
        ),
        (
            json!({}),
            vec![no_key, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")],
            "but AWS_ROLE_ARN or role_arn is not",
        ),
        (
            web,
            vec![],
            "the web identity token file /nowhere/token cannot be read",
        ),
    ] {
        let made = make(SECRETS_MANAGER, kwargs, &environment(&variables), false).await;
        let (backend, _) = made.unwrap();
        let message = outcome(backend.get_variable("x", &LookupOptions::new()).await).unwrap_err();
        assert!(message.starts_with("Configuration: "), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("marker"), "{message}");
    }
}
