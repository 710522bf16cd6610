//! The client certificate that we show to servers that ask for one.

use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::zeroize::Zeroizing;

use super::pem;
use crate::{backends::http_options::ClientCertificate, files};

/// A certificate with the intermediate ones behind it, and its private key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl ClientCertificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub(super) async fn read(&self) -> Result<Identity, String> {
        match self {
            Self::Pem(text) => {
                let in_text = |why| format!("the text contains {why}");
                let text = text.expose().as_bytes();
                Ok(Identity {
                    chain: chain(text).map_err(in_text)?,
                    key: private_key(text).map_err(in_text)?,
                })
            }
            Self::Files { certificate, key } => {
                let key = key.as_ref().unwrap_or(certificate);
                let in_file = |file: &Path, why| format!("{} contains {why}", file.display());
                Ok(Identity {
                    chain: chain(&read(certificate).await?)
                        .map_err(|why| in_file(certificate, why))?,
                    key: private_key(&read(key).await?).map_err(|why| in_file(key, why))?,
                })
            }
        }
    }
}

/// # Errors
/// What the text contains in place of a chain of certificates.
fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    pem::certificates(text).map_err(|_| "a certificate that is cut off or is not base64")
}

/// # Errors
/// What the text contains in place of a key.
fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(text).map_err(|_| "no unencrypted PEM key")
}

async fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = files::read_in_background(path).await;
    read.map_err(|error| format!("{}: {error}", path.display()))
}
