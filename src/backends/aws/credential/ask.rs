//! Requests to sources of credentials for which the SDK has no client.

use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::CONTENT_TYPE, request::Builder};
use serde_json::Value;
use tokio::time::sleep;
use url::Url;

use super::moment;
use crate::{
    Failure, Secret,
    backends::aws::{
        answer,
        client::http::{AwsHttp, NoAnswer},
    },
};

/// The pause before the first retry; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A request for credentials or a token.
pub(super) struct Question {
    /// The server, as errors name it.
    pub(super) whom: &'static str,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, Secret)>,
    pub(super) method: Method,
    /// What to do where the server refuses the request.
    pub(super) remedy: &'static str,
}

pub(super) enum Method {
    Get,
    Put,
    /// A `POST` with a form.
    Post(Vec<(&'static str, Secret)>),
}

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one attempt, including the connection.
    pub(super) timeout: Duration,
    pub(super) max_attempts: u32,
    /// Whether connection errors and time-outs are retried.
    pub(super) with_silence: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(7),
            max_attempts: 3,
            with_silence: true,
        }
    }
}

/// Why there are no credentials.
#[derive(Debug)]
pub(super) enum NotGiven {
    /// A status other than 200, or an answer that is not text.
    Refused(StatusCode),
    NoAnswer(NoAnswer),
    /// A setting contains a character that no request can contain.
    NotSent,
}

impl NotGiven {
    /// The failure; `remedy` is what to do where the server refuses the request.
    pub(super) fn failure(&self, whom: &str, remedy: &str) -> Failure {
        match self {
            Self::Refused(status) if is_refusal(*status) => {
                let status = status.as_u16();
                Failure::configuration(format!(
                    "{whom} refused the request with status {status}: {remedy}"
                ))
            }
            Self::Refused(status) => {
                let status = status.as_u16();
                Failure::unavailable(format!("{whom} answered with status {status}"))
            }
            Self::NoAnswer(error) => answer::no_answer(whom, error),
            Self::NotSent => Failure::configuration(format!(
                "{whom} cannot be asked: its URL or token contains a character that no request \
                 can contain"
            )),
        }
    }

    fn is_transient(&self, with_silence: bool) -> bool {
        match self {
            Self::Refused(status) => matches!(status.as_u16(), 500 | 502 | 503 | 504),
            Self::NoAnswer(error) => with_silence && error.is_transient(),
            Self::NotSent => false,
        }
    }
}

impl Question {
    /// The text of the answer.
    ///
    /// # Errors
    /// When there is no answer, or its status is not 200.
    pub(super) async fn ask(self, http: AwsHttp) -> Result<Secret, Failure> {
        let answer = self.ask_with(Patience::default(), http).await;
        answer.map_err(|why| why.failure(self.whom, self.remedy))
    }

    /// The text of the answer, within the limits of `patience`.
    ///
    /// # Errors
    /// When there is no answer, or its status is not 200.
    pub(super) async fn ask_with(
        &self,
        patience: Patience,
        http: AwsHttp,
    ) -> Result<Secret, NotGiven> {
        let http = http.within(patience.timeout);
        let mut pause = FIRST_PAUSE;
        for _ in 1..patience.max_attempts {
            match self.attempt(&http).await {
                Err(why) if why.is_transient(patience.with_silence) => {
                    sleep(pause.mul_f64(fastrand::f64())).await;
                    pause = pause.saturating_mul(2);
                }
                answer => return answer,
            }
        }
        self.attempt(&http).await
    }

    async fn attempt(&self, http: &AwsHttp) -> Result<Secret, NotGiven> {
        let request = self.request().map_err(|_| NotGiven::NotSent)?;
        let (head, body) = request.into_parts();
        let answer = http.send(head, body).await.map_err(NotGiven::NoAnswer)?;
        let status = answer.status();
        match (status, std::str::from_utf8(answer.body())) {
            (StatusCode::OK, Ok(text)) => Ok(Secret::from(text)),
            _ => Err(NotGiven::Refused(status)),
        }
    }

    fn request(&self) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::builder().uri(self.url.as_str());
        for (name, value) in &self.headers {
            let mut value = HeaderValue::try_from(value.expose())?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        match &self.method {
            Method::Get => request.body(Bytes::new()),
            Method::Put => request.method("PUT").body(Bytes::new()),
            Method::Post(form) => post(request, form),
        }
    }
}

fn post(request: Builder, form: &[(&str, Secret)]) -> Result<Request<Bytes>, http::Error> {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form.iter().map(|(name, value)| (name, value.expose())));
    request
        .method("POST")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(encoded.finish().into())
}

/// Whether a server refuses a request for what it is, whoever sends it how often.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The credentials in the answer of a metadata or container endpoint.
pub(super) fn credentials(answer: &Secret, provider: &'static str) -> Option<Credentials> {
    let answer = serde_json::from_str::<Value>(answer.expose()).ok()?;
    let text = |name: &str| answer.get(name)?.as_str();
    Some(Credentials::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        Some(text("Token")?.to_owned()),
        Some(moment(text("Expiration")?)?),
        provider,
    ))
}

/// The URL in `text`, which comes from the setting or file `what`.
///
/// # Errors
/// When it is not an `http` or `https` URL.
pub(super) fn url(what: &str, text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Failure::configuration(format!("{what} is not an http or https URL")))
}
