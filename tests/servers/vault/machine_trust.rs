//! The machine's own trust store, besides Mozilla's authorities.

use std::sync::Arc;

use airflow_secrets::{
    Environment,
    backends::{
        RetryOptions,
        vault::{VaultBuilder, VaultCredential},
    },
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    support::{
        authority::authority,
        https::{self, Reply},
    },
    variable, vault,
};

/// A Vault whose certificate an authority signed that only `ca.pem` in the folder names.
fn server() -> (String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let document = json!({"data": {"data": {"value": "v"}, "metadata": {"version": 1}}});
    let handler = move |_: &https::Request| Reply::json(200, &document);
    let ca = folder.path().join("ca.pem");
    let server = https::serve(&["localhost"], &ca, Arc::new(handler));
    (
        format!("https://localhost:{}", server.address.port()),
        folder,
    )
}

fn builder(url: &str, variables: &[(&str, &str)]) -> VaultBuilder {
    vault(url, VaultCredential::token("s.token"))
        .environment(&variables.iter().copied().collect::<Environment>())
        .retries(RetryOptions::new().with_max_retries(0))
}

async fn read(builder: VaultBuilder) -> Result<String, String> {
    variable(&builder.build().unwrap(), "x").await
}

fn assert_not_trusted(outcome: &Result<String, String>) {
    let outcome = outcome.as_ref().unwrap_err();
    assert!(outcome.contains("is not trusted"), "{outcome}");
}

#[tokio::test]
async fn the_store_that_the_environment_names_is_trusted_only_where_code_says_so() {
    let (url, folder) = server();
    let file = folder.path().join("ca.pem").display().to_string();
    let directory = folder.path().display().to_string();
    for variable in [("SSL_CERT_FILE", &*file), ("SSL_CERT_DIR", &*directory)] {
        let builder = builder(&url, &[variable]);
        assert_not_trusted(&read(builder.clone()).await);
        let outcome = read(builder.machine_certificates()).await;
        assert_eq!(outcome, Ok("v".into()), "{variable:?}");
    }
}

#[tokio::test]
async fn the_machines_store_is_besides_what_else_is_trusted() {
    let (url, folder) = server();
    let file = folder.path().join("ca.pem").display().to_string();
    for variables in [
        [
            ("REQUESTS_CA_BUNDLE", &*file),
            ("SSL_CERT_FILE", &*other_authority(&folder)),
        ],
        [
            ("VAULT_CACERT", &*file),
            ("SSL_CERT_FILE", &*other_authority(&folder)),
        ],
    ] {
        let outcome = read(builder(&url, &variables).machine_certificates()).await;
        assert_eq!(outcome, Ok("v".into()), "{variables:?}");
    }
}

/// A PEM file of an authority that signed nothing here.
fn other_authority(folder: &TempDir) -> String {
    let path = folder.path().join("other.pem");
    let stranger = authority();
    std::fs::write(&path, stranger.certificate_pem()).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_named() {
    let (url, _folder) = server();
    let builder = builder(&url, &[("SSL_CERT_FILE", "/no/such/file")]).machine_certificates();
    let outcome = read(builder).await.unwrap_err();
    assert!(
        outcome.contains("SSL_CERT_FILE") && outcome.contains("/no/such/file"),
        "{outcome}"
    );
}
