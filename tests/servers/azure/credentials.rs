//! Each way to come by a token, checked by the authority that gives it.

use airflow_secrets::backends::azure::AzureCredential;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::{
    builder,
    support::{
        https::Reply,
        key_vault::Azure,
        token_authority::{
            CLIENT, CLIENT_SECRET, IDENTITY_HEADER, SUBJECT, TENANT, USER_ASSIGNED, certificate,
            federated_token, now, users_token,
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
    let with_chain = [
        &variables[..],
        &[("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "1")],
    ]
    .concat();
    assert_eq!(lookup(&azure, &with_chain).await, blue());
    let headers = azure.authority.requests().into_iter().map(|request| {
        let assertion = request.form()["client_assertion"].clone();
        let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap());
        serde_json::from_slice::<serde_json::Value>(&header.unwrap()).unwrap()
    });
    let headers = headers.collect::<Vec<_>>();
    assert_eq!(headers[0]["alg"], "PS256");
    assert!(headers[0]["x5c"].is_null());
    let pem = certificate(false);
    let der = pem.split("-----").nth(2).unwrap().replace(['\r', '\n'], "");
    assert_eq!(headers[1]["x5c"], serde_json::json!([der]));
}

#[tokio::test]
async fn a_certificates_key_may_be_in_its_older_form() {
    let azure = azure();
    let pem = certificate(false);
    let (certificate, key) = pem.split_at(pem.find("-----BEGIN PRIVATE").unwrap());
    let key = key.split("-----").nth(2).unwrap().replace(['\r', '\n'], "");
    let pkcs8 = STANDARD.decode(key).unwrap();
    // What stands before an RSA key of 2048 bits in PKCS #8 is always as long.
    let pkcs1 = STANDARD.encode(&pkcs8[26..]);
    let pem = format!(
        "{certificate}-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n"
    );
    let path = azure.file("client.pem", &pem);
    let vault = builder(&azure.environment(&[]))
        .credential(AzureCredential::client_certificate(TENANT, CLIENT, path))
        .build()
        .unwrap();
    assert_eq!(variable(&vault, "colour").await, blue());
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

#[tokio::test]
async fn a_metadata_service_that_is_busy_is_asked_again() {
    let azure = azure();
    let busy = |status| Reply::json(status, &serde_json::json!({"error": "MARKER"}));
    azure
        .authority
        .answer_first([busy(429), busy(410), busy(500)]);
    let imds = format!("http://{}", azure.address);
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds.as_str())];
    assert_eq!(lookup(&azure, &variables).await, blue());
    assert_eq!(azure.authority.requests().len(), 4);
}

#[tokio::test]
async fn the_authority_is_the_one_that_is_named() {
    let azure = azure();
    let principal = azure.environment(&Azure::principal());
    let host = "login.microsoftonline.com";
    for named in [host, &format!("https://{host}/")] {
        let vault = builder(&principal).authority_host(named).build().unwrap();
        assert_eq!(variable(&vault, "colour").await, blue(), "{named}");
    }
    let elsewhere = "elsewhere.vault.azure.net";
    let from_code = builder(&principal).authority_host(elsewhere).build();
    let message = variable(&from_code.unwrap(), "colour").await.unwrap_err();
    assert!(message.contains(elsewhere), "{message}");
    let variables = [
        &Azure::principal()[..],
        &[("AZURE_AUTHORITY_HOST", elsewhere)],
    ]
    .concat();
    let message = lookup(&azure, &variables).await.unwrap_err();
    assert!(message.contains(elsewhere), "{message}");
}

/// A folder with a tool that writes `output`.
pub(crate) fn tool(azure: &Azure, name: &str, output: &str) -> String {
    let folder = azure.folder.path().join(format!("bin-{name}"));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, format!("#!/bin/sh\necho '{output}'\n")).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

#[tokio::test]
async fn the_tools_of_a_developer_give_their_users_token() {
    let azure = azure();
    let token = users_token();
    let az = serde_json::json!({
        "accessToken": token, "expires_on": now() + 3600, "tokenType": "Bearer",
    });
    let azd = serde_json::json!({"token": token, "expiresOn": "2199-01-01T00:00:00Z"});
    for (name, output) in [("az", az), ("azd", azd)] {
        let path = tool(&azure, name, &output.to_string());
        assert_eq!(lookup(&azure, &[("PATH", &path)]).await, blue(), "{name}");
        let production = [("PATH", path.as_str()), ("AZURE_TOKEN_CREDENTIALS", "prod")];
        let outcome = lookup(&azure, &production).await.unwrap_err();
        assert!(!outcome.contains("Azure CLI"), "{outcome}");
    }
    let silent = tool(&azure, "silent", "nothing");
    std::fs::rename(format!("{silent}/silent"), format!("{silent}/az")).unwrap();
    let outcome = lookup(&azure, &[("PATH", &silent)]).await.unwrap_err();
    assert!(
        outcome.contains("Azure CLI: gave no token: run `az login`"),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_token_that_ends_soon_or_is_refused_is_replaced() {
    let azure = azure();
    azure.authority.token_life(200);
    let vault = crate::reader(&azure);
    for _ in 0..10 {
        assert_eq!(variable(&vault, "colour").await, blue());
    }
    // Near its end, but new: it is not asked for again at each lookup.
    assert_eq!(azure.authority.tokens_given(), 1);

    // Past its end.
    azure.authority.token_life(-1);
    let vault = crate::reader(&azure);
    let refused = variable(&vault, "colour").await.unwrap_err();
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
    azure.authority.token_life(3600);
    assert_eq!(variable(&vault, "colour").await, blue());
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_it_is_not_new_any_more() {
    let azure = azure();
    let vault = crate::reader(&azure);
    assert_eq!(variable(&vault, "colour").await, blue());
    azure.vault.revoke_tokens();
    let refused = variable(&vault, "colour").await.unwrap_err();
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
    assert_eq!(azure.authority.tokens_given(), 1);

    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    tokio::time::resume();
    // A second token of the same second is the same text, unless it lives longer.
    azure.authority.token_life(3000);
    assert_eq!(variable(&vault, "colour").await, blue());
    assert_eq!(azure.authority.tokens_given(), 2);
}
