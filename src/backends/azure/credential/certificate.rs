//! A login with a certificate: an assertion signed with its key, as
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials> describes it.

use std::{
    fmt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use azure_core::{Error, error::ErrorKind, http::ClientMethodOptions};
use azure_identity::ClientAssertion;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Failure, Secret,
    backends::tls::{
        jwt::{Algorithm, JwtSigner, base64url},
        pem, provider,
    },
    files,
};

/// How long an assertion is valid.
const LIFE: Duration = Duration::from_secs(600);

/// A certificate and its key.
pub(super) struct Certificate {
    signer: JwtSigner,
    /// The certificate first, then those that signed it.
    chain: Vec<CertificateDer<'static>>,
    sends_chain: bool,
}

impl Certificate {
    /// Reads a PEM file with the certificate and its key.
    ///
    /// # Errors
    /// When the file cannot be read or used.
    pub(super) async fn read(path: &Path, sends_chain: bool) -> Result<Self, Failure> {
        let unusable = |why: &str| {
            Failure::configuration(format!(
                "{} cannot be used as a client certificate: {why}",
                path.display()
            ))
        };
        let file = files::read_in_background(path).await;
        let file = file.map_err(|error| unusable(&error.to_string()))?;
        let text = String::from_utf8_lossy(&file);
        if !text.contains("-----BEGIN ") {
            return Err(unusable(
                "it is not a PEM file; convert a PFX file with `openssl pkcs12 -in FILE.pfx \
                 -out FILE.pem -noenc` (AZURE-8)",
            ));
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.contains("Proc-Type: 4,ENCRYPTED")
        {
            return Err(unusable(
                "its key is encrypted; remove the password with `openssl pkey -in FILE.pem`, and \
                 keep the certificate in the same file (AZURE-8)",
            ));
        }
        let chain = pem::certificates(&file)
            .map_err(|_| unusable("it contains a certificate that is cut off or is not base64"))?;
        if chain.is_empty() {
            return Err(unusable("it contains no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(&file)
            .map_err(|_| unusable("it contains no private key"))?;
        let signer = JwtSigner::new(key, Algorithm::Ps256);
        Ok(Self {
            signer: signer.ok_or_else(|| unusable("its private key is not a valid RSA key"))?,
            chain,
            sends_chain,
        })
    }

    /// An assertion for `client_id`, addressed to `audience`.
    pub(super) fn assertion(self, audience: &str, client_id: &str) -> CertificateAssertion {
        CertificateAssertion {
            certificate: self,
            audience: audience.to_owned(),
            client_id: client_id.to_owned(),
        }
    }

    fn header(&self) -> Value {
        let certificate = self.chain.first().map(AsRef::as_ref).unwrap_or_default();
        let mut header = json!({
            "alg": Algorithm::Ps256.name(),
            "typ": "JWT",
            "x5t#S256": base64url(Sha256::digest(certificate)),
        });
        if let (true, Some(header)) = (self.sends_chain, header.as_object_mut()) {
            let chain = self.chain.iter().map(|der| STANDARD.encode(der));
            header.insert("x5c".to_owned(), chain.collect());
        }
        header
    }
}

/// Signs a new assertion each time.
pub(super) struct CertificateAssertion {
    certificate: Certificate,
    audience: String,
    client_id: String,
}

impl fmt::Debug for CertificateAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateAssertion({})", self.client_id)
    }
}

impl CertificateAssertion {
    fn sign(&self) -> Option<Secret> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let mut id = [0_u8; 16];
        provider().secure_random.fill(&mut id).ok()?;
        let claims = json!({
            "aud": self.audience,
            "exp": (now + LIFE).as_secs(),
            "iat": now.as_secs(),
            "iss": self.client_id,
            "jti": base64url(id),
            "nbf": now.as_secs(),
            "sub": self.client_id,
        });
        let Certificate { signer, .. } = &self.certificate;
        signer.sign(&self.certificate.header(), &claims)
    }
}

#[async_trait]
impl ClientAssertion for CertificateAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = self.sign().map(|token| token.expose().to_owned());
        token.ok_or_else(|| {
            let message = "the certificate's key cannot sign";
            let failure = Failure::configuration(message);
            Error::new(ErrorKind::Credential, failure)
        })
    }
}
