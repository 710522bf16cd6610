//! Whom TLS trusts, and the certificate we show.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::fs;

use crate::{Failure, backends::given::Given};

/// Whom we trust.
#[derive(Debug, Clone)]
pub(super) enum Trust {
    /// The authorities that Mozilla trusts: those of Python's `certifi`, which Airflow uses.
    Mozilla,
    /// Those in this PEM file alone.
    Bundle(Given<PathBuf>),
    /// Anybody: the certificate is not checked.
    Unchecked,
}

/// The files of a client certificate, in PEM.
#[derive(Debug, Clone)]
pub(super) struct ClientCertificate {
    pub(super) certificate: PathBuf,
    /// Where the key is not in the same file.
    pub(super) key: Option<PathBuf>,
}

/// What TLS is made from, read from the files.
///
/// # Errors
/// When a file cannot be read or used.
pub(super) async fn config(
    trust: &Trust,
    identity: Option<&Given<ClientCertificate>>,
) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| super::session::misconfigured("TLS cannot be set up"))?;
    let builder = match trust {
        Trust::Unchecked => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(NoCheck(provider))),
        Trust::Mozilla => {
            let mut roots = RootCertStore::empty();
            let authorities = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
            roots.add_parsable_certificates(authorities);
            builder.with_root_certificates(roots)
        }
        Trust::Bundle(path) => builder.with_root_certificates(bundle(path).await?),
    };
    let Some(given) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let ClientCertificate { certificate, key } = &given.value;
    let unusable = |why: &str| given.failure(&format!("cannot be used: {why}"));
    let read = async |path: &PathBuf| {
        let bytes = fs::read(path).await;
        bytes.map_err(|error| unusable(&error.to_string()))
    };
    let certificates = read(certificate).await?;
    let key = read(key.as_ref().unwrap_or(certificate)).await?;
    let chain = CertificateDer::pem_slice_iter(&certificates)
        .filter_map(Result::ok)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| unusable("it holds no PEM key"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|_| unusable("the certificate and the key do not belong together"))
}

async fn bundle(path: &Given<PathBuf>) -> Result<RootCertStore, Failure> {
    let unusable = |why: &str| {
        let file = path.value.display();
        path.failure(&format!("the CA bundle {file} cannot be used: {why}"))
    };
    let pem = fs::read(&path.value)
        .await
        .map_err(|error| unusable(&error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    Some(roots)
        .filter(|roots| !roots.is_empty())
        .ok_or_else(|| unusable("it holds no PEM certificate"))
}

/// Takes any certificate.
#[derive(Debug)]
struct NoCheck(Arc<CryptoProvider>);

impl ServerCertVerifier for NoCheck {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
