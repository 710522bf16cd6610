//! Whom TLS trusts.

use crate::{builder, support::key_vault::Azure, variable};

fn azure() -> Azure {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    azure
}

const NO_TRUST: &str = "Unavailable: no trust between us and airflow-test.vault.azure.net";

#[tokio::test]
async fn a_private_authority_is_trusted_through_the_builder() {
    let azure = azure();
    let environment = [&Azure::principal()[..], &[("REQUESTS_CA_BUNDLE", "")]].concat();
    let environment = azure.environment(&environment);
    let vault = builder(&environment).build().unwrap();
    let message = variable(&vault, "colour").await.unwrap_err();
    assert!(message.starts_with(NO_TRUST), "{message}");
    // A certificate does not get better: there was no second try.
    assert_eq!(azure.vault.requests().len(), 0);
    for at in [azure.ca(), azure.folder.path().to_owned()] {
        let vault = builder(&environment).ca_certificates(at).build().unwrap();
        assert_eq!(variable(&vault, "colour").await, Ok("blue".to_owned()));
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_through_the_environment() {
    let azure = azure();
    let ca = azure.ca().display().to_string();
    let folder = azure.folder.path().display().to_string();
    for (name, path) in [
        ("SSL_CERT_FILE", &ca),
        ("SSL_CERT_DIR", &folder),
        ("REQUESTS_CA_BUNDLE", &ca),
        ("CURL_CA_BUNDLE", &ca),
    ] {
        let variables = [("REQUESTS_CA_BUNDLE", ""), (name, path.as_str())];
        let variables = [&Azure::principal()[..], &variables[..]].concat();
        let vault = builder(&azure.environment(&variables)).build().unwrap();
        assert_eq!(
            variable(&vault, "colour").await,
            Ok("blue".to_owned()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none_is_named() {
    let azure = azure();
    let variables = [("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")];
    let variables = [&Azure::principal()[..], &variables[..]].concat();
    let vault = builder(&azure.environment(&variables)).build().unwrap();
    let message = variable(&vault, "colour").await.unwrap_err();
    assert!(
        message.starts_with(
            "Configuration: /nowhere/ca.pem (REQUESTS_CA_BUNDLE) cannot be used for TLS: "
        ),
        "{message}"
    );
}
