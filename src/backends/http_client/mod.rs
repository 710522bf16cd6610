//! One small HTTP client for the providers whose libraries let us bring our own: HTTP/1.1 over kept
//! connections, TLS as it is given, a proxy for each address, no redirects. It is `hyper` with
//! `rustls`: `reqwest`, above the same two, costs a lookup a tenth of its throughput.

mod connector;
#[cfg(test)]
mod tests;
pub(super) mod tls;
mod trouble;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Request, Response, Uri,
    header::{HeaderValue, PROXY_AUTHORIZATION},
    uri::Scheme,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::{
        legacy::Client,
        proxy::matcher::{Intercept, Matcher},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;

use self::connector::Connector;
pub(super) use self::trouble::Trouble;
use crate::Failure;

/// How long an answer may be, in bytes. The longest that is asked for, twenty secrets of AWS's at
/// once, comes to half of it at most.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Chooses the proxy before an address; a failure says that it cannot be asked, and nothing is then
/// to go there without it.
pub(super) type ChooseProxy = Arc<dyn Fn(&Uri) -> Result<Option<Intercept>, Failure> + Send + Sync>;

/// How requests go out.
pub(super) struct Settings {
    pub(super) tls: ClientConfig,
    /// TLS to a proxy; `None` for the same.
    pub(super) proxy_tls: Option<ClientConfig>,
    pub(super) proxies: ChooseProxy,
    /// For a connection: name, proxy and TLS included.
    pub(super) connect_timeout: Duration,
    /// For how long a connection is kept that nobody uses.
    pub(super) idle_timeout: Duration,
    /// How many of these are kept for a host.
    pub(super) most_idle_connections: usize,
}

/// Sends requests, over connections that are kept for the next.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
}

impl Http {
    /// A client that has not connected yet.
    pub(super) fn new(settings: Settings) -> Self {
        let connector = Connector::new(
            settings.tls,
            settings.proxy_tls,
            settings.proxies,
            settings.connect_timeout,
        );
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_max_idle_per_host(settings.most_idle_connections)
            .build(connector.clone());
        Self { client, connector }
    }

    /// Sends `request`, and gives the whole answer.
    ///
    /// # Errors
    /// When there is none, or one that is longer than any is to be.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Trouble> {
        // A tunnel to an https address was authorized when it was made.
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(authorization) = self.connector.authorization(request.uri())
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, authorization);
        }
        let answer = self.client.request(request).await;
        let (head, body) = answer
            .map_err(|error| Trouble::of_request(&error))?
            .into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| Trouble::of(&*error))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// Never a proxy.
#[cfg(any(feature = "azure", test))]
pub(super) fn no_proxies() -> ChooseProxy {
    Arc::new(|_| Ok(None))
}

/// The proxy at `url`, which has `http` where it names no scheme.
///
/// # Errors
/// What is wrong with it, without its text.
pub(super) fn proxy(url: &str) -> Result<Intercept, &'static str> {
    let anywhere = Uri::from_static("http://a.example");
    Matcher::builder()
        .all(url)
        .build()
        .intercept(&anywhere)
        .filter(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
        .ok_or("a proxy's URL must look like http://proxy.example.com:3128")
}

/// What a proxy wants to know of who asks.
fn authorization(proxy: &Intercept) -> Option<HeaderValue> {
    proxy.basic_auth().cloned()
}
