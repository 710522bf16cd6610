//! Checks a signature of AWS's, version 4, as AWS documents it:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{digest, hmac};
use serde_json::Value;

/// What a login with a signed request says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) body: String,
    /// Their names are in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The names of those that are signed, in order.
    pub(crate) signed: Vec<String>,
    pub(crate) key_id: String,
    /// Date, region and service.
    pub(crate) scope: [String; 3],
    signature: String,
}

impl SignedRequest {
    /// Reads the body of a login, as <https://developer.hashicorp.com/vault/api-docs/auth/aws#login>
    /// describes it.
    pub(crate) fn of(login: &Value) -> Self {
        let text = |name: &str| login[name].as_str().unwrap_or_else(|| panic!("{name}"));
        let decoded =
            |name: &str| String::from_utf8(BASE64_STANDARD.decode(text(name)).unwrap()).unwrap();
        let headers = decoded("iam_request_headers");
        let headers = serde_json::from_str::<BTreeMap<String, Vec<String>>>(&headers).unwrap();
        let one = |(name, mut values): (String, Vec<String>)| {
            assert_eq!(values.len(), 1, "{name}");
            (name.to_lowercase(), values.remove(0))
        };
        let headers = headers.into_iter().map(one).collect::<BTreeMap<_, _>>();
        let authorization = headers["authorization"].strip_prefix("AWS4-HMAC-SHA256 ");
        let fields = authorization.unwrap().split(", ");
        let fields = fields.map(|field| field.split_once('=').unwrap());
        let fields = fields.collect::<BTreeMap<_, _>>();
        let mut credential = fields["Credential"].split('/').map(str::to_owned);
        let mut next = || credential.next().unwrap();
        let (key_id, scope) = (next(), [next(), next(), next()]);
        assert_eq!(next(), "aws4_request");
        Self {
            method: text("iam_http_request_method").to_owned(),
            url: decoded("iam_request_url"),
            body: decoded("iam_request_body"),
            signed: fields["SignedHeaders"]
                .split(';')
                .map(str::to_owned)
                .collect(),
            signature: fields["Signature"].to_owned(),
            key_id,
            scope,
            headers,
        }
    }

    /// Whether `secret` is that of the key which signed it.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let time = &self.headers["x-amz-date"];
        let [date, region, service] = &self.scope;
        assert!(time.starts_with(date.as_str()), "{time} {date}");
        let headers = self.signed.iter().map(|name| {
            let value = &self.headers[name];
            format!("{name}:{}\n", value.trim())
        });
        let canonical = format!(
            "{}\n/\n\n{}\n{}\n{}",
            self.method,
            headers.collect::<String>(),
            self.signed.join(";"),
            hex(digest::digest(&digest::SHA256, self.body.as_bytes()).as_ref()),
        );
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{service}/aws4_request\n{}",
            hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [date, region, service, "aws4_request"] {
            key = mac(&key, part);
        }
        hex(&mac(&key, &to_sign)) == self.signature
    }

    /// The same without what differs between any two. Airflow's client signs the length as well,
    /// AWS's own clients do not.
    pub(crate) fn without_time_and_signature(mut self) -> Self {
        self.signed.retain(|name| name != "content-length");
        for name in ["authorization", "x-amz-date"] {
            self.headers.remove(name).unwrap();
        }
        self.scope[0].clear();
        self.signature.clear();
        self
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
