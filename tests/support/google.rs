//! What Google's services answer, and a key to sign with.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::wire::{Answer, Request};

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

pub(crate) const ACCOUNT: &str = "reader@key-project.iam.gserviceaccount.com";

/// The PEM text of a private key that was made for this run.
pub(crate) fn private_key() -> String {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&*KEY).unwrap();
    let lines = BASE64_STANDARD.encode(der.as_ref());
    let lines = lines.as_bytes().chunks(64);
    let lines = lines.map(|line| std::str::from_utf8(line).unwrap().to_owned() + "\n");
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n",
        lines.collect::<String>()
    )
}

/// The key file of a service account.
pub(crate) fn key_file() -> Value {
    json!({
        "type": "service_account",
        "project_id": "key-project",
        "private_key_id": "key-1",
        "private_key": private_key(),
        "client_email": ACCOUNT,
        "token_uri": "http://127.0.0.1:1/token",
    })
}

/// The claims of the JWT in a request's `Authorization`, once its signature was found to be the
/// key file's.
pub(crate) fn verified_claims(request: &Request) -> Value {
    claims_of(&bearer(request))
}

/// The same of a JWT.
pub(crate) fn claims_of(token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key())
        .verify(signed.as_bytes(), &decode(signature))
        .expect("the signature is the key file's");
    let header = serde_json::from_slice::<Value>(&decode(header)).unwrap();
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["kid"], "key-1");
    serde_json::from_slice(&decode(claims)).unwrap()
}

/// The JWT of these claims, signed with the key file's key.
pub(crate) fn signed(claims: &str) -> String {
    let header = json!({"alg": "RS256", "kid": "key-1", "typ": "JWT"}).to_string();
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let mut signature = vec![0; KEY.public_modulus_len()];
    let random = SystemRandom::new();
    KEY.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", encode(&signature))
}

/// The token that a request carries.
pub(crate) fn bearer(request: &Request) -> String {
    let header = request.header("authorization").expect("a token");
    header.strip_prefix("Bearer ").expect("a bearer").to_owned()
}

/// A version's payload as Secret Manager's REST reference has it, with its CRC-32C.
pub(crate) fn payload(bytes: impl AsRef<[u8]>) -> Answer {
    Answer::new(200, version(bytes).to_string())
}

pub(crate) fn payload_with_sum(bytes: impl AsRef<[u8]>, sum: u32) -> Answer {
    Answer::new(200, version_with_sum(bytes, sum).to_string())
}

pub(crate) fn version(bytes: impl AsRef<[u8]>) -> Value {
    let sum = crc32c(bytes.as_ref());
    version_with_sum(bytes, sum)
}

fn version_with_sum(bytes: impl AsRef<[u8]>, sum: u32) -> Value {
    // An int64 is a text in JSON.
    let payload =
        json!({"data": BASE64_STANDARD.encode(bytes.as_ref()), "dataCrc32c": sum.to_string()});
    json!({"name": "projects/1/secrets/x/versions/1", "payload": payload})
}

/// CRC-32C by its definition (RFC 3720, appendix B.4), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82F6_3B78 * (sum & 1))
        })
    };
    !bytes.iter().fold(!0, step)
}

/// An error as all of Google's REST services write it (AIP-193).
pub(crate) fn refusal(http_status: u16, status: &str, message: &str) -> Answer {
    let error = json!({"code": http_status, "message": message, "status": status});
    Answer::new(http_status, json!({ "error": error }).to_string())
}

/// What a token endpoint gives.
pub(crate) fn token(text: &str) -> Answer {
    let token = json!({"access_token": text, "expires_in": 3600, "token_type": "Bearer"});
    Answer::new(200, token.to_string())
}
