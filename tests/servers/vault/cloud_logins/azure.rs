//! `azure`, with tokens of the token authority and the metadata services.

use std::collections::BTreeSet;

use airflow_secrets::backends::{azure::AzureCredential, vault::VaultCredential};
use serde_json::{Value, json};

use crate::{
    backend, bodies, from_kwargs, side_by_side,
    support::{
        key_vault::Azure,
        served::Served,
        token_authority::{
            CLIENT, CLIENT_SECRET, IDENTITY_HEADER, SUBSCRIPTION, TENANT, USER_ASSIGNED, claims,
        },
    },
    vault, x,
};

const RESOURCE: &str = "https://management.azure.com/";

/// Whether the token is genuine and for what Vault's configuration names.
fn is_genuine(login: &Value) -> bool {
    let claims = claims(login["jwt"].as_str().unwrap());
    login["role"] == "airflow" && claims.is_some_and(|claims| claims["aud"] == RESOURCE)
}

fn login(credential: AzureCredential) -> VaultCredential {
    VaultCredential::azure("airflow", RESOURCE, credential)
}

/// The one login that was seen, and the claims of its token in place of that.
fn sent(vault: &Served) -> (Value, Value) {
    let mut bodies = bodies(vault);
    assert_eq!(bodies.len(), 1);
    let mut body = bodies.remove(0);
    let token = body.as_object_mut().unwrap().remove("jwt").unwrap();
    (body, claims(token.as_str().unwrap()).unwrap())
}

#[tokio::test]
async fn a_virtual_machine_sends_its_token_and_its_names() {
    let (azure, vault) = (Azure::start(), vault(is_genuine).await);
    let host = format!("http://{}", azure.address);
    for (more, client) in [
        (None, "system-assigned"),
        (Some(("AZURE_CLIENT_ID", USER_ASSIGNED)), USER_ASSIGNED),
    ] {
        let mut variables = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*host)];
        variables.extend(more);
        let environment = azure.environment(&variables);
        vault.seen.clear();
        let backend = backend(
            &vault.url,
            login(AzureCredential::default_chain()),
            &environment,
        );
        assert_eq!(x(&backend).await, Ok("v".into()));
        assert_eq!(vault.seen.lines()[0], "POST /v1/auth/azure/login");
        let (body, claims) = sent(&vault);
        assert_eq!(
            body,
            json!({
                "role": "airflow", "subscription_id": SUBSCRIPTION,
                "resource_group_name": "airflow-group", "vm_name": "worker-0",
            })
        );
        assert_eq!(
            claims["appid"].as_str().or(claims["azp"].as_str()),
            Some(client),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn an_app_has_no_machine_to_name() {
    let (azure, vault) = (Azure::start(), vault(is_genuine).await);
    let endpoint = format!("http://{}/msi/token", azure.address);
    let environment = azure.environment(&[
        ("IDENTITY_ENDPOINT", &endpoint),
        ("IDENTITY_HEADER", IDENTITY_HEADER),
    ]);
    let backend = backend(
        &vault.url,
        login(AzureCredential::default_chain()),
        &environment,
    );
    assert_eq!(x(&backend).await, Ok("v".into()));
    assert_eq!(sent(&vault).0, json!({"role": "airflow"}));
}

#[tokio::test]
async fn a_service_principal_logs_in_from_code_and_from_settings() {
    let (azure, vault) = (Azure::start(), vault(is_genuine).await);
    let environment = azure.environment(&[]);
    let credential = AzureCredential::client_secret(TENANT, CLIENT, CLIENT_SECRET);
    let from_code = login(credential).mounted_at("clouds/azure");
    let kwargs = json!({
        "auth_type": "azure", "auth_mount_point": "clouds/azure", "role_id": "airflow",
        "azure_resource": RESOURCE, "azure_tenant_id": TENANT, "key_id": CLIENT,
        "secret_id": CLIENT_SECRET,
    });
    for backend in [
        backend(&vault.url, from_code, &environment),
        from_kwargs(&vault.url, &kwargs, &environment),
    ] {
        vault.seen.clear();
        assert_eq!(x(&backend).await, Ok("v".into()));
        assert_eq!(sent(&vault).0, json!({"role": "airflow"}));
    }
    assert_eq!(azure.authority.tokens_given(), 2);
    assert_eq!(vault.seen.lines()[0], "POST /v1/auth/clouds/azure/login");
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let (azure, vault) = (Azure::start(), vault(is_genuine).await);
    let credential = AzureCredential::client_secret(TENANT, CLIENT, CLIENT_SECRET);
    let login = VaultCredential::azure("airflow", "https://other.example", credential);
    let outcome = x(&backend(&vault.url, login, &azure.environment(&[]))).await;
    let expected = "AccessDenied: the login at auth/azure was refused: check role_id, that the role \
                    binds this identity, and azure_resource";
    assert!(
        outcome.as_ref().unwrap_err().contains(expected),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let (azure, vault) = (Azure::start(), vault(is_genuine).await);
    let credential = AzureCredential::client_secret(TENANT, CLIENT, "MARKER-wrong");
    let outcome = x(&backend(
        &vault.url,
        login(credential),
        &azure.environment(&[]),
    ))
    .await;
    let outcome = outcome.unwrap_err();
    let expected = "AccessDenied: no credentials for Vault's azure login: ";
    assert!(
        outcome.starts_with(expected) && outcome.contains("AADSTS7000215"),
        "{outcome}"
    );
    assert_eq!(vault.seen.lines(), Vec::<String>::new());
}

/// Airflow only writes Vault's configuration, which a worker has no business with.
#[tokio::test]
async fn airflow_never_logs_in() {
    let (azure, vault) = (Azure::start(), vault(is_genuine).await);
    let kwargs = json!({
        "auth_type": "azure", "role_id": "airflow", "azure_resource": RESOURCE,
        "azure_tenant_id": TENANT, "key_id": CLIENT, "secret_id": CLIENT_SECRET,
    });
    let [theirs, ours] = side_by_side(&vault, &[kwargs], &azure.reach()).await;
    assert_eq!((theirs.0, ours.0), (vec![Value::Null], vec![json!("v")]));
    let lines = theirs
        .1
        .iter()
        .map(|request| format!("{} {}", request.method, request.path));
    let lines = lines.collect::<BTreeSet<_>>();
    let config = "POST /v1/auth/azure/config".to_owned();
    assert_eq!(lines, BTreeSet::from([config]));
}
