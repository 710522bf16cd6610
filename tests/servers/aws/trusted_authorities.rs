//! Which files of authorities are read.

use std::sync::Arc;

use airflow_secrets::backend::LookupOptions;
use serde_json::json;

use crate::{
    SECRETS_MANAGER, environment, make, outcome,
    support::{
        https::{self, Reply, Request},
        odd_certificates,
    },
};

async fn variable(url: &str, verify: &std::path::Path) -> Result<String, String> {
    let kwargs = json!({"endpoint_url": url, "verify": verify});
    let (backend, _) = make(SECRETS_MANAGER, kwargs, &environment(&[]), false)
        .await
        .unwrap();
    outcome(backend.get_variable("x", &LookupOptions::new()).await)
}

#[tokio::test]
async fn authorities_as_companies_have_them_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for odd in odd_certificates::all(&["127.0.0.1"]) {
        std::fs::write(&ca, &odd.file).unwrap();
        let secret = json!({
            "ARN": "arn:aws:secretsmanager:eu-west-1:1:secret:x", "Name": "airflow/variables/x",
            "SecretString": "v", "VersionId": "1",
        });
        let handler = move |_: &Request| Reply::json(200, &secret);
        let server = https::serve_by(odd.server, Arc::new(handler));
        let found = variable(&format!("https://{}", server.address), &ca).await;
        assert_eq!(found, Ok("v".to_owned()), "{}", odd.what);
    }
}

#[tokio::test]
async fn a_broken_file_of_authorities_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (path, why) in odd_certificates::broken(folder.path()) {
        let error = variable("https://127.0.0.1:1", &path).await.unwrap_err();
        let expected = format!("{} cannot be used for TLS: {why}", path.display());
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("\"verify\""), "{error}");
    }
}
