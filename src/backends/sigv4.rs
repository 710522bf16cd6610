//! AWS's Signature Version 4, of a request in its canonical form:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>.
//!
//! `aws-sigv4` logs what it signs, the session token among it; this logs nothing.

use hmac::{Hmac, Mac as _, digest::Output};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

/// What AWS percent-encodes in a query.
pub(super) const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What AWS percent-encodes in a path.
#[cfg(feature = "_aws")]
pub(super) const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// Who signs, for whom, and when.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// As AWS writes it: `20150830T123600Z`.
    pub(super) time: &'a str,
}

/// What is signed.
pub(super) struct Canonical<'a> {
    pub(super) method: &'a str,
    /// Percent-encoded as AWS does it.
    pub(super) path: &'a str,
    /// Sorted, and percent-encoded as AWS does it.
    pub(super) query: &'a str,
    /// Sorted by their names, which are in lower case.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

impl Signer<'_> {
    /// The header `Authorization` for `request`.
    pub(super) fn authorization(&self, request: &Canonical<'_>) -> String {
        let lines = request.headers.iter();
        let lines = lines.map(|(name, value)| format!("{name}:{value}\n"));
        let names = request.headers.iter().map(|(name, _)| *name);
        let names = names.collect::<Vec<_>>().join(";");
        let canonical = format!(
            "{}\n{}\n{}\n{}\n{names}\n{:x}",
            request.method,
            request.path,
            request.query,
            lines.collect::<String>(),
            Sha256::digest(request.body)
        );
        let date = self.time.split('T').next().unwrap_or_default();
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{:x}",
            self.time,
            Sha256::digest(canonical)
        );
        let first = Zeroizing::new(format!("AWS4{}", self.secret_access_key));
        let key = [self.region, self.service, "aws4_request"]
            .into_iter()
            .fold(mac(first.as_bytes(), date), |key, part| mac(&key, part));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={:x}",
            self.access_key_id,
            mac(&key, &to_sign)
        )
    }
}

fn mac(key: &[u8], text: &str) -> Output<Sha256> {
    // HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Output::<Sha256>::default(),
        |mac| mac.chain_update(text).finalize().into_bytes(),
    )
}
