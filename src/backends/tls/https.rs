//! The configuration of TLS to servers that are asked over HTTPS.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, Error, RootCertStore, client::WantsClientCert,
    pki_types::CertificateDer,
};

use super::{Look, Shown, Verifier, identity::Identity, provider, roots};
#[cfg(any(feature = "astro", feature = "azure", feature = "gcp"))]
use crate::{Environment, backends::http_options::HttpOptions};
use crate::{
    Failure,
    backends::http_options::{ClientCertificate, Roots},
    config::Setting,
};

/// What TLS to a server is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    /// Without any, Mozilla's authorities.
    pub(crate) roots: Option<Setting<Roots>>,
    pub(crate) client_certificate: Option<Setting<ClientCertificate>>,
}

impl Tls {
    /// The configuration of a client that reads `options`, then `environment` as Python's `requests` does.
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name further authorities, unless the options name all that
    /// are trusted.
    ///
    /// # Errors
    /// As those of [`config`](Self::config).
    #[cfg(any(feature = "astro", feature = "azure", feature = "gcp"))]
    pub(crate) async fn of_client(
        options: &HttpOptions,
        environment: &Environment,
        of_machine: Vec<CertificateDer<'static>>,
    ) -> Result<ClientConfig, Failure> {
        let mut further = Vec::new();
        if options.roots.is_none() {
            further = roots::further(environment).await;
        }
        let of_requests = || Roots::of_requests(environment);
        let roots = options.roots.clone().or_else(of_requests);
        if roots.is_none() {
            further.extend(of_machine);
        }
        let tls = Self {
            roots,
            client_certificate: options.client_certificate.clone(),
        };
        tls.config_with(further).await
    }

    /// The configuration, read from the files.
    ///
    /// # Errors
    /// When a file cannot be read or used, with the setting that names it.
    #[cfg(feature = "_aws")]
    pub(crate) async fn config(&self) -> Result<ClientConfig, Failure> {
        self.config_with(Vec::new()).await
    }

    /// The same; it trusts `further` authorities besides, unless the certificate is not checked.
    #[cfg_attr(
        not(any(
            feature = "vault",
            feature = "_aws",
            feature = "azure",
            feature = "gcp"
        )),
        allow(
            dead_code,
            reason = "the Execution API's client trusts as OpenSSL does"
        )
    )]
    pub(crate) async fn config_with(
        &self,
        further: Vec<CertificateDer<'static>>,
    ) -> Result<ClientConfig, Failure> {
        self.config_by(further, trusting).await
    }

    /// The same; a certificate that is itself one of the trusted ones is accepted, as by OpenSSL, though
    /// it may sign others.
    #[cfg(feature = "execution-api")]
    pub(crate) async fn config_as_openssl(
        &self,
        further: Vec<CertificateDer<'static>>,
    ) -> Result<ClientConfig, Failure> {
        self.config_by(further, super::itself::trusting).await
    }

    async fn config_by(
        &self,
        further: Vec<CertificateDer<'static>>,
        trusting: fn(Option<Vec<CertificateDer<'static>>>) -> Result<Builder, Error>,
    ) -> Result<ClientConfig, Failure> {
        let mut authorities = match &self.roots {
            Some(given) => given.read().await?,
            None => Some(roots::mozilla()),
        };
        if let Some(authorities) = &mut authorities {
            authorities.extend(further);
        }
        let builder = trusting(authorities)
            .map_err(|error| Failure::configuration(format!("TLS cannot be set up: {error}")))?;
        let Some(given) = &self.client_certificate else {
            return Ok(builder.with_no_client_auth());
        };
        let unusable = |why: &str| given.failure(format!("cannot be used: {why}"));
        let Identity { chain, key } = given.value.read().await.map_err(|why| unusable(&why))?;
        let config = builder.with_client_auth_cert(chain, key);
        config.map_err(|_| unusable("the key does not belong to the certificate"))
    }
}

/// TLS that trusts nobody, for addresses that are asked without it.
#[allow(dead_code, reason = "who asks without TLS depends on the features")]
pub(crate) fn no_tls() -> Result<ClientConfig, Failure> {
    let builder = trusting(Some(Vec::new()));
    let config = builder.map(ConfigBuilder::<ClientConfig, _>::with_no_client_auth);
    config.map_err(|error| Failure::configuration(format!("TLS cannot be set up: {error}")))
}

/// A configuration whose trust is settled.
pub(super) type Builder = ConfigBuilder<ClientConfig, WantsClientCert>;

/// Trusts `authorities`; without them the certificate is not checked.
pub(super) fn trusting(
    authorities: Option<Vec<CertificateDer<'static>>>,
) -> Result<Builder, Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    Ok(match authorities {
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            // A certificate that cannot be parsed is left out.
            roots.add_parsable_certificates(authorities);
            builder.with_root_certificates(roots)
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier {
                look: NoCheck,
                provider,
            })),
    })
}

/// Accepts every certificate.
#[derive(Debug)]
struct NoCheck;

impl Look for NoCheck {
    fn look(&self, _: &Shown<'_>) -> Result<(), Error> {
        Ok(())
    }
}
