//! Checks of a server's certificate that differ from the usual ones.

use std::{fmt, sync::Arc};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// A server's certificate, and what it is checked against.
#[cfg_attr(
    not(feature = "_metastore-server"),
    allow(
        dead_code,
        reason = "only a database server's certificate is checked by rules of our own"
    )
)]
pub(crate) struct Shown<'a> {
    pub(crate) certificate: &'a CertificateDer<'a>,
    pub(crate) intermediates: &'a [CertificateDer<'a>],
    pub(crate) server_name: &'a ServerName<'a>,
    pub(crate) now: UnixTime,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

/// Decides whether a certificate is accepted.
pub(crate) trait Look: fmt::Debug + Send + Sync {
    /// # Errors
    /// Why the certificate is not accepted.
    fn look(&self, shown: &Shown<'_>) -> Result<(), Error>;
}

/// Leaves the decision to `look`. That the server holds the certificate's key is always checked.
#[derive(Debug)]
pub(crate) struct Verifier<L> {
    pub(crate) look: L,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl<L: Look> ServerCertVerifier for Verifier<L> {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.look.look(&Shown {
            certificate,
            intermediates,
            server_name,
            now,
            algorithms: self.provider.signature_verification_algorithms,
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
