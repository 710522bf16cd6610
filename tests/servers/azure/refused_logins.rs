//! Why there is no token, each time with a message of its own.

use airflow_secrets::backends::azure::AzureCredential;
use futures_util::future::join_all;

use crate::{
    builder,
    faults::{azure, blue},
    reader,
    support::{
        https::Reply,
        key_vault::Azure,
        token_authority::{
            CLIENT, CLIENT_SECRET, EXPIRED_SECRET, OTHER_TENANT, TENANT, certificate,
            federated_token,
        },
    },
    variable,
};

/// What a lookup with this credential fails with.
async fn refusal(azure: &Azure, credential: AzureCredential) -> String {
    let vault = builder(&azure.environment(&[])).credential(credential);
    variable(&vault.build().unwrap(), "colour")
        .await
        .unwrap_err()
}

/// What a lookup in this environment fails with.
async fn refusal_in(azure: &Azure, variables: &[(&str, &str)]) -> String {
    let vault = builder(&azure.environment(variables)).build().unwrap();
    variable(&vault, "colour").await.unwrap_err()
}

fn secret(tenant: &str, client: &str, secret: &str) -> AzureCredential {
    AzureCredential::client_secret(tenant, client, secret)
}

#[tokio::test]
async fn each_refused_login_says_why() {
    let azure = azure();
    for (credential, expected) in [
        (
            secret(TENANT, CLIENT, "wrong"),
            "AccessDenied: the client secret gave no token: login.microsoftonline.com refused the token request (AADSTS7000215): the client secret is wrong",
        ),
        (
            secret(TENANT, CLIENT, EXPIRED_SECRET),
            "AccessDenied: the client secret gave no token: login.microsoftonline.com refused the token request (AADSTS7000222): the client secret has expired",
        ),
        (
            secret(TENANT, "unknown", CLIENT_SECRET),
            "AccessDenied: the client secret gave no token: login.microsoftonline.com refused the token request (AADSTS700016): the tenant has no application with this client id",
        ),
        (
            secret("unknown.example", CLIENT, CLIENT_SECRET),
            "AccessDenied: the client secret gave no token: login.microsoftonline.com refused the token request (AADSTS90002): the tenant does not exist",
        ),
        (
            secret("a b", CLIENT, CLIENT_SECRET),
            "Configuration: the client secret gave no token: the tenant id, client id or secret is empty",
        ),
    ] {
        let message = refusal(&azure, credential).await;
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test]
async fn each_code_of_the_authority_is_shown_with_its_meaning() {
    let azure = azure();
    for (code, meaning) in [
        (7_000_215, "the client secret is wrong"),
        (7_000_222, "the client secret has expired: create a new one"),
        (700_016, "the tenant has no application with this client id"),
        (90_002, "the tenant does not exist: check the tenant id"),
        (900_023, "the tenant does not exist: check the tenant id"),
        (
            500_011,
            "the tenant has no such resource: check that the vault belongs to this tenant's cloud",
        ),
        (
            700_024,
            "the assertion is not valid now: check the clock of this machine",
        ),
        (
            700_027,
            "the certificate is not registered with the application, or has expired",
        ),
        (50_027, "the assertion was refused"),
        (700_213, "no federated identity of the application matches"),
        (
            53_003,
            "a conditional-access policy of the tenant blocks it",
        ),
        (
            4_711,
            "check the tenant id, the client id and the credential",
        ),
    ] {
        let refusal_of_code = serde_json::json!({
            "error": "invalid_client", "error_codes": [code],
            "error_description": format!("AADSTS{code}: MARKER"),
        });
        azure
            .authority
            .answer_first([Reply::json(400, &refusal_of_code)]);
        let message = refusal(&azure, secret(TENANT, CLIENT, CLIENT_SECRET)).await;
        let expected = format!(
            "AccessDenied: the client secret gave no token: login.microsoftonline.com refused the \
             token request (AADSTS{code}): {meaning}"
        );
        assert!(message.starts_with(&expected), "{message}");
        assert!(!message.contains("MARKER"), "{message}");
    }
}

#[tokio::test]
async fn a_vault_of_another_tenant_says_so() {
    let azure = azure();
    azure.vault.trust(OTHER_TENANT);
    let message = refusal(&azure, secret(TENANT, CLIENT, CLIENT_SECRET)).await;
    assert!(
        message.starts_with(
            "AccessDenied: the Key Vault airflow-test.vault.azure.net belongs to another tenant"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn certificates_that_cannot_be_used_say_what_to_do() {
    let azure = azure();
    let good = certificate(false);
    let (certificate_alone, key) = good.split_at(good.find("-----BEGIN PRIVATE").unwrap());
    let encrypted = format!("{certificate_alone}-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n");
    let broken = key.replace("MII", "AAA");
    for (name, text, expected) in [
        (
            "pfx",
            "0\u{1}MARKER",
            "it is not a PEM file; convert a PFX file with `openssl pkcs12",
        ),
        ("encrypted", encrypted.as_str(), "its key is encrypted"),
        ("no-key", certificate_alone, "it contains no private key"),
        ("no-certificate", key, "it contains no certificate"),
        (
            "broken",
            &format!("{certificate_alone}{broken}"),
            "its private key is not a valid RSA key",
        ),
    ] {
        let path = azure.file(name, text);
        let credential = AzureCredential::client_certificate(TENANT, CLIENT, &path);
        let message = refusal(&azure, credential).await;
        let expected = format!(
            "Configuration: the client certificate gave no token: {} cannot be used as a client \
             certificate: {expected}",
            path.display()
        );
        assert!(message.starts_with(&expected), "{message}");
    }
    let absent = AzureCredential::client_certificate(TENANT, CLIENT, "/nowhere/client.pem");
    let message = refusal(&azure, absent).await;
    assert!(
        message.contains("/nowhere/client.pem cannot be used"),
        "{message}"
    );
    let path = azure.file("strange", &certificate(true));
    let message = refusal(
        &azure,
        AzureCredential::client_certificate(TENANT, CLIENT, path),
    )
    .await;
    assert!(
        message.contains("(AADSTS700027): the certificate is not registered"),
        "{message}"
    );
}

#[tokio::test]
async fn a_federated_token_that_is_not_there_or_not_trusted_says_so() {
    let azure = azure();
    let path = azure.file("token", &federated_token("system:serviceaccount:other:one"));
    let credential = AzureCredential::workload_identity(TENANT, CLIENT, path);
    let message = refusal(&azure, credential).await;
    assert!(
        message.contains("(AADSTS700213): no federated identity"),
        "{message}"
    );
    let credential = AzureCredential::workload_identity(TENANT, CLIENT, "/nowhere/token");
    let message = refusal(&azure, credential).await;
    assert!(
        message.starts_with(
            "Configuration: the workload identity gave no token: the token file /nowhere/token"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn clock_skew_is_told() {
    let azure = azure();
    azure.authority.answer_first([Reply::json(
        401,
        &serde_json::json!({
            "error": "invalid_client", "error_codes": [700_024],
            "error_description": "AADSTS700024: Client assertion is not within its valid time range.",
        }),
    )]);
    let path = azure.file("client.pem", &certificate(false));
    let message = refusal(
        &azure,
        AzureCredential::client_certificate(TENANT, CLIENT, path),
    )
    .await;
    assert!(
        message.ends_with("the assertion is not valid now: check the clock of this machine"),
        "{message}"
    );

    azure.vault.refuse_tokens(true);
    let message = refusal(&azure, secret(TENANT, CLIENT, CLIENT_SECRET)).await;
    assert_eq!(
        message,
        "AccessDenied: the Key Vault airflow-test.vault.azure.net refused the token: check the tenant and the clock of this machine"
    );
}

#[tokio::test]
async fn nothing_that_gives_a_token_is_a_list_of_what_was_tried() {
    let azure = azure();
    assert_eq!(
        refusal_in(&azure, &[("AZURE_TENANT_ID", TENANT)]).await,
        "Unavailable: no credential gives a token (environment: AZURE_CLIENT_ID, AZURE_CLIENT_SECRET \
         not set; workload identity: AZURE_FEDERATED_TOKEN_FILE not set; managed identity: no \
         answer from 127.0.0.1: Connection refused (os error 111); Azure CLI: the program is not on PATH; Azure Developer CLI: the program is not on PATH)"
    );
    let imds = format!("http://{}", azure.address);
    let message = refusal_in(
        &azure,
        &[
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &imds),
            ("AZURE_CLIENT_ID", "unknown"),
        ],
    )
    .await;
    assert!(
        message.contains(
            "managed identity: the identity with this client id (managed_identity_client_id, or \
             AZURE_CLIENT_ID) is not assigned"
        ),
        "{message}"
    );
    let endpoint = format!("{imds}/msi/token");
    let message = refusal_in(
        &azure,
        &[
            ("IDENTITY_ENDPOINT", &endpoint),
            ("IDENTITY_HEADER", "wrong"),
        ],
    )
    .await;
    assert!(
        message.starts_with("AccessDenied: no credential gives a token (")
            && message.contains("managed identity: the metadata endpoint refuses (HTTP 401)"),
        "{message}"
    );
    let no_url = [("IDENTITY_ENDPOINT", "no url"), ("IDENTITY_HEADER", "h")];
    assert_eq!(
        refusal_in(&azure, &no_url).await,
        "Configuration: the managed identity gave no token: IDENTITY_ENDPOINT is not a URL"
    );
}

#[tokio::test]
async fn an_authority_that_is_busy_is_asked_again_and_in_the_end_an_outage() {
    let azure = azure();
    let busy = |status| Reply::json(status, &serde_json::json!({"error": "MARKER"}));
    azure.authority.answer_first([busy(503), busy(500)]);
    assert_eq!(variable(&reader(&azure), "colour").await, blue());
    assert_eq!(azure.authority.requests().len(), 3);

    azure.authority.answer_first(vec![busy(503); 4]);
    let expected = "Unavailable: the client secret gave no token: login.microsoftonline.com cannot \
                    answer (HTTP 503)";
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Err(expected.to_owned())
    );
    assert_eq!(azure.authority.requests().len(), 7);

    azure
        .authority
        .answer_first([busy(429).with("Retry-After", "3600")]);
    let expected = "Unavailable: the client secret gave no token: login.microsoftonline.com throttles \
                    its clients, and asks to wait 3600 s";
    assert_eq!(
        variable(&reader(&azure), "colour").await,
        Err(expected.to_owned())
    );
    assert_eq!(azure.authority.requests().len(), 8);
}

/// Microsoft's library for Rust panics at it.
#[tokio::test]
async fn a_token_whose_end_no_clock_can_tell_is_an_error() {
    let azure = azure();
    for life in [i64::MAX, i64::MIN] {
        let token = serde_json::json!({
            "token_type": "Bearer", "access_token": "MARKER", "expires_in": life,
            "ext_expires_in": life,
        });
        azure.authority.answer_first([Reply::json(200, &token)]);
        let message = variable(&reader(&azure), "colour").await.unwrap_err();
        assert_eq!(
            message,
            "Unavailable: the client secret gave no token: the answer of login.microsoftonline.com is \
             not one of a token authority: check AZURE_AUTHORITY_HOST, and whether a proxy answered in its place"
        );
    }
}

#[tokio::test]
async fn a_login_with_a_users_password_is_not_offered() {
    let azure = azure();
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_USERNAME", "ann"),
        ("AZURE_PASSWORD", "MARKER"),
    ];
    assert_eq!(
        refusal_in(&azure, &variables).await,
        "Configuration: the environment gave no token: a login with AZURE_USERNAME and AZURE_PASSWORD is not offered, because it is deprecated: use a service principal (AZURE-7)"
    );
    assert_eq!(azure.authority.requests().len(), 0);
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_for_a_while() {
    let azure = azure();
    let vault = builder(&azure.environment(&[]))
        .credential(secret(TENANT, CLIENT, "wrong"))
        .build()
        .unwrap();
    let refusals = join_all((0..100).map(|_| variable(&vault, "colour"))).await;
    assert!(refusals.iter().all(|refusal| refusal == &refusals[0]));
    assert!(refusals[0].is_err());
    assert_eq!(azure.authority.requests().len(), 1);
}

#[tokio::test]
async fn a_gateways_refusal_is_none_of_the_authoritys() {
    let azure = azure();
    for status in [403, 404] {
        let reply = Reply::json(status, &serde_json::json!({"message": "no Route matched"}));
        azure.authority.answer_first([reply]);
        let message = refusal(&azure, secret(TENANT, CLIENT, CLIENT_SECRET)).await;
        let expected = "Unavailable: the client secret gave no token: the answer of \
                        login.microsoftonline.com is not one of a token authority";
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let azure = azure();
    let token = serde_json::json!({"access_token": "", "expires_in": 3600, "token_type": "Bearer"});
    azure.authority.answer_first([Reply::json(200, &token)]);
    let message = refusal(&azure, secret(TENANT, CLIENT, CLIENT_SECRET)).await;
    assert!(
        message.starts_with("Unavailable: the token that came with a login is empty"),
        "{message}"
    );
}
