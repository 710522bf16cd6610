//! Each way to come by a token, checked by the authority that gives it.

use airflow_secrets::backends::azure::AzureCredential;

use crate::{
    builder,
    support::{
        key_vault::Azure,
        token_authority::{
            CLIENT, CLIENT_SECRET, IDENTITY_HEADER, SUBJECT, TENANT, USER_ASSIGNED, certificate,
            federated_token,
        },
    },
    variable,
};

fn azure() -> Azure {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    azure
}

/// What comes of a lookup in this environment.
async fn lookup(azure: &Azure, variables: &[(&str, &str)]) -> Result<String, String> {
    let environment = azure.environment(variables);
    let vault = builder(&environment).build().map_err(|e| e.to_string())?;
    variable(&vault, "colour").await
}

fn blue() -> Result<String, String> {
    Ok("blue".to_owned())
}

#[tokio::test]
async fn a_client_secret_of_the_environment_logs_in() {
    let azure = azure();
    assert_eq!(lookup(&azure, &Azure::principal()).await, blue());
}

#[tokio::test]
async fn a_client_secret_from_code_logs_in() {
    let azure = azure();
    let credential = AzureCredential::client_secret(TENANT, CLIENT, CLIENT_SECRET);
    let environment = azure.environment(&[]);
    let vault = builder(&environment)
        .credential(credential)
        .build()
        .unwrap();
    assert_eq!(variable(&vault, "colour").await, blue());
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_that_the_authority_verifies() {
    let azure = azure();
    let file = azure.file("client.pem", &certificate(false));
    let path = file.display().to_string();
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_CERTIFICATE_PATH", &path),
    ];
    assert_eq!(lookup(&azure, &variables).await, blue());
}

#[tokio::test]
async fn a_token_of_kubernetes_is_exchanged() {
    let azure = azure();
    let file = azure.file("token", &federated_token(SUBJECT));
    let path = file.display().to_string();
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_FEDERATED_TOKEN_FILE", &path),
    ];
    assert_eq!(lookup(&azure, &variables).await, blue());
}

#[tokio::test]
async fn app_service_gives_a_token_for_its_header() {
    let azure = azure();
    let endpoint = format!("http://{}/msi/token", azure.address);
    let variables = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", IDENTITY_HEADER),
    ];
    assert_eq!(lookup(&azure, &variables).await, blue());
    let user_assigned = [&variables[..], &[("AZURE_CLIENT_ID", USER_ASSIGNED)]].concat();
    assert_eq!(lookup(&azure, &user_assigned).await, blue());
    let requests = azure.authority.requests();
    assert_eq!(requests[1].parameter("client_id"), USER_ASSIGNED);
}

#[tokio::test]
async fn imds_gives_a_token_for_its_header() {
    let azure = azure();
    let imds = format!("http://{}", azure.address);
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds.as_str())];
    assert_eq!(lookup(&azure, &variables).await, blue());
    let user_assigned = [&variables[..], &[("AZURE_CLIENT_ID", USER_ASSIGNED)]].concat();
    assert_eq!(lookup(&azure, &user_assigned).await, blue());
}
