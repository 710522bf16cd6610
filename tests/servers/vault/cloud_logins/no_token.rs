//! An answer without a token is a failed login, whichever cloud vouched for it.

use airflow_secrets::backends::{
    aws::AwsCredential,
    azure::AzureCredential,
    gcp::GcpCredential,
    vault::{AwsIamLogin, VaultCredential},
};
use serde_json::json;

use crate::{
    backend,
    support::{
        google::key_file,
        key_vault::Azure,
        served::Served,
        token_authority::{CLIENT, CLIENT_SECRET, TENANT},
        wire::Answer,
    },
    x,
};

#[tokio::test]
async fn an_empty_token_is_a_failed_login_and_mfa_is_named() {
    let azure = Azure::start();
    let environment = azure.environment(&[("HOME", "/nowhere")]);
    for login in [
        VaultCredential::aws_iam(AwsIamLogin::new(AwsCredential::access_key(
            "AKIAVAULTLOGINS00001",
            "secret",
            None,
        ))),
        VaultCredential::azure(
            "airflow",
            "https://management.azure.com/",
            AzureCredential::client_secret(TENANT, CLIENT, CLIENT_SECRET),
        ),
        VaultCredential::gcp("airflow", GcpCredential::key(key_file().to_string())),
    ] {
        for (auth, said) in [
            (json!({"client_token": ""}), "Vault gave an empty token"),
            (
                json!({"client_token": "", "mfa_requirement": {"mfa_request_id": "1"}}),
                "multi-factor authentication (MFA)",
            ),
        ] {
            let answer = json!({ "auth": auth }).to_string();
            let vault = Served::by(move |_| Answer::new(200, &*answer)).await;
            let outcome = x(&backend(&vault.url, login.clone(), &environment)).await;
            let outcome = outcome.unwrap_err();
            assert!(
                outcome.starts_with("AccessDenied: ") && outcome.contains(said),
                "{login:?}: {outcome}"
            );
            assert_eq!(vault.seen.lines().len(), 1, "{login:?}");
        }
    }
}
