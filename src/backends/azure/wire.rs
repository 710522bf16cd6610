//! The wire: one pooled HTTP client for the vault, the token authority and the metadata endpoints;
//! whom it trusts, its proxies and time-outs, and what goes wrong there.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use azure_core::{
    error::{Error, ErrorKind},
    http::{
        AsyncRawResponse, Body, ClientOptions, ExponentialRetryOptions, HttpClient, Request,
        RetryOptions, StatusCode, Transport,
        headers::{HeaderName, HeaderValue, Headers},
    },
    time::{OffsetDateTime, parse_rfc7231},
};
use http::header::HeaderMap;
use http_body_util::Full;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types::CertificateDer;
use tokio::sync::OnceCell;

use crate::{
    Environment, Failure,
    backends::{
        http_client::{self, ChooseProxy, Http, Settings, no_proxies, tls},
        roots,
    },
};

/// How long a connection is kept that nobody uses, and how many.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MOST_IDLE_CONNECTIONS: usize = 32;

/// The SDK doubles its pauses without a look at the size of numbers: some more, and it panics.
const MOST_RETRIES: u32 = 50;

/// How long a metadata endpoint, which is on this machine's own network, may take to be reached.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Whom we trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Roots {
    /// What the environment says, else the authorities that Mozilla trusts, which Airflow's client
    /// trusts as well.
    #[default]
    Usual,
    /// Those in this PEM file or folder alone.
    At(PathBuf),
    /// Anybody: the certificate is not checked.
    Unchecked,
}

/// How requests are sent.
#[derive(Debug, Clone)]
pub(super) struct WireSettings {
    pub(super) roots: Roots,
    pub(super) environment: Environment,
    pub(super) connect_timeout: Duration,
    /// For a whole lookup, its token and retries included.
    pub(super) timeout: Duration,
    pub(super) max_retries: u32,
}

/// Sends requests. It connects, and reads files of certificates, at the first of them.
#[derive(Debug)]
pub(super) struct Wire {
    settings: WireSettings,
    tls: OnceCell<Http>,
    /// For metadata endpoints, which speak plain HTTP and are never behind a proxy.
    plain: OnceCell<Http>,
}

impl Wire {
    pub(super) fn new(settings: WireSettings) -> Self {
        Self {
            settings,
            tls: OnceCell::new(),
            plain: OnceCell::new(),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// Options for a client of the SDK that sends through `wire`.
    pub(super) fn options(wire: &Arc<Self>) -> ClientOptions {
        let settings = &wire.settings;
        let seconds = settings.timeout.as_secs_f64();
        let retry = RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: azure_core::time::Duration::milliseconds(50),
            max_retries: settings.max_retries.min(MOST_RETRIES),
            max_total_elapsed: azure_core::time::Duration::seconds_f64(seconds.min(1e9)),
            max_delay: azure_core::time::Duration::seconds(5),
        });
        ClientOptions {
            transport: Some(Transport::new(Arc::clone(wire) as Arc<dyn HttpClient>)),
            retry: if settings.max_retries == 0 {
                RetryOptions::none()
            } else {
                retry
            },
            ..ClientOptions::default()
        }
    }

    /// Sends `request` once.
    pub(super) async fn send(&self, request: &Request) -> Result<AsyncRawResponse, Trouble> {
        let http = self.http(request).await.map_err(Trouble::lasting)?;
        let unsendable = || {
            Trouble::lasting(Failure::configuration(
                "the request holds a character that cannot be sent",
            ))
        };
        let mut outgoing = http::Request::builder()
            .method(request.method().as_str())
            .uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            // All that is sent here is short and has no stream.
            Body::SeekableStream(_) => return Err(unsendable()),
        };
        let outgoing = outgoing.body(Full::new(body)).map_err(|_| unsendable())?;
        let host = request.url().host_str().unwrap_or_default();
        let answer = http.send(outgoing).await;
        let response = answer.map_err(|trouble| self.no_answer(host, &trouble))?;
        let status = response.status().as_u16();
        if matches!(status, 429 | 503)
            && let Some(wait) = asked_wait(response.headers())
            && wait >= self.settings.timeout
        {
            // No answer in time is to be had.
            return Err(Trouble::lasting(throttled(host, Some(wait.as_secs()))));
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
        let settings = &self.settings;
        let proxies = proxies(&settings.environment)?;
        http(self.roots().await?, proxies, settings.connect_timeout)
    }

    fn build_plain(&self) -> Result<Http, Failure> {
        let timeout = METADATA_CONNECT_TIMEOUT.min(self.settings.connect_timeout);
        http(Some(Vec::new()), no_proxies(), timeout)
    }

    /// The authorities to trust; `None` for anybody.
    async fn roots(&self) -> Result<Option<Vec<CertificateDer<'static>>>, Failure> {
        let variable = |name| {
            let path = self.settings.environment.get(name)?;
            (!path.is_empty()).then(|| (name, PathBuf::from(path)))
        };
        let bundle = || variable("REQUESTS_CA_BUNDLE").or_else(|| variable("CURL_CA_BUNDLE"));
        let at = match &self.settings.roots {
            Roots::Unchecked => return Ok(None),
            Roots::At(path) => Some(("connection_verify or ca_certificates", path.clone())),
            Roots::Usual => bundle(),
        };
        if let Some((name, path)) = at {
            return certificates(name, &path).await.map(Some);
        }
        let mut found = roots::mozilla();
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            let Some((name, path)) = variable(name) else {
                continue;
            };
            match certificates(name, &path).await {
                Ok(further) => found.extend(further),
                // Airflow's client does not even look there.
                Err(failure) => tracing::warn!("passed over: {failure}"),
            }
        }
        Ok(Some(found))
    }

    /// The other side could not be asked.
    fn no_answer(&self, host: &str, trouble: &http_client::Trouble) -> Trouble {
        let message = match trouble {
            http_client::Trouble::Proxy(failure) => return Trouble::lasting(failure.clone()),
            http_client::Trouble::ConnectTimedOut => {
                let seconds = self.settings.connect_timeout.as_secs_f64();
                format!("no connection to {host} within {seconds} s")
            }
            http_client::Trouble::Untrusted(why) => format!(
                "no trust between us and {host} ({why}): name its authority in SSL_CERT_FILE or \
                 REQUESTS_CA_BUNDLE"
            ),
            http_client::Trouble::Alert(_) | http_client::Trouble::NoAnswer(_) => {
                format!("no answer from {host}: {trouble}")
            }
        };
        Trouble {
            failure: Failure::unavailable(message),
            is_transient: !matches!(trouble, http_client::Trouble::Untrusted(_)),
        }
    }
}

/// The SDK's way in.
#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.send(request).await.map_err(|trouble| {
            // The SDK repeats a request whose error is of this kind.
            let kind = if trouble.is_transient {
                ErrorKind::Io
            } else {
                ErrorKind::Other
            };
            Error::new(kind, trouble.failure)
        })
    }
}

/// A request got no answer: why, and whether another is worth it.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    is_transient: bool,
}

impl Trouble {
    fn lasting(failure: Failure) -> Self {
        Self {
            failure,
            is_transient: false,
        }
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

/// Whoever answered has had too many requests.
pub(super) fn throttled(host: &str, retry_after: Option<u64>) -> Failure {
    let when = retry_after.map(|seconds| format!(", and asks to wait {seconds} s"));
    Failure::unavailable(format!(
        "{host} throttles its clients{}",
        when.unwrap_or_default()
    ))
}

fn http(
    authorities: Option<Vec<CertificateDer<'static>>>,
    proxies: ChooseProxy,
    connect_timeout: Duration,
) -> Result<Http, Failure> {
    let tls = tls::config(authorities, None)
        .map_err(|_| Failure::configuration("TLS cannot be set up"))?;
    Ok(Http::new(Settings {
        tls,
        proxy_tls: None,
        proxies,
        connect_timeout,
        idle_timeout: IDLE_TIMEOUT,
        most_idle_connections: MOST_IDLE_CONNECTIONS,
    }))
}

/// The proxy of the environment: the name in lower case counts first, as in Python's `requests`.
fn proxies(environment: &Environment) -> Result<ChooseProxy, Failure> {
    let variable = |name: &str| {
        let lower = environment.get(name);
        lower.or_else(|| environment.get(&name.to_uppercase()))
    };
    let proxy = variable("https_proxy").filter(|url| !url.is_empty());
    let proxy = proxy.or_else(|| variable("all_proxy").filter(|url| !url.is_empty()));
    let Some(url) = proxy else {
        return Ok(no_proxies());
    };
    http_client::proxy(url).map_err(|_| {
        Failure::configuration(
            "the proxy that https_proxy or all_proxy names is no URL like \
             http://proxy.example.com:3128",
        )
    })?;
    let no_proxy = variable("no_proxy").unwrap_or_default();
    let matcher = Matcher::builder().https(url).no(no_proxy).build();
    Ok(Arc::new(move |uri| Ok(matcher.intercept(uri))))
}

fn headers(received: &HeaderMap) -> Headers {
    let headers = received.iter().filter_map(|(name, value)| {
        let name = HeaderName::from(name.as_str().to_owned());
        Some((name, HeaderValue::from(value.to_str().ok()?.to_owned())))
    });
    Headers::from(headers.collect::<HashMap<_, _>>())
}

async fn certificates(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = roots::certificates(path).await;
    found.map_err(|why| {
        let path = path.display();
        let message = format!("{path} ({name}) cannot be used for TLS: {why}");
        Failure::configuration(message)
    })
}
