//! Whom TLS trusts.

use crate::{
    builder,
    support::{key_vault::Azure, odd_certificates},
    variable,
};
use airflow_secrets::backends::HttpOptions;

fn azure() -> Azure {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    azure
}

const NO_TRUST: &str =
    "Unavailable: the TLS certificate of airflow-test.vault.azure.net is not trusted";

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
    let pem = std::fs::read(azure.ca()).unwrap();
    for options in [
        HttpOptions::new().with_ca_certificates(azure.ca()),
        HttpOptions::new().with_ca_certificates(azure.folder.path()),
        HttpOptions::new().with_ca_pem(pem),
        HttpOptions::new().danger_accept_invalid_certificates(),
    ] {
        let vault = builder(&environment).http(options).build().unwrap();
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

/// They are further ones, wherever the others come from.
#[tokio::test]
async fn authorities_of_ssl_cert_file_are_trusted_beside_a_bundle() {
    let azure = azure();
    let another = Azure::start();
    let other = another.ca().display().to_string();
    let ca = azure.ca().display().to_string();
    let folder = azure.folder.path().display().to_string();
    for bundle in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        for (name, path) in [("SSL_CERT_FILE", &ca), ("SSL_CERT_DIR", &folder)] {
            let other = azure.file(
                "other-ca",
                &std::fs::read_to_string(&other).unwrap_or_default(),
            );
            let other = other.display().to_string();
            let variables = [("REQUESTS_CA_BUNDLE", ""), (bundle, &*other), (name, path)];
            let variables = [&Azure::principal()[..], &variables].concat();
            let vault = builder(&azure.environment(&variables)).build().unwrap();
            let found = variable(&vault, "colour").await;
            assert_eq!(found, Ok("blue".to_owned()), "{bundle} and {name}");
        }
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
            "Configuration: REQUESTS_CA_BUNDLE (the environment): /nowhere/ca.pem cannot be used for \
             TLS: "
        ),
        "{message}"
    );
}

#[tokio::test]
async fn authorities_as_companies_have_them_are_trusted() {
    let hosts = ["airflow-test.vault.azure.net", "login.microsoftonline.com"];
    for odd in odd_certificates::all(&hosts) {
        let azure = Azure::start_with(odd.server);
        azure.vault.put("airflow-variables-colour", "blue");
        let ca = azure.folder.path().join("odd.pem");
        std::fs::write(&ca, &odd.file).unwrap();
        let variables = [("REQUESTS_CA_BUNDLE", ca.to_str().unwrap())];
        let variables = [&Azure::principal()[..], &variables[..]].concat();
        let environment = azure.environment(&variables);
        let found = variable(&builder(&environment).build().unwrap(), "colour").await;
        assert_eq!(found, Ok("blue".to_owned()), "{}", odd.what);
    }
}

#[tokio::test]
async fn a_broken_file_of_authorities_is_named() {
    let azure = azure();
    for (path, why) in odd_certificates::broken(azure.folder.path()) {
        let path = path.display().to_string();
        let variables = [("REQUESTS_CA_BUNDLE", path.as_str())];
        let variables = [&Azure::principal()[..], &variables[..]].concat();
        let vault = builder(&azure.environment(&variables)).build().unwrap();
        let expected = format!(
            "Configuration: REQUESTS_CA_BUNDLE (the environment): {path} cannot be used for TLS: {why}"
        );
        assert_eq!(variable(&vault, "colour").await, Err(expected));
    }
}
