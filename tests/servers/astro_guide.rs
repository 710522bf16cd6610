//! The `.env` files of Astro's guide to secrets backends, with values filled in, give the backends that
//! the guide tells of, with the settings that it gives them.

// A test may panic: so it fails.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../support"]
mod support {
    pub(crate) mod google;
    pub(crate) mod wire;
}

use airflow_secrets::{Environment, Resolver, settings::Settings};
use serde_json::{Value, json};
use support::google::key_file;

/// The first source, and the settings that it gets, where the project has this `.env` file.
async fn backend(dotenv: &str) -> (String, Value) {
    let process = Environment::from_iter([("AIRFLOW_HOME", "/nonexistent")]);
    let environment = process.with_dotenv(".env", dotenv).unwrap();
    let settings = Settings::load(&environment).unwrap();
    let kwargs = settings
        .resolve("secrets", "backend_kwargs", None)
        .await
        .unwrap();
    let kwargs = serde_json::from_str(kwargs.unwrap().value.expose()).unwrap();
    let resolver = Resolver::from_environment(environment).build().await;
    let resolver = resolver.unwrap();
    let mut names = resolver.sources().names();
    let first = names.next().unwrap().to_owned();
    assert_eq!(names.next(), Some("environment_variables"));
    (first, kwargs)
}

#[tokio::test]
async fn aws_secrets_manager() {
    let dotenv = r#"
AIRFLOW__SECRETS__BACKEND=airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend
AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables"}
AWS_DEFAULT_REGION=eu-north-1
AWS_ACCESS_KEY_ID=AKIAEXAMPLE # Make sure the user has the permission to access secret manager
AWS_SECRET_ACCESS_KEY=abc/def+ghi=
"#;
    let expected = json!({
        "connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables",
    });
    assert_eq!(
        backend(dotenv).await,
        ("aws_secrets_manager".to_owned(), expected)
    );
    let environment = Environment::default().with_dotenv(".env", dotenv).unwrap();
    assert_eq!(environment.get("AWS_ACCESS_KEY_ID"), Some("AKIAEXAMPLE"));
    assert_eq!(
        environment.get("AWS_SECRET_ACCESS_KEY"),
        Some("abc/def+ghi=")
    );
}

#[tokio::test]
async fn aws_parameter_store() {
    let dotenv = r#"
AIRFLOW__SECRETS__BACKEND=airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend
AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables",  "role_arn": "arn:aws:iam::123456789012:role/astro", "region_name": "eu-north-1"}
"#;
    let expected = json!({
        "connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables",
        "role_arn": "arn:aws:iam::123456789012:role/astro", "region_name": "eu-north-1",
    });
    assert_eq!(
        backend(dotenv).await,
        ("aws_parameter_store".to_owned(), expected)
    );
}

#[tokio::test]
async fn hashicorp_vault() {
    let dotenv = r#"
AIRFLOW__SECRETS__BACKEND=airflow.providers.hashicorp.secrets.vault.VaultBackend
AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_path": "connections", "variables_path": "variables",  "mount_point": "airflow", "url": "http://host.docker.internal:8200", "auth_type": "approle", "role_id":"astro_role", "secret_id":"0b1c-2d3e"}
"#;
    let expected = json!({
        "connections_path": "connections", "variables_path": "variables", "mount_point": "airflow",
        "url": "http://host.docker.internal:8200", "auth_type": "approle", "role_id": "astro_role",
        "secret_id": "0b1c-2d3e",
    });
    assert_eq!(backend(dotenv).await, ("vault".to_owned(), expected));
}

#[tokio::test]
async fn google_cloud_secret_manager() {
    let class = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend";
    let prefixes =
        r#""connections_prefix": "airflow-connections", "variables_prefix": "airflow-variables""#;
    let key = key_file();
    let as_text = json!(key.to_string());
    // The key in place, between quotes or not, and in a variable of its own.
    for (kwargs, expected) in [
        (
            format!(r#"{{{prefixes}, "gcp_keyfile_dict": {key}}}"#),
            &key,
        ),
        (
            format!(r#"'{{{prefixes}, "gcp_keyfile_dict": {key}}}'"#),
            &key,
        ),
        (
            format!(r#"{{{prefixes}, "gcp_keyfile_dict": {as_text}}}"#),
            &as_text,
        ),
        (
            format!(r#"{{{prefixes}, "gcp_keyfile_dict": $SECRET_VAR_SERVICE_ACCOUNT}}"#),
            &key,
        ),
        (
            format!(r#"'{{{prefixes}, "gcp_keyfile_dict": $SECRET_VAR_SERVICE_ACCOUNT}}'"#),
            &key,
        ),
    ] {
        let dotenv = format!(
            "SECRET_VAR_SERVICE_ACCOUNT='{key}'\nAIRFLOW__SECRETS__BACKEND={class}\n\
             AIRFLOW__SECRETS__BACKEND_KWARGS={kwargs}\n"
        );
        let expected = json!({
            "connections_prefix": "airflow-connections", "variables_prefix": "airflow-variables",
            "gcp_keyfile_dict": expected,
        });
        assert_eq!(
            backend(&dotenv).await,
            ("gcp_secret_manager".to_owned(), expected)
        );
    }
}

#[tokio::test]
async fn azure_key_vault() {
    let dotenv = r#"
AIRFLOW__SECRETS__BACKEND=airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend
AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_prefix": "airflow-connections", "variables_prefix": "airflow-variables", "vault_url": "https://astro.vault.azure.net/", "tenant_id": "11111111-2222-3333-4444-555555555555", "client_id": "66666666-7777-8888-9999-000000000000", "client_secret": "a~b.c-d"}
"#;
    let expected = json!({
        "connections_prefix": "airflow-connections", "variables_prefix": "airflow-variables",
        "vault_url": "https://astro.vault.azure.net/",
        "tenant_id": "11111111-2222-3333-4444-555555555555",
        "client_id": "66666666-7777-8888-9999-000000000000", "client_secret": "a~b.c-d",
    });
    assert_eq!(
        backend(dotenv).await,
        ("azure_key_vault".to_owned(), expected)
    );
}
