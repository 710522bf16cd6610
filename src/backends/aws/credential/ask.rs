//! Requests to those who give credentials and are no service of the SDK's: on the SDK's way to the
//! network, and with its retries.

use std::{fmt, time::Duration};

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient,
    interceptors::context::Error as OperationError,
    orchestrator::{HttpRequest, OrchestratorError},
    result::SdkError,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig, timeout::TimeoutConfig};
use serde_json::Value;
use url::Url;

use super::moment;
use crate::{Failure, Secret};

/// What is asked, and of whom.
pub(super) struct Question {
    /// As errors name it.
    pub(super) whom: &'static str,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, Secret)>,
    pub(super) method: Method,
}

pub(super) enum Method {
    Get,
    Put,
    /// With a form.
    Post(Vec<(&'static str, Secret)>),
}

/// How long, and how often, an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// To connect included.
    pub(super) timeout: Duration,
    pub(super) max_attempts: u32,
    /// Whether who cannot be reached, or says nothing, is asked again.
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

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Another status than 200, or no text.
    Refused(u16),
    TimedOut,
    NotReached,
}

impl NoAnswer {
    pub(super) fn failure(&self, whom: &str) -> Failure {
        Failure::unavailable(match self {
            Self::Refused(status) => format!("{whom} gave none: it answered with status {status}"),
            Self::TimedOut | Self::NotReached => {
                format!("{whom} could not be reached, or broke the connection")
            }
        })
    }
}

impl Question {
    /// The text of the answer.
    ///
    /// # Errors
    /// When there is none, or another status than 200.
    pub(super) async fn ask(self, http_client: SharedHttpClient) -> Result<Secret, Failure> {
        let whom = self.whom;
        let answer = self.ask_with(Patience::default(), http_client).await;
        answer.map_err(|why| why.failure(whom))
    }

    /// The same, with as much patience.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn ask_with(
        self,
        patience: Patience,
        http_client: SharedHttpClient,
    ) -> Result<Secret, NoAnswer> {
        let retries = RetryConfig::standard()
            .with_max_attempts(patience.max_attempts)
            .with_initial_backoff(Duration::from_millis(500));
        // What the connector is given is the sum.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(patience.timeout)
            .read_timeout(Duration::ZERO);
        let mut operation = Operation::builder()
            .service_name("Credentials")
            .operation_name("Load")
            .http_client(http_client)
            .endpoint_url(&self.url.origin().ascii_serialization())
            .no_auth()
            .timeout_config(timeouts.build())
            .sleep_impl(TokioSleep::new())
            .standard_retry(&retries)
            .retry_classifier(HttpStatusCodeClassifier::default());
        if patience.with_silence {
            operation =
                operation.retry_classifier(TransientErrorClassifier::<OperationError>::new());
        }
        let operation = operation
            .serializer(move |()| self.request())
            .deserializer(|answer| {
                let status = answer.status().as_u16();
                let text = answer.body().bytes().map(<[u8]>::to_vec);
                match (status, text.map(String::from_utf8)) {
                    (200, Some(Ok(text))) => Ok(Secret::from(text)),
                    _ => Err(OrchestratorError::operation(Refused(status))),
                }
            })
            .build();
        operation.invoke(()).await.map_err(|error| match error {
            SdkError::ServiceError(refused) => NoAnswer::Refused(refused.err().0),
            SdkError::TimeoutError(_) => NoAnswer::TimedOut,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => NoAnswer::TimedOut,
            _ => NoAnswer::NotReached,
        })
    }

    fn request(&self) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let Self { url, method, .. } = self;
        let query = url.query().map(|query| format!("?{query}"));
        let target = format!("{}{}", url.path(), query.unwrap_or_default());
        let mut request = http::Request::builder().uri(target);
        for (name, value) in &self.headers {
            request = request.header(*name, value.expose());
        }
        let request = match method {
            Method::Get => request.body(SdkBody::empty())?,
            Method::Put => request.method("PUT").body(SdkBody::empty())?,
            Method::Post(form) => {
                let mut encoded = Url::clone(url);
                let pairs = form.iter().map(|(name, value)| (name, value.expose()));
                encoded.query_pairs_mut().clear().extend_pairs(pairs);
                request
                    .method("POST")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(SdkBody::from(encoded.query().unwrap_or_default()))?
            }
        };
        Ok(request.try_into()?)
    }
}

/// The credentials that an answer of AWS's own endpoints holds.
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

/// The status of an answer that is none.
#[derive(Debug)]
struct Refused(u16);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A text that a setting or file holds, as a URL.
///
/// # Errors
/// That `what` is none.
pub(super) fn url(what: &str, text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Failure::configuration(format!("{what} is no address")))
}
