//! The wire: one pooled HTTP client, its time-outs and retries, and what goes wrong there.

use std::{error::Error as _, fmt, future::Future, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use reqwest::{
    Response, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::{Attempt, Policy},
};
use rustify::endpoint::Endpoint;
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};

use super::{answer, paths, tls::Tls};
use crate::{
    Failure, Secret,
    backends::{
        retry::{self, Trouble},
        slots::slots,
    },
};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// How many redirects are followed for one request; a standby needs one.
const MOST_REDIRECTS: usize = 3;

/// Where Vault is: scheme, host, port and a path before `v1`.
#[derive(Clone)]
pub(super) struct Address(Url);

impl Address {
    /// Reads `http://…` or `https://…`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim_end_matches('/'))
            .map_err(|_| "is no URL; one looks like https://vault.example.com:8200")?;
        match url.scheme() {
            _ if url.query().is_some() || url.fragment().is_some() => {
                Err("has a query or a fragment, which an address of Vault has not")
            }
            "http" | "https" if url.has_host() => Ok(Self(url)),
            _ => Err("must begin with http:// or https://"),
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    fn user_info(&self) -> Option<(Secret, Secret)> {
        let decoded =
            |text: &str| Secret::from(percent_decode_str(text).decode_utf8_lossy().as_ref());
        let (name, password) = (self.0.username(), self.0.password());
        let is_given = !name.is_empty() || password.is_some();
        is_given.then(|| (decoded(name), decoded(password.unwrap_or_default())))
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// The address without what may be a password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// What a client is made from.
#[derive(Debug, Clone)]
pub(super) struct ClientSettings {
    pub(super) address: Address,
    pub(super) namespace: Option<String>,
    /// Whether to send the header that Vault's agents may insist on.
    pub(super) request_header: bool,
    pub(super) follow_redirects: bool,
    /// Hosts that a redirect may lead to, besides the address's own.
    pub(super) redirect_hosts: Vec<String>,
    /// May hold a password.
    pub(super) proxy: Option<Secret>,
    pub(super) tls: Tls,
    pub(super) connect_timeout: Duration,
    /// For a whole lookup or login, retries and the wait for a free slot included.
    pub(super) total_timeout: Duration,
    pub(super) max_retries: u32,
    pub(super) max_concurrent_requests: usize,
}

/// Sends requests to one Vault. It connects at the first of them.
#[derive(Debug)]
pub(super) struct Client {
    settings: ClientSettings,
    /// What all URLs begin with.
    base: String,
    /// The name and password that the address holds, for a proxy that stands before Vault. They
    /// are kept out of URLs, which libraries log.
    basic_auth: Option<(Secret, Secret)>,
    headers: HeaderMap,
    slots: Semaphore,
    http: OnceCell<reqwest::Client>,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// When the namespace cannot be sent.
    pub(super) fn new(settings: ClientSettings) -> Result<Self, &'static str> {
        let mut headers = HeaderMap::new();
        if settings.request_header {
            headers.insert(REQUEST, HeaderValue::from_static("true"));
        }
        if let Some(namespace) = &settings.namespace {
            let namespace = HeaderValue::from_str(namespace)
                .map_err(|_| "holds a character that cannot be sent")?;
            headers.insert(NAMESPACE, namespace);
        }
        let base = format!("{}/v1/", settings.address);
        Ok(Self {
            base,
            basic_auth: settings.address.user_info(),
            headers,
            slots: slots(settings.max_concurrent_requests),
            http: OnceCell::new(),
            settings,
        })
    }

    /// Sends `request` until there is an answer or no hope of one. What is neither a success nor
    /// a plain refusal (a 4xx) is a failure.
    pub(super) async fn call(
        &self,
        request: &impl Endpoint,
        token: Option<&Secret>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        self.within_total_timeout(self.with_retries(|| self.attempt(request, token)))
            .await
    }

    /// Sends `request` once: for what must not be sent twice.
    pub(super) async fn call_once(
        &self,
        request: &impl Endpoint,
        token: Option<&Secret>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let attempt = async {
            self.attempt(request, token)
                .await
                .map_err(|trouble| trouble.failure)
        };
        self.within_total_timeout(attempt).await
    }

    /// Repeats `attempt` while its trouble is transient, with growing pauses.
    pub(super) async fn with_retries<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let deadline = retry::deadline_after(self.settings.total_timeout);
        retry::with_retries(self.settings.max_retries, deadline, attempt).await
    }

    /// `work`, but no longer than the total time-out.
    pub(super) async fn within_total_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        timeout(self.settings.total_timeout, work)
            .await
            .unwrap_or_else(|_| {
                Err(Failure::unavailable(format!(
                    "Vault at {} did not answer within {} s",
                    self.settings.address,
                    self.settings.total_timeout.as_secs_f64()
                )))
            })
    }

    /// Sends `request` once.
    pub(super) async fn attempt(
        &self,
        request: &impl Endpoint,
        token: Option<&Secret>,
    ) -> Result<(StatusCode, Vec<u8>), Trouble> {
        let request = self.request(request, token).map_err(Trouble::lasting)?;
        let http = self.http().await.map_err(Trouble::lasting)?;
        let mut request = reqwest::RequestBuilder::from_parts(http.clone(), request);
        if let Some((name, password)) = &self.basic_auth {
            request = request.basic_auth(name.expose(), Some(password.expose()));
        }
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let response = request
            .send()
            .await
            .map_err(|error| self.no_answer(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Trouble::lasting(self.not_followed(&response)));
        }
        let retry_after = retry_after(response.headers());
        let body = response
            .bytes()
            .await
            .map_err(|error| self.no_answer(&error))?;
        if is_transient(status) {
            let failure = self.not_served(status, &body);
            return Err(Trouble {
                retry_after,
                ..Trouble::transient(failure)
            });
        }
        Ok((status, body.into()))
    }

    fn request(
        &self,
        request: &impl Endpoint,
        token: Option<&Secret>,
    ) -> Result<reqwest::Request, Failure> {
        let unsendable = |what: &str| {
            Failure::configuration(format!("{what} holds a character that cannot be sent"))
        };
        let url = format!("{}{}", self.base, paths::encode(&request.path()));
        let url = Url::parse(&url).map_err(|_| unsendable("the path"))?;
        let mut sent = reqwest::Request::new(request.method().into(), url);
        sent.headers_mut().clone_from(&self.headers);
        if let Some(token) = token {
            let mut token =
                HeaderValue::from_str(token.expose()).map_err(|_| unsendable("the token"))?;
            token.set_sensitive(true);
            sent.headers_mut().insert(TOKEN, token);
        }
        let body = request.body().map_err(|_| unsendable("the request"))?;
        *sent.body_mut() = body.map(Into::into);
        Ok(sent)
    }

    async fn http(&self) -> Result<&reqwest::Client, Failure> {
        self.http.get_or_try_init(|| self.build()).await
    }

    async fn build(&self) -> Result<reqwest::Client, Failure> {
        let settings = &self.settings;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .redirect(redirect_policy(settings));
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy.expose())
                .map_err(|_| Failure::configuration("the proxy's URL cannot be used"))?;
            builder = builder.proxy(proxy);
        }
        let builder = if settings.address.is_https() {
            settings.tls.apply(builder).await?
        } else {
            builder.tls_certs_only([])
        };
        builder.build().map_err(|error| {
            let message = format!("the HTTP client cannot be made: {}", root_cause(&error));
            Failure::configuration(message)
        })
    }

    /// Vault could not be asked.
    fn no_answer(&self, error: &reqwest::Error) -> Trouble {
        let address = &self.settings.address;
        let cause = root_cause(error);
        let is_certificate = cause.contains("certificate") || cause.contains("Certificate");
        let message = if error.is_timeout() {
            let seconds = self.settings.connect_timeout.as_secs_f64();
            format!("no connection to Vault at {address} within {seconds} s")
        } else if is_certificate {
            format!(
                "no trust between us and Vault at {address} ({cause}): check \"verify\" or \
                 VAULT_CACERT, and \"cert\""
            )
        } else {
            format!("no answer from Vault at {address}: {cause}")
        };
        Trouble {
            failure: Failure::unavailable(message),
            is_transient: !is_certificate,
            retry_after: None,
        }
    }

    /// Vault answered that it cannot serve now.
    fn not_served(&self, status: StatusCode, body: &[u8]) -> Failure {
        let address = &self.settings.address;
        let why = if answer::says(body, "sealed") {
            "is sealed: unseal it".to_owned()
        } else if answer::says(body, "not initialized") || status == StatusCode::NOT_IMPLEMENTED {
            "is not initialized".to_owned()
        } else if answer::says(body, "active cluster node not found") {
            "is a standby and knows no leader".to_owned()
        } else {
            match status {
                StatusCode::PRECONDITION_FAILED => "has not caught up with its leader yet".into(),
                StatusCode::TOO_MANY_REQUESTS => "throttles its clients".into(),
                _ => format!("is not able to answer (HTTP {})", status.as_u16()),
            }
        };
        Failure::unavailable(format!("Vault at {address} {why}"))
    }

    /// A redirect that we do not follow.
    fn not_followed(&self, response: &Response) -> Failure {
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| response.url().join(location).ok());
        let target = target
            .as_ref()
            .and_then(Url::host_str)
            .unwrap_or("elsewhere");
        Failure::unavailable(format!(
            "Vault at {} is a standby and redirects to {target}, where the token is not sent: \
                 use the leader's address, or allow that host for redirects",
            self.settings.address
        ))
    }

    /// Vault refused, and not for want of a good token.
    pub(super) fn unexpected(&self, status: StatusCode) -> Failure {
        let address = &self.settings.address;
        let hint = match status {
            StatusCode::BAD_REQUEST if !self.settings.address.is_https() => {
                ": perhaps it wants https"
            }
            _ => ": check \"url\", \"namespace\" and \"mount_point\"",
        };
        Failure::configuration(format!(
            "{address} did not take the request (HTTP {}){hint}",
            status.as_u16()
        ))
    }
}

fn is_transient(status: StatusCode) -> bool {
    status == StatusCode::PRECONDITION_FAILED
        || status == StatusCode::TOO_MANY_REQUESTS
        || status.is_server_error()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Follows a standby's redirect to its leader, but takes the token to no other hosts than ours.
fn redirect_policy(settings: &ClientSettings) -> Policy {
    if !settings.follow_redirects {
        return Policy::none();
    }
    let scheme = settings.address.url().scheme().to_owned();
    let own_host = settings.address.url().host_str().map(str::to_owned);
    let hosts: Arc<[String]> = own_host
        .into_iter()
        .chain(settings.redirect_hosts.iter().cloned())
        .collect();
    Policy::custom(move |attempt: Attempt<'_>| {
        let url = attempt.url();
        let is_ours = url.scheme() == scheme
            && url
                .host_str()
                .is_some_and(|host| hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)));
        if is_ours && attempt.previous().len() <= MOST_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// What lies at the bottom of `error`, in the words of the system or of TLS; never a URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut words = "the connection failed".to_owned();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    words
}
