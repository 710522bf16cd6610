//! The wire: one pooled HTTP client for the vault, the token authority and the metadata endpoints,
//! with its authorities, proxies, time-outs and failures.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::{
    error::{Error, ErrorKind},
    http::{
        AsyncRawResponse, Body, ClientOptions, ExponentialRetryOptions, HttpClient, Request,
        StatusCode, Transport,
        headers::{HeaderName, HeaderValue, Headers},
    },
    time::{OffsetDateTime, parse_rfc7231},
};
use http::header::HeaderMap;
use http_body_util::Full;
use rustls::ClientConfig;
use tokio::{
    sync::{OnceCell, Semaphore},
    task_local,
};

use crate::{
    Environment, Failure,
    backend::MAX_CONCURRENT_LOOKUPS,
    backends::{
        bounds::Bounds,
        deadline::Deadline,
        http_client::{self, Http},
        http_options::HttpOptions,
        proxies::{Proxies, Rules},
        retry::RetryOptions,
        slots::{Waited, slots},
        tls::{Tls, no_tls},
    },
};

/// How long a connection is kept that nobody uses, and how many.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MOST_IDLE_CONNECTIONS: usize = 32;

/// The SDK doubles its pauses without a check for overflow: with more retries it panics.
const MOST_RETRIES: u32 = 50;

/// How long a metadata endpoint, which is on this machine's own network, may take to be reached.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

task_local! {
    /// The lookup that this task makes; a login is a task of its own.
    pub(crate) static LOOKUP: Arc<UnderWay>;
}

/// A lookup that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) deadline: Deadline,
    pub(crate) waited: Waited,
}

/// How requests are sent.
#[derive(Debug, Clone)]
pub(crate) struct WireSettings {
    pub(crate) environment: Environment,
    pub(crate) http: HttpOptions,
    pub(crate) retries: RetryOptions,
}

/// Sends requests. It connects, and reads files of certificates, at the first of them.
#[derive(Debug)]
pub(crate) struct Wire {
    settings: WireSettings,
    /// One for each request that is under way; the pause before a retry takes none.
    slots: Semaphore,
    tls: OnceCell<Http>,
    /// For metadata endpoints, which are asked over plain HTTP and never through a proxy.
    plain: OnceCell<Http>,
}

impl Wire {
    pub(crate) fn new(settings: WireSettings) -> Self {
        Self {
            slots: slots(most_requests(&settings)),
            settings,
            tls: OnceCell::new(),
            plain: OnceCell::new(),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.settings.http.timeout()
    }

    /// As many slots as there are for requests.
    pub(crate) fn slots(&self) -> Semaphore {
        slots(self.most_requests())
    }

    /// How many requests may be under way at once.
    pub(crate) fn most_requests(&self) -> usize {
        most_requests(&self.settings)
    }

    /// Options for a client of the SDK that sends through `wire`.
    pub(crate) fn options(wire: &Arc<Self>) -> ClientOptions {
        let settings = &wire.settings;
        let retries = &settings.retries;
        let pause =
            |pause: Duration| azure_core::time::Duration::seconds_f64(pause.as_secs_f64().min(1e9));
        let retry = azure_core::http::RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: pause(retries.first_pause()),
            max_retries: retries.max_retries().min(MOST_RETRIES),
            max_total_elapsed: pause(settings.http.timeout()),
            max_delay: pause(retries.longest_pause()),
        });
        ClientOptions {
            transport: Some(Transport::new(Arc::clone(wire) as Arc<dyn HttpClient>)),
            retry: match retries.max_retries() {
                0 => azure_core::http::RetryOptions::none(),
                _ => retry,
            },
            ..ClientOptions::default()
        }
    }

    /// Whether there is time for a pause of this length.
    fn allows(&self, pause: Duration) -> bool {
        let allows = LOOKUP.try_with(|lookup| lookup.deadline.allows(pause));
        allows.unwrap_or(pause < self.timeout())
    }

    /// Sends `request` once.
    pub(crate) async fn send(&self, request: &Request) -> Result<AsyncRawResponse, Failure> {
        let http = self.http(request).await?;
        let unsendable =
            || Failure::configuration("the request contains a character that cannot be sent");
        let mut outgoing = http::Request::builder()
            .method(request.method().as_str())
            .uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            // All that is sent here is short, and is no stream.
            Body::SeekableStream(_) => return Err(unsendable()),
        };
        let outgoing = outgoing.body(Full::new(body)).map_err(|_| unsendable())?;
        let host = request.url().host_str().unwrap_or_default();
        let answer = http.send(outgoing).await;
        let response =
            answer.map_err(|error| error.no_answer(host, self.settings.http.connect_timeout()))?;
        let status = response.status().as_u16();
        if matches!(status, 429 | 503)
            && let Some(wait) = asked_wait(response.headers())
            && !self.allows(wait)
        {
            // No answer can come in time.
            return Err(throttled(host, Some(wait)));
        }
        let headers = headers(response.headers());
        let (status, body) = (StatusCode::from(status), response.into_body());
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }

    async fn http(&self, request: &Request) -> Result<&Http, Failure> {
        match request.url().scheme() {
            "https" => self.tls.get_or_try_init(|| self.build()).await,
            _ => {
                self.plain
                    .get_or_try_init(async || self.build_plain())
                    .await
            }
        }
    }

    async fn build(&self) -> Result<Http, Failure> {
        let WireSettings {
            environment, http, ..
        } = &self.settings;
        let tls = Tls::of_client(http, environment, Vec::new()).await?;
        let proxies = Proxies::new(Rules::Requests, http.proxies.clone(), environment);
        Ok(client(tls, proxies, http.connect_timeout()))
    }

    fn build_plain(&self) -> Result<Http, Failure> {
        let timeout = METADATA_CONNECT_TIMEOUT.min(self.settings.http.connect_timeout());
        Ok(client(no_tls()?, Proxies::none(), timeout))
    }
}

fn most_requests(settings: &WireSettings) -> usize {
    let http = &settings.http;
    http.max_concurrent_requests(MAX_CONCURRENT_LOOKUPS)
}

/// The transport that the SDK uses.
#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let lookup = LOOKUP.try_with(Arc::clone).ok();
        let (login, lookup) = (Waited::default(), lookup.as_deref());
        let waited = lookup.map_or(&login, |lookup| &lookup.waited);
        let _slot = waited.for_slot(&self.slots).await;
        self.send(request).await.map_err(|failure| {
            let pause = failure.retry_after().unwrap_or_default();
            // The SDK repeats a request whose error is of this kind.
            let kind = if failure.is_transient() && self.allows(pause) {
                ErrorKind::Io
            } else {
                ErrorKind::Other
            };
            Error::new(kind, failure)
        })
    }
}

/// How long the SDK would wait before it asks again: as long as the first of these headers says.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let milliseconds = |name| Some(Duration::from_millis(text(name)?.parse().ok()?));
    let seconds = || Some(Duration::from_secs(text("retry-after")?.parse().ok()?));
    let until = || {
        let end = parse_rfc7231(text("retry-after")?).ok()?;
        Duration::try_from(end - OffsetDateTime::now_utc()).ok()
    };
    let wait = milliseconds("x-ms-retry-after-ms").or_else(|| milliseconds("retry-after-ms"));
    wait.or_else(seconds).or_else(until)
}

/// The failure for a server that got too many requests.
pub(crate) fn throttled(host: &str, retry_after: Option<Duration>) -> Failure {
    let message = format!("{host} throttles its clients");
    match retry_after {
        None => Failure::unavailable(message),
        Some(pause) => {
            let seconds = pause.as_secs();
            Failure::unavailable(format!("{message}, and asks to wait {seconds} s"))
                .with_retry_after(pause)
        }
    }
}

fn client(tls: ClientConfig, proxies: Proxies, connect_timeout: Duration) -> Http {
    Http::new(http_client::HttpSettings {
        tls,
        proxy_tls: None,
        proxies,
        connect_timeout,
        idle_timeout: IDLE_TIMEOUT,
        most_idle_connections: MOST_IDLE_CONNECTIONS,
        bounds: Bounds::default(),
    })
}

fn headers(received: &HeaderMap) -> Headers {
    let headers = received.iter().filter_map(|(name, value)| {
        let name = HeaderName::from(name.as_str().to_owned());
        Some((name, HeaderValue::from(value.to_str().ok()?.to_owned())))
    });
    Headers::from(headers.collect::<HashMap<_, _>>())
}
