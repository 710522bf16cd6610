//! Trust in a server's certificate that is itself among those named, as OpenSSL has it: a certificate that
//! its owner signed, and that may sign others, as `openssl req -x509` makes it.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    pki_types::CertificateDer,
    server::ParsedCertificate,
};

use super::{
    Look, Shown, Verifier,
    https::{self, Builder},
    provider,
};

/// Trusts `named`, and what they sign; without them the certificate is not checked.
pub(super) fn trusting(named: Option<Vec<CertificateDer<'static>>>) -> Result<Builder, Error> {
    let Some(named) = named else {
        return https::trusting(None);
    };
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be parsed is left out.
    roots.add_parsable_certificates(named.iter().cloned());
    let provider = provider();
    let look = NamedOrSigned { named, roots };
    Ok(ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { look, provider })))
}

/// Accepts a certificate for the server's name that one of those named has signed, or that is one of them.
#[derive(Debug)]
struct NamedOrSigned {
    named: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
}

impl Look for NamedOrSigned {
    fn look(&self, shown: &Shown<'_>) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(shown.certificate)?;
        let checked = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            shown.intermediates,
            shown.now,
            shown.algorithms.all,
        );
        match checked {
            // It is said only of one whose time is right.
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
                    && self.named.contains(shown.certificate) => {}
            checked => checked?,
        }
        verify_server_name(&parsed, shown.server_name)
    }
}
