//! Requests to those who give credentials and are no service of the SDK's: on the SDK's way to the
//! network, and with its retries.

use std::{fmt, time::Duration};

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
use url::Url;

use crate::{Failure, Secret};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer may take then.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked, and of whom.
pub(super) struct Question {
    /// As errors name it.
    pub(super) whom: &'static str,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, Secret)>,
    /// A form to post; without one it is a GET.
    pub(super) form: Option<Vec<(&'static str, Secret)>>,
}

impl Question {
    /// The text of the answer.
    ///
    /// # Errors
    /// When there is none, or another status than 200.
    pub(super) async fn ask(self, http_client: SharedHttpClient) -> Result<Secret, Failure> {
        let whom = self.whom;
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(500));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        let operation = Operation::builder()
            .service_name("Credentials")
            .operation_name("Load")
            .http_client(http_client)
            .endpoint_url(&self.url.origin().ascii_serialization())
            .no_auth()
            .timeout_config(timeouts.build())
            .sleep_impl(TokioSleep::new())
            .standard_retry(&retries)
            .retry_classifier(TransientErrorClassifier::<OperationError>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
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
            SdkError::ServiceError(refused) => {
                Failure::unavailable(format!("{whom} gave none: it {}", refused.err()))
            }
            _ => Failure::unavailable(format!(
                "{whom} could not be reached, or broke the connection"
            )),
        })
    }

    fn request(&self) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let Self { url, form, .. } = self;
        let form = form.as_ref().map(|form| {
            let mut encoded = Url::clone(url);
            let pairs = form.iter().map(|(name, value)| (name, value.expose()));
            encoded.query_pairs_mut().clear().extend_pairs(pairs);
            encoded.query().unwrap_or_default().to_owned()
        });
        let query = url.query().map(|query| format!("?{query}"));
        let target = format!("{}{}", url.path(), query.unwrap_or_default());
        let mut request = http::Request::builder().uri(target);
        for (name, value) in &self.headers {
            request = request.header(*name, value.expose());
        }
        let request = match form {
            Some(form) => request
                .method("POST")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(SdkBody::from(form))?,
            None => request.body(SdkBody::empty())?,
        };
        Ok(request.try_into()?)
    }
}

/// The status of an answer that is none.
#[derive(Debug)]
struct Refused(u16);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered with status {}", self.0)
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
