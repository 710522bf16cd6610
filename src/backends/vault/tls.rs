//! Whom TLS trusts, and the certificate we show.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls_pki_types::CertificateDer;
use tokio::fs;

use crate::{Failure, backends::roots};

/// How the server's certificate is checked, and which we show.
#[derive(Debug, Clone, Default)]
pub(super) struct Tls {
    pub(super) roots: Roots,
    /// Files or folders of certificates that are trusted besides.
    pub(super) further_roots: Vec<PathBuf>,
    pub(super) identity: Option<ClientCertificate>,
}

/// Whom we trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Roots {
    /// The authorities that Mozilla trusts: those of Python's `certifi`, which Airflow uses.
    #[default]
    Mozilla,
    /// Those in this file or folder alone.
    At(PathBuf),
    /// Anybody: the certificate is not checked.
    Unchecked,
}

/// The files of a client certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    pub(super) certificate: PathBuf,
    /// Where the key is not in the same file.
    pub(super) key: Option<PathBuf>,
}

impl Tls {
    /// Reads the files and sets up `builder`.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(super) async fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        let mut roots = match &self.roots {
            Roots::Unchecked => {
                return self
                    .identify(builder.tls_danger_accept_invalid_certs(true))
                    .await;
            }
            Roots::At(path) => certificates(path).await?,
            Roots::Mozilla => roots::mozilla(),
        };
        for path in &self.further_roots {
            roots.extend(certificates(path).await?);
        }
        let roots = roots
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok());
        self.identify(builder.tls_certs_only(roots)).await
    }

    async fn identify(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        let Some(ClientCertificate { certificate, key }) = &self.identity else {
            return Ok(builder);
        };
        let mut pem = read(certificate).await?;
        if let Some(key) = key {
            pem.push(b'\n');
            pem.extend(read(key).await?);
        }
        let identity = Identity::from_pem(&pem)
            .map_err(|_| unusable(certificate, "it holds no PEM certificate and key"))?;
        Ok(builder.identity(identity))
    }
}

async fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = roots::certificates(path).await;
    found.map_err(|why| unusable(path, &why))
}

async fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .await
        .map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    unusable(path, &error.to_string())
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::configuration(format!(
        "the file {} cannot be used for TLS: {why}",
        path.display()
    ))
}
