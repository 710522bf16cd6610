//! The token of a service account's key: a JWT that the key signs. Nobody is asked for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use super::{
    file::CredentialFile,
    token::{LIFE, Token},
};
use crate::{
    Failure,
    backends::tls::jwt::{Algorithm, JwtSigner},
};

/// A token for `scope`.
///
/// # Errors
/// When the key of `file` cannot sign.
pub(super) fn token(file: &CredentialFile, scope: &str) -> Result<Token, Failure> {
    let document = file.document();
    let field = |name| {
        document
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let email = field("client_email");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let header = json!({
        "alg": Algorithm::Rs256.name(), "typ": "JWT", "kid": field("private_key_id"),
    });
    let claims = json!({
        "iss": email, "sub": email, "scope": scope, "iat": now, "exp": now + LIFE,
    });
    let token = signer(field("private_key")).and_then(|signer| signer.sign(&header, &claims));
    let token = token.ok_or_else(|| file.unusable())?;
    Token::new(token.expose(), Duration::from_secs(LIFE))
}

/// A signer with the private key `pem`, where that is an RSA key.
pub(super) fn signer(pem: &str) -> Option<JwtSigner> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
    JwtSigner::new(key, Algorithm::Rs256)
}
