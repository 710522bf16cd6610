//! `client_cert` in `config_kwargs`, before a server that asks for one.

use airflow_secrets::backend::LookupOptions;
use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    SECRETS_MANAGER, environment, make, outcome,
    support::{
        authority::{Files, authority},
        https::{Reply, Request, Server, serve_by},
    },
};

/// A server at which nobody gets an answer without a certificate of its authority's, the
/// authority's file, and such a certificate.
pub(crate) fn strict_server(folder: &Path) -> (Server, String, Files) {
    let authority = authority();
    let ca = folder.join("ca.pem");
    authority.write(&ca);
    let server = authority.issue("server", folder);
    let client = authority.issue("client", folder);
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(&ca).unwrap();
    roots.add(root).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let chain = CertificateDer::pem_file_iter(&server.certificate).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            chain.map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_file(&server.key).unwrap(),
        )
        .unwrap();
    let value = |_: &Request| Reply::json(200, &json!({"SecretString": "v"}));
    let server = serve_by(config, Arc::new(value));
    (server, ca.to_str().unwrap().to_owned(), client)
}

fn both_in_one(folder: &Path, files: &Files) -> Value {
    let read = |path| std::fs::read_to_string(path).unwrap();
    let both = folder.join("both.pem");
    std::fs::write(&both, read(&files.key) + &read(&files.certificate)).unwrap();
    json!(both)
}

async fn ask(server: &Server, ca: &str, client_cert: Value) -> Result<String, String> {
    let kwargs = json!({
        "endpoint_url": format!("https://{}", server.address), "verify": ca,
        "config_kwargs": {"client_cert": client_cert, "retries": {"max_attempts": 0}},
    });
    let made = make(SECRETS_MANAGER, kwargs, &environment(&[]), false).await;
    outcome(
        made.unwrap()
            .0
            .get_variable("x", &LookupOptions::new())
            .await,
    )
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_it() {
    let folder = folder();
    let (server, ca, client) = strict_server(folder.path());
    let found = Ok("v".to_owned());
    let pair = json!([client.certificate, client.key]);
    assert_eq!(ask(&server, &ca, pair).await, found);
    let both = both_in_one(folder.path(), &client);
    assert_eq!(ask(&server, &ca, both).await, found);
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_or_of_no_use_is_told() {
    let (folder, others) = (folder(), folder());
    let (server, ca, client) = strict_server(folder.path());
    let unknown = authority().issue("unknown", others.path());
    let without = ask(&server, &ca, json!(null)).await.unwrap_err();
    assert_eq!(
        without,
        format!(
            "Unavailable: Secrets Manager at https://{} requires a client certificate: set \
             \"client_cert\" in config_kwargs, or, if a proxy requires it, \
             \"proxy_client_cert\" in its \"proxies_config\"",
            server.address
        )
    );
    let unknown = ask(&server, &ca, json!([unknown.certificate, unknown.key])).await;
    assert_eq!(
        unknown.unwrap_err(),
        format!(
            "Unavailable: Secrets Manager at https://{} refused the client certificate: \
             check \"client_cert\" in config_kwargs",
            server.address
        )
    );
    let start = "Configuration: [secrets] backend_kwargs \"config_kwargs\" \"client_cert\" (AIRFLOW__SECRETS__BACKEND_KWARGS)";
    for (client_cert, what) in [
        (
            json!("/nowhere/client.pem"),
            "/nowhere/client.pem: No such file".to_owned(),
        ),
        (
            json!(client.certificate),
            format!(
                "{} contains no unencrypted PEM key",
                client.certificate.display()
            ),
        ),
        (
            json!([client.certificate, others.path().join("unknown-key.pem")]),
            "the key does not belong to the certificate".to_owned(),
        ),
    ] {
        let error = ask(&server, &ca, client_cert).await.unwrap_err();
        assert!(error.starts_with(start), "{error}");
        let what = format!("cannot be used: {what}");
        assert!(error.contains(&what), "{error}");
    }
}
