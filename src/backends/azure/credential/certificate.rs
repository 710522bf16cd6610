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
use base64::{Engine as _, engine::general_purpose};
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
    signature::{RSA_PSS_SHA256, RsaKeyPair},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Serialize;
use serde_json::json;

use crate::Failure;

/// How long an assertion is good for.
const LIFE: Duration = Duration::from_secs(600);

/// A certificate and its key.
pub(super) struct Certificate {
    key: RsaKeyPair,
    /// The certificate first, then those that signed it.
    chain: Vec<Vec<u8>>,
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
        let file = tokio::fs::read(path)
            .await
            .map_err(|error| unusable(&error.to_string()))?;
        let text = String::from_utf8_lossy(&file);
        if !text.contains("-----BEGIN ") {
            return Err(unusable(
                "it is no PEM file; turn a PFX file into one with `openssl pkcs12 -in FILE.pfx \
                 -out FILE.pem -noenc`",
            ));
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.contains("Proc-Type: 4,ENCRYPTED")
        {
            return Err(unusable(
                "its key is encrypted; take the password off with `openssl pkey -in FILE.pem`, \
                 and keep the certificate in the same file",
            ));
        }
        let chain = CertificateDer::pem_slice_iter(&file)
            .filter_map(Result::ok)
            .map(|certificate| certificate.to_vec())
            .collect::<Vec<_>>();
        if chain.is_empty() {
            return Err(unusable("it holds no certificate"));
        }
        let key = match PrivateKeyDer::from_pem_slice(&file) {
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            Ok(_) => None,
            Err(_) => return Err(unusable("it holds no private key")),
        };
        Ok(Self {
            key: key.ok_or_else(|| unusable("its private key is no RSA key, or broken"))?,
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

    fn header(&self) -> String {
        let certificate = self.chain.first().map(Vec::as_slice).unwrap_or_default();
        let thumbprint = digest::digest(&digest::SHA256, certificate);
        let header = Header {
            alg: "PS256",
            typ: "JWT",
            thumbprint: url_safe(thumbprint.as_ref()),
            chain: self.sends_chain.then(|| {
                let chain = self.chain.iter();
                chain
                    .map(|der| general_purpose::STANDARD.encode(der))
                    .collect()
            }),
        };
        serde_json::to_string(&header).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
    #[serde(rename = "x5c", skip_serializing_if = "Option::is_none")]
    chain: Option<Vec<String>>,
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
    fn sign(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let random = SystemRandom::new();
        let mut id = [0_u8; 16];
        random.fill(&mut id).ok()?;
        let claims = json!({
            "aud": self.audience,
            "exp": (now + LIFE).as_secs(),
            "iat": now.as_secs(),
            "iss": self.client_id,
            "jti": url_safe(&id),
            "nbf": now.as_secs(),
            "sub": self.client_id,
        });
        let header = url_safe(self.certificate.header().as_bytes());
        let signed = format!("{header}.{}", url_safe(claims.to_string().as_bytes()));
        let key = &self.certificate.key;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature)
            .ok()?;
        Some(format!("{signed}.{}", url_safe(&signature)))
    }
}

#[async_trait]
impl ClientAssertion for CertificateAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.sign().ok_or_else(|| {
            let message = "the certificate's key cannot sign";
            let failure = Failure::configuration(message);
            Error::new(ErrorKind::Credential, failure)
        })
    }
}

fn url_safe(bytes: &[u8]) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
