//! Where authorities are: in files and folders, and the variables that name these.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use rustls::pki_types::CertificateDer;

use super::pem;
use crate::{Environment, files};

/// The files and folders that `environment` names as OpenSSL reads it, each with its variable; of
/// folders there may be a list.
#[allow(dead_code, reason = "which backends use it depends on the features")]
pub(crate) fn named_by(environment: &Environment) -> Vec<(&'static str, PathBuf)> {
    let value = |name| environment.non_empty(name).unwrap_or_default();
    let file = Some(value("SSL_CERT_FILE")).filter(|path| !path.is_empty());
    let file = file.map(|path| ("SSL_CERT_FILE", path.into()));
    let folders = env::split_paths(value("SSL_CERT_DIR"));
    let folders = folders.filter(|path| !path.as_os_str().is_empty());
    file.into_iter()
        .chain(folders.map(|path| ("SSL_CERT_DIR", path)))
        .collect()
}

/// The authorities in the PEM file at `path` or, where it is a folder, in its files. Files in a folder
/// without a usable certificate are ignored. Blocks the thread.
///
/// # Errors
/// Which file or folder cannot be used, and why.
pub(crate) fn authorities_at(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unusable = |why: String| format!("{} cannot be used for TLS: {why}", path.display());
    let unreadable = |error: io::Error| unusable(error.to_string());
    if !path.is_dir() {
        let file = files::read(path).map_err(unreadable)?;
        return pem::authorities(&file).map_err(|why| unusable(format!("it {why}")));
    }
    let mut found = Vec::new();
    for file in fs::read_dir(path).map_err(unreadable)? {
        let file = files::read(file.map_err(unreadable)?.path());
        found.extend(pem::authorities(&file.unwrap_or_default()).unwrap_or_default());
    }
    if found.is_empty() {
        return Err(unusable(
            "no file in it contains a PEM certificate".to_owned(),
        ));
    }
    Ok(found)
}
