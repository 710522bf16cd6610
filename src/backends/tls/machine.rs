//! The authorities that the operating system trusts.

use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::places::{authorities_at, named_by};
use crate::Environment;

/// Where systems keep them in one file, the first that exists: Debian, Fedora and older ones of its
/// kin, SUSE, Alpine and macOS.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's own authorities, whatever variables this process has. Blocks the thread.
pub(crate) fn authorities() -> Vec<CertificateDer<'static>> {
    // The library would read what the variables name instead.
    if named_by(&Environment::process()).is_empty() {
        return rustls_native_certs::load_native_certs().certs;
    }
    let bundle = BUNDLES
        .map(Path::new)
        .into_iter()
        .find(|path| path.exists());
    let found = bundle.and_then(|path| authorities_at(path).ok());
    found.unwrap_or_default()
}
