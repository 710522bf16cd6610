//! JSON Web Tokens, signed with an RSA key by the crypto provider.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{SignatureScheme, pki_types::PrivateKeyDer, sign::Signer};
use serde_json::Value;

use super::provider::provider;
use crate::Secret;

/// How a token is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Algorithm {
    #[cfg_attr(
        not(any(feature = "_aws", feature = "gcp")),
        allow(dead_code, reason = "only Google asks for it")
    )]
    Rs256,
    #[cfg_attr(
        not(feature = "azure"),
        allow(dead_code, reason = "only Microsoft asks for it")
    )]
    Ps256,
}

impl Algorithm {
    /// The name in a token's header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Self::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
            Self::Ps256 => SignatureScheme::RSA_PSS_SHA256,
        }
    }
}

/// A key that signs tokens.
pub(crate) struct JwtSigner(Box<dyn Signer>);

impl fmt::Debug for JwtSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSigner")
    }
}

impl JwtSigner {
    /// A signer with `key`, or `None` where that is no valid RSA key.
    pub(crate) fn new(key: PrivateKeyDer<'static>, algorithm: Algorithm) -> Option<Self> {
        let key = provider().key_provider.load_private_key(key).ok()?;
        key.choose_scheme(&[algorithm.scheme()]).map(Self)
    }

    /// The token of `header` and `claims`, or `None` where the key cannot sign.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Option<Secret> {
        let signed = format!(
            "{}.{}",
            base64url(header.to_string()),
            base64url(claims.to_string())
        );
        let signature = self.0.sign(signed.as_bytes()).ok()?;
        Some(Secret::from(format!("{signed}.{}", base64url(signature))))
    }
}

/// In the base64 of tokens.
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
