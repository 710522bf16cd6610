//! The SDK's connector: our own HTTP client, since the SDK's supports neither unchecked certificates
//! nor client certificates.

use std::{
    error::Error,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, request::Parts, uri::Scheme};
use http_body_util::Full;
use rustls::ClientConfig;
use tokio::{
    sync::{Notify, Semaphore},
    task_local,
    time::{sleep, timeout},
};

use super::signing;
use crate::backends::{
    bounds::Bounds,
    deadline::Deadline,
    http_client::{Http, HttpSettings, SendError},
    proxies::Proxies,
    slots::{Waited, slots},
};

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// More than any pause of the SDK: a limit that another one takes the place of.
pub(crate) const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

/// Twenty secrets at once, 64 KiB each of characters that JSON escapes with six, fit in.
const BOUNDS: Bounds = Bounds {
    longest: 9 * 1024 * 1024,
    deepest: 128,
};

/// How requests go out.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) connect_timeout: Duration,
    /// The limit for an answer once the connection is open.
    pub(crate) read_timeout: Duration,
    pub(crate) proxies: Proxies,
    /// The most concurrent requests, and the most connections that are kept.
    pub(crate) max_requests: usize,
    /// Whether an `https` request goes out as `http`: `use_ssl: false`.
    pub(crate) without_tls: bool,
}

impl Wire {
    /// These settings for a source of credentials, with other proxies. `https` stays `https`.
    pub(crate) fn through(&self, proxies: Proxies) -> Self {
        Self {
            proxies,
            without_tls: false,
            ..self.clone()
        }
    }
}

/// A client that has not connected yet.
pub(crate) fn client(wire: &Wire, tls: ClientConfig) -> AwsHttp {
    client_through(wire, tls, None)
}

/// A client with separate TLS settings for proxies.
pub(crate) fn client_through(
    wire: &Wire,
    tls: ClientConfig,
    proxy_tls: Option<ClientConfig>,
) -> AwsHttp {
    AwsHttp {
        http: Http::new(HttpSettings {
            tls,
            proxy_tls,
            proxies: wire.proxies.clone(),
            connect_timeout: wire.connect_timeout,
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: wire.max_requests,
            bounds: BOUNDS,
        }),
        timeout: wire.connect_timeout.saturating_add(wire.read_timeout),
        without_tls: wire.without_tls,
        slots: Arc::new(slots(wire.max_requests)),
    }
}

/// Sends requests: the SDK's, and those to sources of credentials.
#[derive(Debug, Clone)]
pub(crate) struct AwsHttp {
    http: Http,
    timeout: Duration,
    without_tls: bool,
    /// One for each request on the wire; the pause before a retry holds none.
    slots: Arc<Semaphore>,
}

impl AwsHttp {
    /// These settings, with at most `timeout` for a request.
    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self {
            timeout: timeout.min(self.timeout),
            ..self
        }
    }

    /// Sends a request, and gives the whole answer.
    ///
    /// # Errors
    /// When the answer does not arrive in time, or is out of its bounds.
    pub(crate) async fn send(
        &self,
        mut head: Parts,
        body: Bytes,
    ) -> Result<Response<Bytes>, NoAnswer> {
        if self.without_tls {
            head.uri = plain(head.uri);
        }
        // A source of credentials is asked outside of a call.
        let call = CALL.try_with(Arc::clone).unwrap_or_default();
        let _slot = call.waited.for_slot(&self.slots).await;
        let body = signing::complete(&mut head, body).map_err(|_| NoAnswer::BadCredentials)?;
        let sent = self.http.send(Request::from_parts(head, body.into()));
        let answer = match timeout(self.timeout, sent).await {
            Ok(answer) => answer.map_err(NoAnswer::NotSent),
            Err(_) => Err(NoAnswer::TimedOut),
        };
        call.heard(match &answer {
            Ok(answer) => format!("it answered with status {}", answer.status().as_u16()),
            Err(error) => error.to_string(),
        });
        answer
    }
}

task_local! {
    /// The call that this task makes.
    static CALL: Arc<Call>;
}

/// What is known of a call while it is made.
#[derive(Debug, Default)]
struct Call {
    deadline: Option<Deadline>,
    waited: Waited,
    /// What the last attempt came to.
    last_attempt: Mutex<Option<String>>,
    /// The pause before the next attempt would end after the deadline.
    is_hopeless: Notify,
}

impl Call {
    fn heard(&self, outcome: String) {
        *self.last_attempt() = Some(outcome);
    }

    fn last_attempt(&self) -> MutexGuard<'_, Option<String>> {
        let last_attempt = self.last_attempt.lock();
        last_attempt.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for `call` until `deadline`, or until its next attempt would begin after that.
///
/// # Errors
/// When the wait ends before the call.
pub(crate) async fn within<T>(
    deadline: Deadline,
    call: impl Future<Output = T>,
) -> Result<T, CallTimedOut> {
    let state = Arc::new(Call {
        deadline: Some(deadline),
        ..Call::default()
    });
    let hopeful = async {
        let call = pin!(CALL.scope(Arc::clone(&state), call));
        match select(call, pin!(state.is_hopeless.notified())).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        }
    };
    let result = deadline.wait_for(hopeful).await;
    result.flatten().ok_or_else(|| CallTimedOut {
        is_for_slots: state.waited.was_most_of(deadline.limit()),
        last_attempt: state.last_attempt().take(),
    })
}

/// The time for a call ended.
pub(crate) struct CallTimedOut {
    /// Whether most of it was spent waiting for a slot.
    pub(crate) is_for_slots: bool,
    /// What the last attempt came to, if one has ended.
    pub(crate) last_attempt: Option<String>,
}

/// The SDK's pauses. One that would end after the deadline of the call ends the call.
#[derive(Debug)]
pub(crate) struct Pauses;

impl AsyncSleep for Pauses {
    fn sleep(&self, pause: Duration) -> Sleep {
        // Without a call there is no deadline.
        let _ = CALL.try_with(|call| {
            let is_too_long = |deadline: Deadline| pause < NO_LIMIT && !deadline.allows(pause);
            if call.deadline.is_some_and(is_too_long) {
                call.is_hopeless.notify_one();
            }
        });
        Sleep::new(sleep(pause))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(crate) enum NoAnswer {
    TimedOut,
    NotSent(SendError),
    /// The credentials contain a character that no header can contain.
    BadCredentials,
}

impl NoAnswer {
    /// Whether a retry may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut => true,
            Self::NotSent(error) => matches!(
                error,
                SendError::ConnectTimedOut
                    | SendError::Alert(_)
                    | SendError::NoProxy(_)
                    | SendError::NoAnswer(_)
            ),
            Self::BadCredentials => false,
        }
    }

    /// Whether the time for it ended.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::TimedOut | Self::NotSent(SendError::ConnectTimedOut)
        )
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::NotSent(error) => error.fmt(f),
            Self::BadCredentials => f.write_str("the credentials cannot be part of a request"),
        }
    }
}

impl Error for NoAnswer {}

impl HttpClient for AwsHttp {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for AwsHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.clone();
        HttpConnectorFuture::new(async move {
            let not_a_request = |_| ConnectorError::user("the request is not valid HTTP".into());
            let request = request.try_into_http1x().map_err(not_a_request)?;
            let (head, body) = request.into_parts();
            // Bodies are short, and never streams.
            let body = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
            let mut answer = http.send(head, body).await.map_err(connector_error)?;
            leave_out_unreadable(answer.headers_mut());
            // The SDK logs a body that it has not read yet, unless it looks like a stream.
            let answer = answer.map(|body| SdkBody::from_body_1_x(Full::new(body)));
            HttpResponse::try_from(answer)
                .map_err(|_| ConnectorError::other("the answer is not valid HTTP".into(), None))
        })
    }
}

/// Leaves out what the SDK cannot read: values that are no UTF-8, and a pause that the server asks for,
/// since a debug build of the SDK panics where it does not know the error that comes with it.
fn leave_out_unreadable(headers: &mut HeaderMap) {
    headers.remove("x-amz-retry-after");
    let is_unreadable = |value: &HeaderValue| std::str::from_utf8(value.as_bytes()).is_err();
    let unreadable = headers.iter().filter(|(_, value)| is_unreadable(value));
    let names = unreadable.map(|(name, _)| name.clone()).collect::<Vec<_>>();
    for name in names {
        headers.remove(name);
    }
}

/// The error in the classes that the SDK's retries use.
fn connector_error(error: NoAnswer) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_transient() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::user(error.into())
    }
}

/// `uri`, with `http` for `https`.
fn plain(uri: Uri) -> Uri {
    let mut parts = uri.clone().into_parts();
    if parts.scheme == Some(Scheme::HTTPS) {
        parts.scheme = Some(Scheme::HTTP);
    }
    Uri::from_parts(parts).unwrap_or(uri)
}
