//! The backend that Airflow's settings describe, and what is wrong with them.

use airflow_secrets::{Environment, Resolver};
use serde_json::{Value, json};

use crate::support::{
    key_vault::{Azure, VAULT, error},
    token_authority::{CLIENT, CLIENT_SECRET, TENANT},
};

pub(crate) const CLASS: &str =
    "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend";

fn environment(azure: &Azure, kwargs: &Value, variables: &[(&str, &str)]) -> Environment {
    let kwargs = kwargs.to_string();
    let settings = [
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__SECRETS__BACKEND", CLASS),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
    ];
    azure.environment(&[&settings[..], variables].concat())
}

async fn resolver(
    azure: &Azure,
    kwargs: &Value,
    variables: &[(&str, &str)],
) -> Result<Resolver, String> {
    let environment = environment(azure, kwargs, variables);
    let built = Resolver::from_environment(environment).build().await;
    built.map_err(|error| error.to_string())
}

fn azure() -> Azure {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    azure
}

#[tokio::test]
async fn the_settings_of_airflows_documentation_work() {
    let azure = azure();
    azure
        .vault
        .put("airflow-connections-smtp-default", "smtp://h:25");
    let kwargs = json!({
        "connections_prefix": "airflow-connections", "variables_prefix": "airflow-variables",
        "vault_url": VAULT,
    });
    let resolver = resolver(&azure, &kwargs, &Azure::principal())
        .await
        .unwrap();
    let connection = resolver.get_connection("smtp_default").await.unwrap();
    assert_eq!(connection.host(), Some("h"));
    assert_eq!(
        connection.source().to_string(),
        "azure_key_vault: airflow-connections-smtp-default"
    );
    // Two ids, one secret: the report says which was read.
    let same = resolver.get_connection("smtp-default").await.unwrap();
    assert_eq!(same.source(), connection.source());
}

#[tokio::test]
async fn what_the_class_passes_on_to_its_client_is_taken() {
    let azure = azure();
    azure.vault.challenge_with("https://sovereign.example");
    let ca = azure.ca().display().to_string();
    let kwargs = json!({
        "vault_url": format!(" {VAULT}/ "), "tenant_id": TENANT, "client_id": CLIENT,
        "client_secret": CLIENT_SECRET, "api_version": "7.4", "verify_challenge_resource": false,
        "connection_timeout": 2.5, "retry_total": 1, "connection_verify": ca, "nonsense": 1,
    });
    let resolver = resolver(&azure, &kwargs, &[("REQUESTS_CA_BUNDLE", "")])
        .await
        .unwrap();
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    let requests = azure.vault.requests();
    assert!(requests.iter().all(|r| r.parameter("api-version") == "7.4"));
    assert!(
        requests
            .iter()
            .all(|r| r.path == "/secrets/airflow-variables-colour/")
    );
    let warnings = colour.report().warnings();
    assert_eq!(warnings.len(), 1);
    let warning = warnings[0].to_string();
    assert!(
        warning.contains("\"nonsense\"") && warning.contains("is ignored: unknown argument"),
        "{warning}"
    );

    let unavailable = || error(503, "ServiceUnavailable", None);
    azure
        .vault
        .answer_first([unavailable(), unavailable(), unavailable()]);
    let outcome = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(outcome.kind().as_str(), "unavailable");
    assert_eq!(azure.vault.names_asked().len(), 3);
}

#[tokio::test]
async fn a_certificate_that_is_not_checked_is_taken_as_it_is() {
    let azure = azure();
    let kwargs = json!({"vault_url": VAULT, "connection_verify": false});
    let variables = [&Azure::principal()[..], &[("REQUESTS_CA_BUNDLE", "")]].concat();
    let resolver = resolver(&azure, &kwargs, &variables).await.unwrap();
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
}

#[tokio::test]
async fn a_prefix_that_no_name_can_have_is_refused() {
    let azure = azure();
    for (kwargs, expected) in [
        (
            json!({"vault_url": VAULT, "connections_prefix": "a/b"}),
            "the name would contain '/'; a secret's name in Key Vault has only 0-9, a-z, A-Z and '-'",
        ),
        (
            json!({"vault_url": VAULT, "variables_prefix": "a.b"}),
            "the name would contain '.'",
        ),
        (
            json!({"vault_url": VAULT, "config_prefix": "p".repeat(126)}),
            "the name would have 128 characters",
        ),
        (
            json!({"vault_url": VAULT, "sep": "/"}),
            "the name would contain '/'",
        ),
    ] {
        let message = resolver(&azure, &kwargs, &[]).await.unwrap_err();
        assert!(message.contains(expected), "{message}");
        let mut names = kwargs.as_object().unwrap().keys();
        let name = names.find(|name| *name != "vault_url").unwrap();
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_with_their_name_and_not_their_value() {
    let azure = azure();
    for (kwargs, expected) in [
        (
            json!({}),
            "vault_url (not given): is not set: give the vault's URL",
        ),
        (
            json!({"vault_url": null}),
            "is not set: give the vault's URL",
        ),
        (
            json!({"vault_url": "http://MARKER.vault.azure.net"}),
            "must begin with https://",
        ),
        (
            json!({"vault_url": "MARKER.vault.azure.net"}),
            "is not a URL such as",
        ),
        (json!({"vault_url": "https://"}), "is not a URL such as"),
        (
            json!({"vault_url": "https://u:MARKER@x.example"}),
            "contains a user name or a password",
        ),
        (
            json!({"vault_url": "https://x.example?MARKER"}),
            "contains a query or a fragment",
        ),
        (json!({"vault_url": 5}), "must be a text or null"),
        (json!({"vault_url": VAULT, "sep": null}), "must be a text"),
        (
            json!({"vault_url": VAULT, "connections_prefix": 5}),
            "must be a text or null",
        ),
        (
            json!({"vault_url": VAULT, "client_secret": ["MARKER"]}),
            "must be a text or null",
        ),
        (
            json!({"vault_url": VAULT, "credential": "MARKER"}),
            "only Python code can set this",
        ),
        (
            json!({"vault_url": VAULT, "retry_total": "MARKER"}),
            "must be a whole number, 0 or more",
        ),
        (
            json!({"vault_url": VAULT, "connection_timeout": 0}),
            "must be a number of seconds",
        ),
        (
            json!({"vault_url": VAULT, "connection_verify": 7}),
            "must be true, false, or the path",
        ),
    ] {
        let message = resolver(&azure, &kwargs, &[]).await.unwrap_err();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("MARKER"), "{message}");
        let name = kwargs
            .as_object()
            .unwrap()
            .keys()
            .find(|name| *name != "vault_url");
        let name = name.map_or("vault_url", String::as_str);
        assert!(message.contains(name), "{message}");
    }
    for (variable, expected) in [
        (
            ("AZURE_TOKEN_CREDENTIALS", "MARKER"),
            "must be prod, dev, or one of",
        ),
        (
            ("AZURE_TOKEN_CREDENTIALS", "AzurePowerShellCredential"),
            "is not offered here",
        ),
        (
            ("AZURE_AUTHORITY_HOST", "http://MARKER"),
            "must be a host or an https URL",
        ),
        (
            ("AZURE_AUTHORITY_HOST", "https://user:MARKER@login.example"),
            "contains a user name or a password",
        ),
        (
            ("AZURE_AUTHORITY_HOST", "MARKER@login.example"),
            "contains a user name or a password",
        ),
    ] {
        let kwargs = json!({"vault_url": VAULT});
        let message = resolver(&azure, &kwargs, &[variable]).await.unwrap_err();
        assert!(
            message.contains(expected) && message.contains(variable.0),
            "{message}"
        );
        assert!(!message.contains("MARKER"), "{message}");
    }
}

#[tokio::test]
async fn many_ids_at_once_are_bounded() {
    let azure = azure();
    let keys = (0..200).map(|n| format!("key-{n}")).collect::<Vec<_>>();
    for key in &keys {
        azure.vault.put(&format!("airflow-variables-{key}"), key);
    }
    let kwargs = json!({"vault_url": VAULT});
    let resolver = resolver(&azure, &kwargs, &Azure::principal())
        .await
        .unwrap();
    let ids = keys.iter().map(String::as_str).collect::<Vec<_>>();
    let answers = resolver.get_variables(&ids).await;
    let values = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().expose());
    assert!(values.eq(keys.iter().map(String::as_str)));
    assert_eq!(azure.authority.tokens_given(), 1);
    // A pool may open one beside another that is just coming back.
    assert!(azure.connections() <= 2 * 16, "{}", azure.connections());
}
