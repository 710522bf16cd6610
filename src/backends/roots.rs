//! The authorities that TLS is told to trust.

use std::path::Path;

use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::fs;

/// Those that Mozilla trusts: those of Python's `certifi`, which Airflow's clients use.
pub(super) fn mozilla() -> Vec<CertificateDer<'static>> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec()
}

/// The certificates in the file at `path` or, where it is a folder, in its files; those of a
/// folder that are none are passed over.
///
/// # Errors
/// Why there are none.
pub(super) async fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let mut found = Vec::new();
    let is_folder = fs::metadata(path).await.is_ok_and(|found| found.is_dir());
    if is_folder {
        let mut files = fs::read_dir(path).await.map_err(unreadable)?;
        while let Some(file) = files.next_entry().await.map_err(unreadable)? {
            found.extend(in_pem(&fs::read(file.path()).await.unwrap_or_default()));
        }
    } else {
        found.extend(in_pem(&fs::read(path).await.map_err(unreadable)?));
    }
    match found.is_empty() {
        false => Ok(found),
        true if is_folder => Err("no file in it holds a PEM certificate".to_owned()),
        true => Err("it holds no PEM certificate".to_owned()),
    }
}

/// The certificates in a PEM text; what is none is passed over.
pub(super) fn in_pem(text: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text).filter_map(Result::ok)
}
