//! TLS: whom we trust, and the certificate we show.

use std::sync::Arc;

use rustls::{
    ClientConfig, Error, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::backends::verifier::{Look, Shown, Verifier};

/// A certificate with those that signed it, and its key.
pub(in crate::backends) struct Identity {
    pub(in crate::backends) chain: Vec<CertificateDer<'static>>,
    pub(in crate::backends) key: PrivateKeyDer<'static>,
}

/// TLS that trusts `authorities`, or anybody where they are `None`.
///
/// # Errors
/// When the certificate and the key of `identity` do not belong together.
pub(in crate::backends) fn config(
    authorities: Option<Vec<CertificateDer<'static>>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match authorities {
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            // One that is too odd to be read vouches for nobody.
            roots.add_parsable_certificates(authorities);
            builder.with_root_certificates(roots)
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier {
                look: NoCheck,
                provider,
            })),
    };
    match identity {
        Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct NoCheck;

impl Look for NoCheck {
    fn look(&self, _: &Shown<'_>) -> Result<(), Error> {
        Ok(())
    }
}
