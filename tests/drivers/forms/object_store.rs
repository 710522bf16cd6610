//! `object_store`'s builders: each name is an option of theirs, and each value is kept.

use std::{collections::BTreeMap, str::FromStr};

use airflow_secrets::{
    Connection,
    clients::{ClientError, Pairs},
};
use object_store::{
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
};
use proptest::{prop_assert_eq, test_runner::TestCaseError};
use serde_json::json;

use crate::any::{fields, property, text};

/// Asserts that each pair is an option of the builder's, whose value `read` gives back.
fn assert_reads<K: FromStr<Err: std::fmt::Debug>>(
    pairs: &Pairs,
    read: impl FnOnce(&[(K, &str)]) -> Vec<Option<String>>,
) -> Result<(), TestCaseError> {
    let options = pairs
        .iter()
        .map(|(name, value)| (name.parse::<K>().unwrap(), value));
    let read = read(&options.collect::<Vec<_>>());
    let expected = pairs.iter().map(|(_, value)| Some(value.to_owned()));
    prop_assert_eq!(read, expected.collect::<Vec<_>>());
    Ok(())
}

/// What a builder holds of each option that it was given.
macro_rules! held {
    ($name:ident, $builder:ty, $key:ty) => {
        fn $name(options: &[($key, &str)]) -> Vec<Option<String>> {
            let builder = options
                .iter()
                .fold(<$builder>::new(), |builder, (key, value)| {
                    builder.with_config(*key, *value)
                });
            let held = options.iter().map(|(key, _)| builder.get_config_value(key));
            held.collect()
        }
    };
}

held!(aws, AmazonS3Builder, AmazonS3ConfigKey);
held!(google, GoogleCloudStorageBuilder, GoogleConfigKey);
held!(azure, MicrosoftAzureBuilder, AzureConfigKey);

fn map(pairs: &Pairs) -> BTreeMap<&str, &str> {
    pairs.iter().collect()
}

fn of(kind: &str, login: &str, password: &str, extra: &serde_json::Value) -> Connection {
    let connection = Connection::builder("store")
        .conn_type(kind)
        .extra(extra.to_string());
    connection.login(login).password(password).build().unwrap()
}

#[test]
fn object_store_reads_any_keys_of_aws() {
    property((fields(), text(), text()), |(fields, token, region)| {
        let extra = json!({"aws_session_token": token, "region_name": region});
        let connection = fields.connection("aws", extra.as_object().unwrap());
        let Ok(pairs) = connection.aws_s3().and_then(|client| client.object_store()) else {
            return Ok(false);
        };
        let is_pair = [&fields.login, &fields.password]
            .iter()
            .all(|text| text.as_ref().is_some_and(|text| !text.is_empty()));
        if is_pair {
            prop_assert_eq!(pairs.get("aws_access_key_id"), fields.login.as_deref());
            prop_assert_eq!(
                pairs.get("aws_secret_access_key"),
                fields.password.as_deref()
            );
            prop_assert_eq!(pairs.get("aws_session_token").unwrap_or_default(), token);
        }
        prop_assert_eq!(pairs.get("aws_region").unwrap_or_default(), region);
        assert_reads(&pairs, aws)?;
        Ok(true)
    });
}

#[test]
fn object_store_reads_each_option_of_aws() {
    let extra = json!({
        "aws_session_token": "token",
        "region_name": "eu-west-1",
        "endpoint_url": "http://127.0.0.1:5000",
        "verify": false,
        "config_kwargs": {"signature_version": "unsigned"},
    });
    let pairs = of("aws", "id", "key", &extra)
        .aws_s3()
        .unwrap()
        .object_store()
        .unwrap();
    assert_reads(&pairs, aws).unwrap();
    let expected = [
        ("allow_invalid_certificates", "true"),
        ("aws_access_key_id", "id"),
        ("aws_allow_http", "true"),
        ("aws_endpoint", "http://127.0.0.1:5000"),
        ("aws_region", "eu-west-1"),
        ("aws_secret_access_key", "key"),
        ("aws_session_token", "token"),
        ("aws_skip_signature", "true"),
    ];
    assert_eq!(map(&pairs), BTreeMap::from(expected));
    let extra = json!({"config_kwargs": {"s3": {"addressing_style": "virtual"}}});
    let pairs = of("aws", "id", "key", &extra)
        .aws_s3()
        .unwrap()
        .object_store()
        .unwrap();
    assert_reads(&pairs, aws).unwrap();
    assert_eq!(pairs.get("aws_virtual_hosted_style_request"), Some("true"));
}

/// Its virtual-hosted requests to an endpoint of one's own want the bucket in the endpoint's host.
#[test]
fn an_endpoint_of_ones_own_is_asked_by_path() {
    let extra = json!({
        "endpoint_url": "https://s3.example.com",
        "config_kwargs": {"s3": {"addressing_style": "virtual"}},
    });
    let pairs = of("aws", "id", "key", &extra)
        .aws_s3()
        .unwrap()
        .object_store()
        .unwrap();
    assert_eq!(pairs.get("aws_virtual_hosted_style_request"), None);
    assert_eq!(pairs.left_out(), ["config_kwargs.s3.addressing_style"]);
}

#[test]
fn object_store_reads_each_option_of_google() {
    let made = |extra: &serde_json::Value| -> Result<Pairs, ClientError> {
        of("google_cloud_platform", "", "", extra)
            .google()?
            .object_store()
    };
    let private_key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let key = json!({
        "type": "service_account",
        "private_key": private_key,
        "client_email": "e",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    for (extra, option) in [
        (json!({"key_path": "/k \"ü.json"}), "google_service_account"),
        (json!({"keyfile_dict": key}), "google_service_account_key"),
        (json!({"is_anonymous": true}), "google_skip_signature"),
        (
            json!({"credential_config_file": "/c.json"}),
            "google_application_credentials",
        ),
    ] {
        let pairs = made(&extra).unwrap();
        assert_eq!(
            pairs.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            [option]
        );
        assert_reads(&pairs, google).unwrap();
    }
    assert_eq!(
        made(&json!({"key_path": "/k \"ü.json"}))
            .unwrap()
            .get("google_service_account"),
        Some("/k \"ü.json")
    );
    let read = made(&json!({"keyfile_dict": key})).unwrap();
    let read = read.get("google_service_account_key").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(read).unwrap(),
        key
    );
}

#[test]
fn object_store_reads_any_key_of_azure() {
    property((text(), text()), |(key, other)| {
        let extra = json!({"shared_access_key": key});
        let connection = of("wasb", "account", &other, &extra);
        let pairs = connection.azure_blob().unwrap().object_store().unwrap();
        let expected = if key.is_empty() { other } else { key };
        prop_assert_eq!(pairs.get("azure_storage_account_name"), Some("account"));
        prop_assert_eq!(
            pairs.get("azure_storage_account_key").unwrap_or_default(),
            expected
        );
        assert_reads(&pairs, azure)?;
        Ok(true)
    });
}

#[test]
fn object_store_reads_each_option_of_azure() {
    let emulator = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;";
    for (extra, expected) in [
        (
            json!({}),
            vec![
                ("azure_storage_account_key", "password"),
                ("azure_storage_account_name", "account"),
            ],
        ),
        (
            json!({"tenant_id": "tenant"}),
            vec![
                ("azure_storage_account_name", "account"),
                ("azure_storage_client_id", "account"),
                ("azure_storage_client_secret", "password"),
                ("azure_storage_tenant_id", "tenant"),
            ],
        ),
        (
            json!({"tenant_id": "tenant", "client_secret_auth_config": {"authority": "https://login.example.com"}}),
            vec![
                ("azure_storage_account_name", "account"),
                ("azure_storage_authority_host", "https://login.example.com"),
                ("azure_storage_client_id", "account"),
                ("azure_storage_client_secret", "password"),
                ("azure_storage_tenant_id", "tenant"),
            ],
        ),
        (
            json!({"sas_token": "?sv=1&sig=a%2Bb"}),
            vec![
                ("azure_storage_account_name", "account"),
                ("azure_storage_sas_key", "sv=1&sig=a%2Bb"),
            ],
        ),
        (
            json!({"sas_token": "https://account.blob.core.windows.net/?sv=1&sig=a%2Bb"}),
            vec![
                ("azure_storage_account_name", "account"),
                ("azure_storage_sas_key", "sv=1&sig=a%2Bb"),
            ],
        ),
        (
            json!({"connection_string": emulator}),
            vec![
                ("azure_allow_http", "true"),
                ("azure_storage_account_key", "a2V5"),
                ("azure_storage_account_name", "devstoreaccount1"),
                (
                    "azure_storage_endpoint",
                    "http://127.0.0.1:10000/devstoreaccount1",
                ),
            ],
        ),
    ] {
        let client = of("wasb", "account", "password", &extra)
            .azure_blob()
            .unwrap();
        let pairs = client.object_store().unwrap();
        assert_eq!(map(&pairs), BTreeMap::from_iter(expected), "{extra}");
        assert_reads(&pairs, azure).unwrap();
    }
}
