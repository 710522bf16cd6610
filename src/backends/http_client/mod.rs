//! The HTTP client of Vault, AWS and Azure: HTTP/1.1 over kept connections, TLS as it is configured, a
//! proxy for each address, bounded answers, no redirects. It is `hyper` with `rustls`; `reqwest`, which
//! is built on the same two, costs a lookup a tenth of its throughput.

mod connector;
mod error;
#[cfg(any(
    feature = "astro",
    feature = "azure",
    feature = "execution-api",
    feature = "gcp",
    feature = "kubernetes"
))]
mod failure;
mod per_runtime;
#[cfg(test)]
mod tests;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{
    Request, Response, Uri,
    header::{HeaderValue, PROXY_AUTHORIZATION},
    uri::Scheme,
};
use http_body_util::Full;
use hyper::ext::on_informational;
use hyper_util::{
    client::{legacy::Client, proxy::matcher::Matcher},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::sync::Notify;

use self::connector::Connector;
pub(super) use self::error::SendError;
use self::per_runtime::PerRuntime;
use crate::{
    Failure,
    backends::{
        bounds::{Bounds, OutOfBounds},
        proxies::{self, Proxies, Target},
    },
};

/// How many interim answers (HTTP 1xx) may come before the answer.
const MOST_INTERIM_ANSWERS: usize = 100;

/// What a client is made from.
pub(super) struct HttpSettings {
    pub(super) tls: ClientConfig,
    /// TLS to a proxy; `None` for the same.
    pub(super) proxy_tls: Option<ClientConfig>,
    pub(super) proxies: Proxies,
    /// For a connection: name, proxy and TLS included.
    pub(super) connect_timeout: Duration,
    /// For how long an unused connection is kept.
    pub(super) idle_timeout: Duration,
    /// How many unused connections are kept for a host.
    pub(super) most_idle_connections: usize,
    /// How long and how deep an answer may be.
    pub(super) bounds: Bounds,
}

/// Sends requests, over connections that are kept for the next of the same runtime.
#[derive(Debug, Clone)]
pub(super) struct Http {
    clients: Arc<PerRuntime>,
    connector: Connector,
    bounds: Bounds,
}

impl Http {
    /// A client that has not connected yet.
    pub(super) fn new(settings: HttpSettings) -> Self {
        let connector = Connector::new(
            settings.tls,
            settings.proxy_tls,
            settings.proxies,
            settings.connect_timeout,
        );
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_max_idle_per_host(settings.most_idle_connections);
        Self {
            clients: Arc::new(PerRuntime::new(builder, connector.clone())),
            connector,
            bounds: settings.bounds,
        }
    }

    /// Sends `request`, and gives the answer before its body, which has no bounds.
    ///
    /// # Errors
    /// When no answer begins.
    #[cfg(feature = "kubernetes")]
    pub(super) async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<hyper::body::Incoming>, SendError> {
        self.answer(request).await
    }

    /// Sends `request`, and gives the whole answer.
    ///
    /// # Errors
    /// When the answer does not arrive, or is out of its bounds.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, SendError> {
        let (head, body) = self.answer(request).await?.into_parts();
        let body = self.bounds.read(body).await.map_err(SendError::of_body)?;
        Ok(Response::from_parts(head, body))
    }

    async fn answer(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<hyper::body::Incoming>, SendError> {
        // A tunnel to an https address was authorized when it was made.
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(authorization) = self.connector.authorization(request.uri())
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, authorization);
        }
        let interim = count_interim_answers(&mut request);
        let answer = pin!(self.clients.client().request(request));
        let flood = pin!(interim.notified());
        match select(answer, flood).await {
            Either::Left((answer, _)) => answer.map_err(|error| SendError::of_request(&error)),
            Either::Right(_) => {
                let flood = OutOfBounds::InterimAnswers(MOST_INTERIM_ANSWERS);
                Err(SendError::OutOfBounds(flood))
            }
        }
    }
}

/// Notifies when there were too many interim answers to `request`. The connection reads a flood of
/// them so eagerly that timers come late.
fn count_interim_answers(request: &mut Request<Full<Bytes>>) -> Arc<Notify> {
    let too_many = Arc::new(Notify::new());
    let (count, notify) = (AtomicUsize::new(0), Arc::clone(&too_many));
    on_informational(request, move |_| {
        if count.fetch_add(1, Ordering::Relaxed) >= MOST_INTERIM_ANSWERS {
            notify.notify_one();
        }
    });
    too_many
}

/// A proxy that can be used.
#[derive(Debug)]
struct Proxy {
    uri: Uri,
    /// The value of `Proxy-Authorization`.
    authorization: Option<HeaderValue>,
}

/// The proxy for `uri`.
///
/// # Errors
/// When it cannot be used; nothing is then sent to `uri` without it.
fn proxy_for(proxies: &Proxies, uri: &Uri) -> Result<Option<Proxy>, Failure> {
    let target = Target::new(
        uri.scheme_str().unwrap_or_default(),
        uri.host().unwrap_or_default(),
        uri.port_u16(),
    );
    let Some(chosen) = proxies.choose(&target) else {
        return Ok(None);
    };
    proxies::check(&chosen.value).map_err(|why| chosen.failure(why))?;
    let matcher = Matcher::builder().all(chosen.value.expose()).build();
    let Some(proxy) = matcher.intercept(uri) else {
        return Err(chosen.failure("this proxy cannot be used"));
    };
    let authorization = proxy.basic_auth().cloned();
    Ok(Some(Proxy {
        uri: proxy.uri().clone(),
        authorization: authorization.filter(|_| proxies.sends_credentials(&chosen.value)),
    }))
}
