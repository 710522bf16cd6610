//! Servers' certificates, looked at as far as a caller wants.

use std::{fmt, sync::Arc};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// What a server shows, and when.
#[cfg_attr(
    not(feature = "_metastore-server"),
    allow(
        dead_code,
        reason = "only a database server's is looked at by rules of our own"
    )
)]
pub(super) struct Shown<'a> {
    pub(super) certificate: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) server_name: &'a ServerName<'a>,
    pub(super) now: UnixTime,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// Decides about a certificate.
pub(super) trait Look: fmt::Debug + Send + Sync {
    /// # Errors
    /// Why the server is not to be trusted.
    fn look(&self, shown: &Shown<'_>) -> Result<(), Error>;
}

/// Leaves the decision to `look`; that the server has the certificate's key is always checked.
#[derive(Debug)]
pub(super) struct Verifier<L> {
    pub(super) look: L,
    pub(super) provider: Arc<CryptoProvider>,
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
