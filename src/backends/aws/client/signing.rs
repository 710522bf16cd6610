//! What is added to a request below the SDK, which logs requests at level TRACE: the secrets in it,
//! and its signature, which covers the session token.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign},
        identity::{Identity, SharedIdentityResolver},
        orchestrator::HttpRequest,
        runtime_components::{GetIdentityResolver, RuntimeComponents},
    },
};
use aws_smithy_types::{
    config_bag::ConfigBag,
    date_time::{DateTime, Format},
};
use aws_types::{SigningName, region::SigningRegion};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST, InvalidHeaderValue},
    request::Parts,
};
use percent_encoding::utf8_percent_encode;

use crate::{
    Secret,
    backends::sigv4::{Canonical, IN_PATH, Signer},
};

/// Headers that are not signed, since proxies and the client may change them.
const NOT_SIGNED: [&str; 6] = [
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "content-length",
    "user-agent",
    "x-amz-user-agent",
    "x-amzn-trace-id",
];

/// Secrets of a request, each with the placeholder that the SDK sees in its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct HiddenSecrets(Vec<(&'static str, Secret)>);

impl HiddenSecrets {
    /// Hides a secret as it stands in the request: percent-encoded in a form, escaped in JSON.
    pub(crate) fn hide(&mut self, placeholder: &'static str, encoded: Secret) -> &'static str {
        self.0.push((placeholder, encoded));
        placeholder
    }

    /// For `mutate_request` of the SDK's calls.
    pub(crate) fn attach(self) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
        move |request| request.add_extension(self.clone())
    }

    fn reveal(&self, head: &mut Parts, body: &Bytes) -> Result<Bytes, InvalidHeaderValue> {
        let mut text = String::from_utf8_lossy(body).into_owned();
        for (placeholder, secret) in &self.0 {
            for value in head.headers.values_mut() {
                if value == placeholder {
                    *value = sensitive(secret.expose())?;
                }
            }
            text = text.replace(placeholder, secret.expose());
        }
        if head.headers.contains_key(CONTENT_LENGTH) {
            head.headers.insert(CONTENT_LENGTH, text.len().into());
        }
        Ok(text.into())
    }
}

/// The auth scheme `sigv4`: it notes with what a request is to be signed, and
/// [`complete`] signs it.
#[derive(Debug)]
pub(crate) struct SignedBelow;

impl AuthScheme for SignedBelow {
    fn scheme_id(&self) -> AuthSchemeId {
        AuthSchemeId::new("sigv4")
    }

    fn identity_resolver(
        &self,
        resolvers: &dyn GetIdentityResolver,
    ) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(self.scheme_id())
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for SignedBelow {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        endpoint: AuthSchemeEndpointConfig<'_>,
        _: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        let of_endpoint = |name: &str| {
            let options = endpoint.as_document()?.as_object()?;
            Some(options.get(name)?.as_string()?.to_owned())
        };
        let region = || Some(config.load::<SigningRegion>()?.as_ref().to_owned());
        let service = || Some(config.load::<SigningName>()?.as_ref().to_owned());
        request.add_extension(SignWith {
            credentials: identity
                .data::<Credentials>()
                .ok_or("the identity holds no AWS credentials")?
                .clone(),
            region: of_endpoint("signingRegion")
                .or_else(region)
                .ok_or("no region to sign for")?,
            service: of_endpoint("signingName")
                .or_else(service)
                .ok_or("no service to sign for")?,
        });
        Ok(())
    }
}

/// With what a request is signed.
#[derive(Debug, Clone)]
struct SignWith {
    credentials: Credentials,
    region: String,
    service: String,
}

/// Puts in what the SDK did not see: the body, with its secrets; headers, with the signature.
///
/// # Errors
/// When a credential cannot be in a header.
pub(crate) fn complete(head: &mut Parts, mut body: Bytes) -> Result<Bytes, InvalidHeaderValue> {
    if let Some(hidden) = head.extensions.remove::<HiddenSecrets>() {
        body = hidden.reveal(head, &body)?;
    }
    if let Some(signer) = head.extensions.remove::<SignWith>() {
        let SignWith {
            credentials,
            region,
            service,
        } = signer;
        let now = SystemTime::now();
        sign(head, &body, &credentials, &region, &service, now)?;
    }
    Ok(body)
}

/// Signs a request: AWS's Signature Version 4. Its path must not be normalized on the way.
///
/// # Errors
/// When a credential cannot be in a header.
pub(crate) fn sign(
    head: &mut Parts,
    body: &[u8],
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<(), InvalidHeaderValue> {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = DateTime::from_secs(seconds.as_secs().try_into().unwrap_or_default());
    let mut time_text = seconds.fmt(Format::DateTime).unwrap_or_default();
    time_text.retain(|c| !matches!(c, '-' | ':'));

    head.headers.insert(HOST, host(&head.uri)?);
    head.headers
        .insert("x-amz-date", HeaderValue::try_from(&time_text)?);
    if let Some(token) = credentials.session_token() {
        head.headers
            .insert("x-amz-security-token", sensitive(token)?);
    }
    let headers = canonical_headers(&head.headers);
    let headers = headers.iter().map(|(name, value)| (*name, &**value));
    let signer = Signer {
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.secret_access_key(),
        region,
        service,
        time: &time_text,
    };
    let authorization = signer.authorization(&Canonical {
        method: head.method.as_str(),
        path: &utf8_percent_encode(head.uri.path(), IN_PATH).to_string(),
        query: head.uri.query().unwrap_or_default(),
        headers: &headers.collect::<Vec<_>>(),
        body,
    });
    head.headers
        .insert(AUTHORIZATION, HeaderValue::try_from(authorization)?);
    Ok(())
}

/// The headers that are signed, by name.
fn canonical_headers(headers: &HeaderMap) -> Vec<(&str, String)> {
    let names = headers.keys().map(http::HeaderName::as_str);
    let mut names = names
        .filter(|name| !NOT_SIGNED.contains(name))
        .collect::<Vec<_>>();
    names.sort_unstable();
    let value = |name| {
        let values = headers.get_all(name).iter().map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        });
        values.collect::<Vec<_>>().join(",")
    };
    names.into_iter().map(|name| (name, value(name))).collect()
}

/// The header `host`: without the port where that is the scheme's own.
fn host(uri: &Uri) -> Result<HeaderValue, InvalidHeaderValue> {
    let host = uri.host().unwrap_or_default();
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => {
            HeaderValue::try_from(host)
        }
        (Some(port), _) => HeaderValue::try_from(format!("{host}:{port}")),
    }
}

/// A header that `Debug` does not show.
fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;

    /// 3:04:05 on 2 January 2026.
    const TIME: Duration = Duration::from_secs(1_767_323_045);

    /// The header that botocore's `SigV4Auth` gives for the same.
    fn signed(url: &str, headers: &[(&str, &str)], body: &str, token: Option<&str>) -> String {
        let mut request = Request::post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let service = head.uri.host().unwrap().split('.').next().unwrap();
        let (region, service) = match service {
            "secretsmanager" => ("eu-west-1", "secretsmanager"),
            "sts" => ("us-east-1", "sts"),
            _ => ("us-east-1", "ssm"),
        };
        let token = token.map(str::to_owned);
        let credentials = Credentials::new("AKIATEST", "secret/key", token, None, "test");
        let time = UNIX_EPOCH + TIME;
        sign(
            &mut head,
            body.as_bytes(),
            &credentials,
            region,
            service,
            time,
        )
        .unwrap();
        let header = head.headers.remove(AUTHORIZATION).unwrap();
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn requests_are_signed_as_botocore_signs_them() {
        let json = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "secretsmanager.GetSecretValue"),
            ("user-agent", "not signed"),
        ];
        assert_eq!(
            signed(
                "https://secretsmanager.eu-west-1.amazonaws.com/",
                &json,
                r#"{"SecretId":"airflow/variables/x"}"#,
                Some("session-token"),
            ),
            "AWS4-HMAC-SHA256 \
             Credential=AKIATEST/20260102/eu-west-1/secretsmanager/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
             Signature=11a244fd9dd956f6791b09c367ce2c5ffc5293f6a49e43f2c202935a737a6336"
        );
        assert_eq!(
            signed(
                "http://localhost:5000/base/a%20b",
                &[
                    ("x-amz-target", "AmazonSSM.GetParameter"),
                    ("x-two", " a   b ")
                ],
                "{}",
                None,
            ),
            "AWS4-HMAC-SHA256 Credential=AKIATEST/20260102/us-east-1/ssm/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target;x-two, \
             Signature=5750264174e3d1b90405cdf4447d3cd5ee2ce6b7381b1edf43db3da735ae652c"
        );
        assert_eq!(
            signed(
                "https://sts.amazonaws.com:443/",
                &[(
                    "content-type",
                    "application/x-www-form-urlencoded; charset=utf-8"
                )],
                "Action=AssumeRole&Version=2011-06-15",
                Some("t/+="),
            ),
            "AWS4-HMAC-SHA256 Credential=AKIATEST/20260102/us-east-1/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, \
             Signature=7760257eb3fee62179dbc3dbd45a1e8f29283aa3024d79bc0913d3e41028ba8d"
        );
    }
}
