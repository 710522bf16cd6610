//! Whether the metadata DB can be reached: a SQLite file that Airflow wrote, none, and one without
//! tables.

#![allow(clippy::unwrap_used)]

#[path = "support/folder.rs"]
mod folder;

use std::path::Path;

use airflow_secrets::{
    SecretsBackend,
    backend::{CheckOutcome, Failure, FailureKind, LookupOptions},
    backends::metastore::MetastoreBackend,
};
use folder::Folder;

async fn checked(path: &Path) -> Result<CheckOutcome, Failure> {
    let url = format!("sqlite:///{}", path.display());
    let backend = MetastoreBackend::builder().url(url).build().unwrap();
    backend.check(&LookupOptions::new()).await
}

#[tokio::test]
async fn a_database_with_airflows_tables_is_reachable() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db");
    let row = "connection WHERE conn_id = 'airflow-secrets-check'";
    assert_eq!(checked(&file).await, Ok(CheckOutcome::reachable(row)));
}

#[tokio::test]
async fn a_file_that_is_none_or_has_no_tables_is_not() {
    let folder = Folder::new();
    let file = folder.path().join("airflow.db");
    let failure = checked(&file).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure}");
    assert!(!file.exists());
    std::fs::write(&file, "").unwrap();
    let failure = checked(&file).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Configuration, "{failure}");
}
