//! The wire: one pooled HTTP client, its time-outs, retries and redirects, and what goes wrong there.

mod address;

use std::{future::Future, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, LOCATION, RETRY_AFTER},
};
use http_body_util::Full;
use rustify::endpoint::Endpoint;
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

pub(super) use self::address::Address;
use super::{answer, naming};
use crate::{
    Failure, Secret,
    backend::LookupOptions,
    backends::{
        bounds::Bounds,
        causes::is_about_own_certificate,
        deadline::Deadline,
        http_client::{Http, HttpSettings, SendError},
        http_options::{HttpOptions, Roots},
        proxies::Proxies,
        retry::{self, RetryOptions},
        slots::{Waited, slots},
        tls::{Tls, no_tls},
    },
    config::Setting,
    python::json,
};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// How many redirects are followed for one request; a standby needs one.
const MOST_REDIRECTS: usize = 3;

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// How many requests are under way at once by default.
const MOST_REQUESTS: usize = 64;

/// Vault stores documents of 1 MiB at most unless told otherwise. They may nest as deep as Python reads
/// them, within the objects that Vault puts around them.
const BOUNDS: Bounds = Bounds {
    longest: 2 * 1024 * 1024,
    deepest: json::MAX_DEPTH + 8,
};

/// What a client is made from.
#[derive(Debug, Clone)]
pub(super) struct ClientSettings {
    pub(super) address: Address,
    pub(super) namespace: Option<String>,
    /// Whether to send the header that Vault's agents may insist on.
    pub(super) request_header: bool,
    pub(super) follow_redirects: bool,
    /// Hosts that a redirect may lead to, at any port, besides the address's own host and port.
    pub(super) redirect_hosts: Vec<String>,
    pub(super) proxies: Proxies,
    pub(super) tls: Tls,
    /// Authorities that are trusted in addition.
    pub(super) further_roots: Vec<Setting<Roots>>,
    /// Its total time is for a lookup or a login.
    pub(super) http: HttpOptions,
    pub(super) retries: RetryOptions,
}

/// Sends requests to one Vault. It connects at the first of them.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) settings: ClientSettings,
    /// What all URLs begin with.
    base: String,
    headers: HeaderMap,
    slots: Semaphore,
    http: OnceCell<Http>,
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
                .map_err(|_| "contains a character that cannot be sent")?;
            headers.insert(NAMESPACE, namespace);
        }
        if let Some(user_info) = settings.address.user_info() {
            headers.insert(AUTHORIZATION, basic_auth(&user_info));
        }
        Ok(Self {
            base: format!("{}/v1/", settings.address),
            headers,
            slots: slots(settings.http.max_concurrent_requests(MOST_REQUESTS)),
            http: OnceCell::new(),
            settings,
        })
    }

    /// Sends `request` until there is an answer or no hope of one, within the time for a login. What is
    /// neither a success nor a plain refusal (a 4xx) is a failure.
    pub(super) async fn call(
        &self,
        request: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let (deadline, waited) = (self.deadline(&LookupOptions::new()), Waited::default());
        let attempt = || self.attempt(request, token, &waited);
        self.with_retries(deadline, &waited, attempt).await
    }

    /// Sends `request` once: for what must not be sent twice, or is not worth it.
    pub(super) async fn call_once(
        &self,
        request: &impl Endpoint,
        token: Option<&HeaderValue>,
        deadline: Deadline,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let waited = Waited::default();
        let answer = self.attempt(request, token, &waited);
        self.within(deadline, &waited, answer).await
    }

    /// When what begins now has to be over.
    pub(super) fn deadline(&self, options: &LookupOptions) -> Deadline {
        Deadline::new(self.settings.http.timeout(), options)
    }

    /// Repeats `attempt` while its failure is transient, with growing pauses.
    pub(super) async fn with_retries<T, F>(
        &self,
        deadline: Deadline,
        waited: &Waited,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let answer = retry::with_retries(&self.settings.retries, deadline, attempt).await;
        answer.unwrap_or_else(|| Err(self.too_late(deadline, waited)))
    }

    /// `work`, but no longer than `deadline`.
    pub(super) async fn within<T>(
        &self,
        deadline: Deadline,
        waited: &Waited,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let answer = deadline.wait_for(work).await;
        answer.unwrap_or_else(|| Err(self.too_late(deadline, waited)))
    }

    fn too_late(&self, deadline: Deadline, waited: &Waited) -> Failure {
        let address = &self.settings.address;
        Failure::unavailable(if waited.was_most_of(deadline.limit()) {
            let most = self.settings.http.max_concurrent_requests(MOST_REQUESTS);
            format!(
                "waited {deadline} in vain for one of the {most} requests to Vault at {address} that may \
                 be under way at once: look up fewer ids at once, or raise \
                 `HttpOptions::with_max_concurrent_requests`"
            )
        } else {
            format!(
                "Vault at {address} did not answer within {deadline}: check its load and the network, or \
                 raise \"timeout\""
            )
        })
    }

    /// Sends `request` once, and again to where a standby redirects it.
    pub(super) async fn attempt(
        &self,
        request: &impl Endpoint,
        token: Option<&HeaderValue>,
        waited: &Waited,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let mut request = self.request(request, token)?;
        let http = self.http().await?;
        let _slot = waited.for_slot(&self.slots).await;
        let mut redirects = 0;
        let answer = loop {
            let sent = http.send(request.clone()).await;
            let answer = sent.map_err(|error| self.no_answer(error))?;
            if !answer.status().is_redirection() {
                break answer;
            }
            let target = redirect_target(request.uri(), &answer);
            let followed = target.as_ref().filter(|_| redirects < MOST_REDIRECTS);
            match followed.and_then(|target| self.followed(&request, answer.status(), target)) {
                Some(uri) => *request.uri_mut() = uri,
                None => return Err(self.not_followed(target.as_ref())),
            }
            redirects += 1;
        };
        let status = answer.status();
        if is_transient(status, answer.body()) {
            let failure = self.not_served(status, answer.body());
            return Err(match retry_after(answer.headers()) {
                Some(pause) => failure.with_retry_after(pause),
                None => failure,
            });
        }
        Ok((status, answer.into_body()))
    }

    fn request(
        &self,
        request: &impl Endpoint,
        token: Option<&HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let unsendable = |what: &str| {
            Failure::configuration(format!("{what} contains a character that cannot be sent"))
        };
        let url = format!("{}{}", self.base, naming::encode(&request.path()));
        let body = request.body().map_err(|_| unsendable("the request"))?;
        let mut sent = Request::new(Full::from(body.unwrap_or_default()));
        *sent.method_mut() = request.method().into();
        *sent.uri_mut() = Uri::try_from(url).map_err(|_| unsendable("the path"))?;
        sent.headers_mut().clone_from(&self.headers);
        if let Some(token) = token {
            sent.headers_mut().insert(TOKEN, token.clone());
        }
        Ok(sent)
    }

    async fn http(&self) -> Result<&Http, Failure> {
        self.http.get_or_try_init(|| self.build()).await
    }

    async fn build(&self) -> Result<Http, Failure> {
        let settings = &self.settings;
        let tls = if settings.address.is_https() {
            let mut further = Vec::new();
            for roots in &settings.further_roots {
                further.extend(roots.read().await?.unwrap_or_default());
            }
            settings.tls.config_with(further).await?
        } else {
            no_tls()?
        };
        Ok(Http::new(HttpSettings {
            tls,
            proxy_tls: None,
            proxies: settings.proxies.clone(),
            connect_timeout: settings.http.connect_timeout(),
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: settings.http.max_concurrent_requests(MOST_REQUESTS),
            bounds: BOUNDS,
        }))
    }

    /// The URI of a redirect that is followed: to the address's own scheme, host and port, or to a
    /// host that the builder lists. A redirect that would turn a `POST` into a `GET` is not followed.
    fn followed(
        &self,
        request: &Request<Full<Bytes>>,
        status: StatusCode,
        target: &Url,
    ) -> Option<Uri> {
        let keeps_method = matches!(
            status,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let own = self.settings.address.url();
        let host = target.host_str()?;
        let mut listed = self.settings.redirect_hosts.iter();
        let is_ours = target.scheme() == own.scheme()
            && (target.origin() == own.origin()
                || listed.any(|listed| listed.eq_ignore_ascii_case(host)));
        let is_plain = target.username().is_empty() && target.password().is_none();
        let is_followed = self.settings.follow_redirects
            && (keeps_method || request.method() == Method::GET)
            && is_ours
            && is_plain;
        is_followed.then(|| target.as_str().parse().ok())?
    }

    /// Vault could not be asked.
    fn no_answer(&self, error: SendError) -> Failure {
        let address = &self.settings.address;
        let (message, is_transient) = match error {
            SendError::Proxy(failure) => return failure,
            SendError::Untrusted(why) => {
                let message = match why.remedy() {
                    Some(remedy) => format!(
                        "the TLS certificate of Vault at {address} is not valid ({why}): {remedy}"
                    ),
                    None => format!(
                        "the TLS certificate of Vault at {address} is not trusted ({why}): set \
                         \"verify\" or VAULT_CACERT to the PEM file of its authority"
                    ),
                };
                (message, false)
            }
            SendError::Alert(alert) if is_about_own_certificate(alert) => {
                let message = format!(
                    "Vault at {address} does not accept the client certificate ({error}): check \"cert\" \
                     or VAULT_CLIENT_CERT"
                );
                (message, false)
            }
            SendError::NoTls => {
                let message = format!(
                    "the server at {address} does not speak TLS: check the port, or begin \"url\" with \
                     http://"
                );
                (message, false)
            }
            SendError::OutOfBounds(why) => {
                let message = format!(
                    "the answer from {address} is not one of Vault's ({why}): check \"url\", and a proxy \
                     or gateway before Vault (VAULT-24)"
                );
                (message, false)
            }
            SendError::ConnectTimedOut => {
                let seconds = self.settings.http.connect_timeout().as_secs_f64();
                let message = format!(
                    "no connection to Vault at {address} within {seconds} s: check \"url\", the firewall \
                     and the proxy"
                );
                (message, true)
            }
            SendError::ProxyDenied => return self.denied_by_proxy(),
            SendError::NoProxy(why) => {
                let message = format!(
                    "no connection to Vault at {address} through the proxy: {why}: check the proxy and \
                     no_proxy"
                );
                (message, true)
            }
            SendError::Alert(_) | SendError::NoAnswer(_) => {
                let message = format!(
                    "no answer from Vault at {address}: {error}: check \"url\", and that Vault is running"
                );
                (message, true)
            }
        };
        Failure::unavailable(message).with_transient(is_transient)
    }

    fn denied_by_proxy(&self) -> Failure {
        let address = &self.settings.address;
        let message = format!(
            "the proxy before Vault at {address} requires a user name and password: add them to the \
             proxy's URL"
        );
        Failure::unavailable(message).with_transient(false)
    }

    /// Vault answered that it cannot serve now.
    fn not_served(&self, status: StatusCode, body: &[u8]) -> Failure {
        let address = &self.settings.address;
        let why = if answer::says(body, "sealed") {
            "is sealed: unseal it".to_owned()
        } else if answer::says(body, "not initialized") || status == StatusCode::NOT_IMPLEMENTED {
            "is not initialized: run `vault operator init`".to_owned()
        } else if answer::says(body, "active cluster node not found") {
            "is a standby and knows no leader: check the cluster".to_owned()
        } else {
            match status {
                StatusCode::BAD_REQUEST => {
                    "is making the mount's documents versioned: try again in a while".into()
                }
                StatusCode::REQUEST_TIMEOUT => {
                    "did not get the request in time (HTTP 408): check the proxy or gateway before it"
                        .into()
                }
                StatusCode::PRECONDITION_FAILED => "has not caught up with its leader yet".into(),
                StatusCode::TOO_MANY_REQUESTS => "throttles its clients".into(),
                _ => format!("cannot answer (HTTP {}): see Vault's log", status.as_u16()),
            }
        };
        Failure::unavailable(format!("Vault at {address} {why}"))
    }

    /// A redirect that is not followed.
    fn not_followed(&self, target: Option<&Url>) -> Failure {
        let host = target.and_then(Url::host_str).unwrap_or("elsewhere");
        let port = target.and_then(Url::port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Failure::unavailable(format!(
            "Vault at {} redirects to {host}{port}, where the token is not sent: set \"url\" to the \
             leader's address, or list the host with `VaultBuilder::redirect_hosts` (VAULT-13)",
            self.settings.address
        ))
        .with_transient(false)
    }

    /// Vault refused the request itself, or something before Vault did.
    pub(super) fn unexpected(&self, status: StatusCode, body: &[u8]) -> Failure {
        let address = &self.settings.address;
        let hint = match status {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => return self.denied_by_proxy(),
            status if !status.is_client_error() => return answer::not_vault(),
            _ if answer::says(body, "missing client token") => {
                "the header X-Vault-Token did not arrive: check the proxy or gateway before Vault"
            }
            StatusCode::BAD_REQUEST if !address.is_https() => {
                "if Vault listens with TLS, begin \"url\" with https://"
            }
            _ => "check \"url\", \"namespace\" and \"mount_point\"",
        };
        Failure::configuration(format!(
            "{address} refused the request (HTTP {}): {hint}",
            status.as_u16()
        ))
    }
}

/// The header that sends `token`: one copy, wiped when the last user drops it.
///
/// # Errors
/// When the token is empty or cannot be sent.
pub(super) fn token_header(token: Secret) -> Result<HeaderValue, Failure> {
    if token.is_empty() {
        return Err(Failure::configuration("the token is empty: set it"));
    }
    let token = Bytes::from_owner(Wiped(token));
    let mut header = HeaderValue::from_maybe_shared(token).map_err(|_| {
        Failure::configuration("the token contains a character that cannot be sent: check its file")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// A secret as bytes.
struct Wiped(Secret);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// The header for a proxy that stands before Vault and asks for a name and a password.
fn basic_auth(user_info: &Secret) -> HeaderValue {
    let text = format!("Basic {}", BASE64_STANDARD.encode(user_info.expose()));
    // Base64 can always be sent.
    let mut header = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

/// What Vault says, with status 400, while it makes a mount's documents versioned.
const UPGRADING: &str = "from non-versioned to versioned data";

fn is_transient(status: StatusCode, body: &[u8]) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::BAD_REQUEST => answer::says(body, UPGRADING),
        status => status.is_server_error(),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Where `answer`, a redirect of a request to `uri`, leads.
fn redirect_target(uri: &Uri, answer: &Response<Bytes>) -> Option<Url> {
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let mut target = Url::parse(&uri.to_string()).ok()?.join(location).ok()?;
    target.set_fragment(None);
    Some(target)
}
