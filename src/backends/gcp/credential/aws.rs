//! The identity of a machine on AWS, shown to Google: a signed request for `GetCallerIdentity`, which
//! Google sends on to AWS.

use std::time::SystemTime;

use http::Request;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};
use url::Url;

use super::token::Giver;
use crate::{
    Environment, Failure, Secret,
    backends::{
        gcp::client::wire::{self, Body, Wire},
        sigv4::{Canonical, IN_QUERY, Signer},
    },
};

/// Where AWS tells who signed a request.
const VERIFICATION_URL: &str =
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";

/// How long the token for the metadata service is asked for, in seconds.
const SESSION_LIFE: &str = "300";

const SERVER: Giver<'_> = Giver::of_others("AWS's instance metadata service");

/// The subject token for the credential source of which `text` gives the fields.
///
/// # Errors
/// When the environment holds no AWS credentials, and AWS's metadata service gives none.
pub(super) async fn subject_token<'a>(
    text: &(impl Fn(&str) -> Option<&'a str> + Sync),
    audience: &str,
    wire: &Wire,
) -> Result<Secret, Failure> {
    let environment = wire.environment();
    let instance = Instance {
        region_url: text("region_url"),
        role_url: text("url"),
        session_url: text("imdsv2_session_token_url"),
        wire,
    };
    let of_environment = (region(environment), Keys::in_environment(environment));
    let (region, keys) = match of_environment {
        (Some(region), Some(keys)) => (region, keys),
        (region, keys) => {
            let session = instance.session().await?;
            let region = match region {
                Some(region) => region,
                None => instance.region(session.as_ref()).await?,
            };
            let keys = match keys {
                Some(keys) => keys,
                None => instance.keys(session.as_ref()).await?,
            };
            (region, keys)
        }
    };
    let url = text("regional_cred_verification_url").unwrap_or(VERIFICATION_URL);
    let url = Url::parse(&url.replace("{region}", &region));
    let url = url.ok().filter(Url::has_host).ok_or_else(|| {
        Failure::configuration(
            "\"regional_cred_verification_url\" in the credential file is not a URL",
        )
    })?;
    let request = keys.signed(&url, &region, audience, &moment(SystemTime::now()));
    let token =
        url::form_urlencoded::byte_serialize(request.to_string().as_bytes()).collect::<String>();
    Ok(token.into())
}

fn region(environment: &Environment) -> Option<String> {
    let region = environment.non_empty("AWS_REGION");
    let region = region.or_else(|| environment.non_empty("AWS_DEFAULT_REGION"));
    region.map(str::to_owned)
}

/// The metadata service of the machine.
struct Instance<'a> {
    region_url: Option<&'a str>,
    role_url: Option<&'a str>,
    session_url: Option<&'a str>,
    wire: &'a Wire,
}

impl Instance<'_> {
    /// The token that version 2 of the service needs.
    async fn session(&self) -> Result<Option<Secret>, Failure> {
        let Some(url) = self.session_url else {
            return Ok(None);
        };
        let answer = SERVER.ask(self.wire, || {
            let request =
                Request::put(url).header("x-aws-ec2-metadata-token-ttl-seconds", SESSION_LIFE);
            request
                .body(Body::default())
                .map_err(|_| wire::unsendable())
        });
        text(&answer.await?).map(Some)
    }

    async fn get(&self, url: &str, session: Option<&Secret>) -> Result<Secret, Failure> {
        let answer = SERVER.ask(self.wire, || {
            let mut request = Request::get(url);
            if let Some(session) = session {
                request = request.header("x-aws-ec2-metadata-token", session.expose());
            }
            request
                .body(Body::default())
                .map_err(|_| wire::unsendable())
        });
        text(&answer.await?)
    }

    /// That of the machine's availability zone, which has a letter more.
    async fn region(&self, session: Option<&Secret>) -> Result<String, Failure> {
        let url = self
            .region_url
            .ok_or_else(|| missing("AWS_REGION", "region_url"))?;
        let zone = self.get(url, session).await?;
        let zone = zone.expose().trim();
        Ok(zone
            .trim_end_matches(|c: char| c.is_ascii_alphabetic())
            .to_owned())
    }

    async fn keys(&self, session: Option<&Secret>) -> Result<Keys, Failure> {
        let url = self
            .role_url
            .ok_or_else(|| missing("AWS_ACCESS_KEY_ID", "url"))?;
        let role = self.get(url, session).await?;
        let keys = self
            .get(
                &format!("{}/{}", url.trim_end_matches('/'), role.expose().trim()),
                session,
            )
            .await?;
        let keys = serde_json::from_str::<Value>(keys.expose()).unwrap_or_default();
        let field = |name: &str| Some(Secret::from(keys.get(name)?.as_str()?));
        let id = field("AccessKeyId").zip(field("SecretAccessKey"));
        let (id, secret) = id.ok_or_else(|| SERVER.unreadable(""))?;
        Ok(Keys {
            id,
            secret,
            session: field("Token"),
        })
    }
}

fn text(body: &[u8]) -> Result<Secret, Failure> {
    let text = std::str::from_utf8(body);
    text.map(Secret::from).map_err(|_| SERVER.unreadable(""))
}

fn missing(variable: &str, field: &str) -> Failure {
    Failure::configuration(format!(
        "the AWS credentials for Google are incomplete: set {variable}, or \"{field}\" in the \
         \"credential_source\" of the credential file"
    ))
}

/// An access key of AWS.
struct Keys {
    id: Secret,
    secret: Secret,
    session: Option<Secret>,
}

impl Keys {
    fn in_environment(environment: &Environment) -> Option<Self> {
        let variable = |name| environment.non_empty(name).map(Secret::from);
        Some(Self {
            id: variable("AWS_ACCESS_KEY_ID")?,
            secret: variable("AWS_SECRET_ACCESS_KEY")?,
            session: variable("AWS_SESSION_TOKEN"),
        })
    }

    /// The request for `url`, signed at `now`, in the form that Google takes it.
    fn signed(&self, url: &Url, region: &str, audience: &str, now: &str) -> Value {
        // In alphabetical order, as they are signed.
        let mut headers = vec![
            ("host", url.host_str().unwrap_or_default()),
            ("x-amz-date", now),
        ];
        if let Some(session) = &self.session {
            headers.push(("x-amz-security-token", session.expose()));
        }
        headers.push(("x-goog-cloud-target-resource", audience));

        let mut query = url.query_pairs().collect::<Vec<_>>();
        query.sort();
        let encoded = |text| utf8_percent_encode(text, IN_QUERY);
        let query = query
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let signer = Signer {
            access_key_id: self.id.expose(),
            secret_access_key: self.secret.expose(),
            region,
            service: "sts",
            time: now,
        };
        let authorization = signer.authorization(&Canonical {
            method: "POST",
            path: "/",
            query: &query.collect::<Vec<_>>().join("&"),
            headers: &headers,
            body: b"",
        });
        headers.push(("Authorization", &authorization));
        let headers = headers
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}));
        json!({
            "url": url.as_str(), "method": "POST", "headers": headers.collect::<Vec<_>>(), "body": "",
        })
    }
}

/// `time` as AWS writes it: `20150830T123600Z`.
fn moment(time: SystemTime) -> String {
    // `Sun, 06 Nov 1994 08:49:37 GMT`
    let date = httpdate::fmt_http_date(time);
    let mut words = date.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    let (day, month, year, clock) = (word(), word(), word(), word());
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(month).unwrap_or_default() / 3 + 1;
    format!("{year}{month:02}{day}T{}Z", clock.replace(':', ""))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_moment_is_written_as_aws_writes_it() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (784_111_777, "19941106T084937Z"),
            (1_740_787_199, "20250228T235959Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(moment(time), expected);
        }
    }

    /// The signature is what `botocore.auth.SigV4Auth` makes of the same request.
    #[test]
    fn a_request_is_signed_as_aws_checks_it() {
        let keys = Keys {
            id: "AKIATEST".into(),
            secret: "the secret key".into(),
            session: Some("the session".into()),
        };
        let url = VERIFICATION_URL.replace("{region}", "eu-west-1");
        let url = Url::parse(&url).unwrap();
        let request = keys.signed(&url, "eu-west-1", "//iam/p?a=b", "20250228T235959Z");
        let expected = "AWS4-HMAC-SHA256 \
            Credential=AKIATEST/20250228/eu-west-1/sts/aws4_request, \
            SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, \
            Signature=49ea43f03c7795437818f3c26837b2f82e868a34034c50d94117c5dcb0b663ff";
        assert_eq!(request["headers"][4]["value"], expected);
        assert_eq!(request["url"], url.as_str());
    }
}
