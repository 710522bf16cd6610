//! TLS to a database server: whose certificate is trusted, and how far it is looked at.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore, SupportedProtocolVersion,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ParsedCertificate,
};

use super::driver::Fault;
use crate::backends::verifier::{Look, Shown, Verifier};

/// What the URL's options say about TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsOptions {
    pub(super) trust: Trust,
    pub(super) check: Check,
    /// The client's certificate and its key, both PEM files.
    pub(super) identity: Option<(String, String)>,
    pub(super) versions: Versions,
}

/// Whose signature on the server's certificate counts.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only libpq can ask for all")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing was said.
    Unset,
    /// That of the authorities in this PEM file.
    File(String),
    /// That of the authorities the operating system trusts.
    System,
}

/// How far the server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// Not at all: nobody can listen, but anybody can answer.
    Nothing,
    /// Who signed it.
    Authority,
    /// Who signed it, and that it is of the host that was asked for.
    AuthorityAndHost,
}

/// Which versions of TLS may be spoken.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only libpq can ask for all")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    Both,
    Only12,
    Only13,
}

impl TlsOptions {
    /// The configuration for connections, read from the files anew.
    pub(super) fn config(&self) -> Result<ClientConfig, Fault> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            look: AsFar {
                roots: self.roots()?,
                check: self.check,
            },
            provider: Arc::clone(&provider),
        };
        let versions: &[&SupportedProtocolVersion] = match self.versions {
            Versions::Both => rustls::ALL_VERSIONS,
            Versions::Only12 => &[&rustls::version::TLS12],
            Versions::Only13 => &[&rustls::version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| Fault::unavailable(format!("cannot set up TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "client certificate")?;
                let key =
                    PrivateKeyDer::from_pem_slice(&read(key, "client key")?).map_err(|_| {
                        Fault::unavailable(format!(
                            "no usable private key in {key}; it must be PEM, and not encrypted"
                        ))
                    })?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Fault::unavailable(format!(
                        "cannot use the client certificate {certificate}: {error}"
                    ))
                })
            }
        }
    }

    /// The certificates that are trusted.
    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, Fault> {
        match &self.trust {
            Trust::File(path) => certificates(path, "file of certificate authorities"),
            Trust::System => {
                let found = rustls_native_certs::load_native_certs();
                if found.certs.is_empty() {
                    return Err(Fault::unavailable(
                        "the operating system has no certificate authorities; name a file of them",
                    ));
                }
                Ok(found.certs)
            }
            Trust::Unset => Ok(Vec::new()),
        }
    }
}

/// The certificates in the PEM file at `path`; there is at least one.
fn certificates(path: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = CertificateDer::pem_slice_iter(&read(path, what)?)
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    if found.is_empty() {
        return Err(Fault::unavailable(format!(
            "no certificate in the {what} {path}; it must be PEM"
        )));
    }
    Ok(found)
}

fn read(path: &str, what: &str) -> Result<Vec<u8>, Fault> {
    fs::read(Path::new(path))
        .map_err(|error| Fault::unavailable(format!("cannot read the {what} {path}: {error}")))
}

/// Looks at the server's certificate as far as it should.
#[derive(Debug)]
struct AsFar {
    roots: Vec<CertificateDer<'static>>,
    check: Check,
}

impl AsFar {
    /// Whether a trusted authority signed the certificate. A certificate that is itself one of
    /// those named in the file counts, as with OpenSSL, though it may sign others.
    fn check_authority(
        &self,
        shown: &Shown<'_>,
        parsed: &ParsedCertificate<'_>,
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.roots.iter().cloned());
        let checked = verify_server_cert_signed_by_trust_anchor(
            parsed,
            &roots,
            shown.intermediates,
            shown.now,
            shown.algorithms.all,
        );
        match checked {
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if self.roots.contains(shown.certificate)
                    && format!("{other:?}").contains("CaUsedAsEndEntity") =>
            {
                Ok(())
            }
            checked => checked,
        }
    }
}

impl Look for AsFar {
    fn look(&self, shown: &Shown<'_>) -> Result<(), Error> {
        if self.check < Check::Authority {
            return Ok(());
        }
        let parsed = ParsedCertificate::try_from(shown.certificate)?;
        self.check_authority(shown, &parsed)?;
        if self.check == Check::AuthorityAndHost {
            verify_server_name(&parsed, shown.server_name)?;
        }
        Ok(())
    }
}
