//! Which files of authorities are read.

use std::sync::Arc;

use airflow_secrets::backends::{HttpOptions, vault::VaultCredential};
use serde_json::json;

use crate::{
    support::{
        https::{self, Reply, Request},
        odd_certificates,
    },
    variable, vault,
};

#[tokio::test]
async fn authorities_as_companies_have_them_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for odd in odd_certificates::all(&["127.0.0.1"]) {
        std::fs::write(&ca, &odd.file).unwrap();
        let document = json!({"data": {"data": {"value": "v"}, "metadata": {"version": 1}}});
        let handler = move |_: &Request| Reply::json(200, &document);
        let server = https::serve_by(odd.server, Arc::new(handler));
        let backend = vault(
            &format!("https://{}", server.address),
            VaultCredential::token("t"),
        )
        .http(HttpOptions::new().with_ca_certificates(&ca));
        let found = variable(&backend.build().unwrap(), "x").await;
        assert_eq!(found, Ok("v".to_owned()), "{}", odd.what);
    }
}

#[tokio::test]
async fn a_broken_file_of_authorities_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (path, why) in odd_certificates::broken(folder.path()) {
        let options = HttpOptions::new().with_ca_certificates(&path);
        let backend = vault("https://127.0.0.1:1", VaultCredential::token("t")).http(options);
        let expected = format!(
            "Configuration: ca_certificates (HttpOptions): {} cannot be used for TLS: {why}",
            path.display()
        );
        let outcome = variable(&backend.build().unwrap(), "x").await;
        assert_eq!(outcome, Err(expected));
    }
}
