//! The authorities that `reqwest` is told to trust.

use std::path::Path;

use reqwest::Certificate;
use tokio::fs;

/// Those that Mozilla trusts: those of Python's `certifi`, which Airflow's clients use.
pub(super) fn mozilla() -> Vec<Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect()
}

/// The certificates in the file at `path` or, where it is a folder, in its files; those of a
/// folder that are none are passed over.
///
/// # Errors
/// Why there are none.
pub(super) async fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let bundle = |pem: &[u8]| Certificate::from_pem_bundle(pem).unwrap_or_default();
    let mut found = Vec::new();
    let is_folder = fs::metadata(path).await.is_ok_and(|found| found.is_dir());
    if is_folder {
        let mut files = fs::read_dir(path).await.map_err(unreadable)?;
        while let Some(file) = files.next_entry().await.map_err(unreadable)? {
            found.extend(bundle(&fs::read(file.path()).await.unwrap_or_default()));
        }
    } else {
        found = bundle(&fs::read(path).await.map_err(unreadable)?);
    }
    match found.is_empty() {
        false => Ok(found),
        true if is_folder => Err("no file in it holds a PEM certificate".to_owned()),
        true => Err("it holds no PEM certificate".to_owned()),
    }
}
