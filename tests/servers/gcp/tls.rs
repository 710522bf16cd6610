//! Which authorities are trusted.

use std::sync::Arc;

use airflow_secrets::backends::HttpOptions;

use crate::{
    secret_manager,
    support::{
        google::version,
        https::{self, Reply, Request},
        odd_certificates,
    },
    variable,
};

#[tokio::test]
async fn authorities_as_companies_have_them_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for odd in odd_certificates::all(&["127.0.0.1"]) {
        std::fs::write(&ca, &odd.file).unwrap();
        let handler = |_: &Request| Reply::json(200, &version("v"));
        let server = https::serve_by(odd.server, Arc::new(handler));
        let url = format!("https://{}", server.address);
        let environment = [("SSL_CERT_FILE", ca.to_str().unwrap())];
        let by_environment = secret_manager(&url).environment(&environment.into_iter().collect());
        for builder in [
            by_environment,
            secret_manager(&url).http(HttpOptions::new().with_ca_certificates(&ca)),
            secret_manager(&url).http(HttpOptions::new().with_ca_pem(odd.file.clone())),
        ] {
            let found = variable(&builder.build().unwrap(), "x").await;
            assert_eq!(found, Ok("v".to_owned()), "{}", odd.what);
        }
    }
}

#[tokio::test]
async fn a_broken_file_of_authorities_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (path, why) in odd_certificates::broken(folder.path()) {
        let options = HttpOptions::new().with_ca_certificates(&path);
        let backend = secret_manager("https://127.0.0.1:1").http(options);
        let expected = format!(
            "Configuration: ca_certificates (HttpOptions): {} cannot be used for TLS: {why}",
            path.display()
        );
        let outcome = variable(&backend.build().unwrap(), "x").await;
        assert_eq!(outcome, Err(expected));
    }
}

#[tokio::test]
async fn the_machines_authorities_are_not_those_that_the_process_names() {
    const CHILD: &str = "AIRFLOW_SECRETS_TEST_CHILD";
    if let Ok(url) = std::env::var(CHILD) {
        let outcome = variable(&secret_manager(&url).build().unwrap(), "x").await;
        assert!(outcome.unwrap_err().contains("UnknownIssuer"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let odd = odd_certificates::all(&["127.0.0.1"]).remove(0);
    std::fs::write(&ca, &odd.file).unwrap();
    let handler = |_: &Request| Reply::json(200, &version("v"));
    let server = https::serve_by(odd.server, Arc::new(handler));
    let name = "tls::the_machines_authorities_are_not_those_that_the_process_names";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, format!("https://{}", server.address))
        .env("SSL_CERT_FILE", &ca)
        .status();
    assert!(status.unwrap().success());
}
