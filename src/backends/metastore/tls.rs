//! TLS to a database server: which authorities are trusted, and how the certificate is checked.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore, SupportedProtocolVersion,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ParsedCertificate,
};

use zeroize::Zeroizing;

use super::driver::Fault;
use crate::{
    backends::tls::{Look, Shown, Verifier, machine, pem, places::authorities_at, provider},
    files,
};

/// What the URL's options say about TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsOptions {
    pub(super) trust: Trust,
    pub(super) check: Check,
    /// The client's certificate and its key, both PEM files.
    pub(super) identity: Option<(String, String)>,
    pub(super) versions: Versions,
}

/// The authorities whose signature on the server's certificate counts.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only libpq can ask for all")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Not set.
    Unset,
    /// Those in this PEM file.
    File(String),
    /// Those in these files and folders or, where there are none, those that the operating system
    /// trusts.
    System(Vec<PathBuf>),
}

/// What of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// Nothing: nobody can listen, but anybody can answer.
    Nothing,
    /// Its signature.
    Authority,
    /// Its signature, and that it names the host that was asked for.
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
    /// TLS without any check.
    #[cfg(feature = "postgres")]
    pub(super) fn unchecked() -> Self {
        Self {
            trust: Trust::Unset,
            check: Check::Nothing,
            identity: None,
            versions: Versions::Both,
        }
    }

    /// The configuration for a connection. Its files are read anew, on a thread where that may block.
    pub(super) async fn config(&self) -> Result<ClientConfig, Fault> {
        if self.trust == Trust::Unset && self.identity.is_none() {
            return self.read();
        }
        let options = self.clone();
        let read = tokio::task::spawn_blocking(move || options.read()).await;
        read.unwrap_or_else(|_| Err(Fault::unavailable("the runtime ended during the lookup")))
    }

    fn read(&self) -> Result<ClientConfig, Fault> {
        let provider = provider();
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
            .map_err(|error| Fault::configuration(format!("cannot set up TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "client certificate", pem::at_least_one)?;
                let key =
                    PrivateKeyDer::from_pem_slice(&read(key, "client key")?).map_err(|_| {
                        Fault::configuration(format!(
                            "the file {key} contains no usable private key; it must be PEM, and not encrypted"
                        ))
                    })?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Fault::configuration(format!(
                        "cannot use the client certificate {certificate}: {error}"
                    ))
                })
            }
        }
    }

    /// The certificates that are trusted.
    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, Fault> {
        match &self.trust {
            Trust::File(path) => {
                certificates(path, "file of certificate authorities", pem::authorities)
            }
            Trust::System(named) if named.is_empty() => {
                let found = machine::authorities();
                if found.is_empty() {
                    return Err(Fault::configuration(
                        "the operating system has no certificate authorities; set `sslrootcert` to a file of \
                         them",
                    ));
                }
                Ok(found)
            }
            Trust::System(named) => {
                let (found, unusable): (Vec<_>, Vec<_>) = named
                    .iter()
                    .map(|path| authorities_at(path))
                    .partition(Result::is_ok);
                if found.is_empty() {
                    let unusable = unusable.into_iter().filter_map(Result::err);
                    let unusable = unusable.collect::<Vec<_>>().join("; ");
                    return Err(Fault::configuration(format!(
                        "SSL_CERT_FILE or SSL_CERT_DIR: {unusable}"
                    )));
                }
                Ok(found.into_iter().flatten().flatten().collect())
            }
            Trust::Unset => Ok(Vec::new()),
        }
    }
}

/// The certificates in the PEM file at `path`; there is at least one. `parse` says what is wrong with
/// its text.
fn certificates(
    path: &str,
    what: &str,
    parse: fn(&[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str>,
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    parse(&read(path, what)?)
        .map_err(|problem| Fault::configuration(format!("the {what} {path} {problem}")))
}

fn read(path: &str, what: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    files::read(path).map_err(|error| {
        Fault::configuration(format!(
            "cannot read the {what} {path}: {error}; correct its path in the URL, or let this user \
             read it"
        ))
    })
}

/// Checks of the server's certificate what the options ask for.
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
                    && other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
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
