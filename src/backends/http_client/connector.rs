//! New connections: direct, through a proxy's tunnel, or to a proxy that forwards requests.

use std::{
    fmt,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Uri, uri::Scheme};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector, proxy::Tunnel};
use rustls::ClientConfig;
use tokio::time::timeout;
use tower_service::Service;

use super::{
    Proxy,
    error::{ConnectTimedOut, ProxyError},
    proxy_for,
};
use crate::backends::proxies::Proxies;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    direct: HttpsConnector<HttpConnector>,
    to_proxy: HttpsConnector<HttpConnector>,
    tls: Arc<ClientConfig>,
    proxies: Proxies,
    timeout: Duration,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(
        tls: ClientConfig,
        proxy_tls: Option<ClientConfig>,
        proxies: Proxies,
        timeout: Duration,
    ) -> Self {
        let tls = Arc::new(tls);
        let proxy_tls = proxy_tls.map_or_else(|| Arc::clone(&tls), Arc::new);
        let mut tcp = HttpConnector::new();
        // `HttpsConnector`, above it, handles https.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        // Also for each address of a name, so that a dead one leaves time for the next.
        tcp.set_connect_timeout(Some(timeout));
        Self {
            to_proxy: HttpsConnector::from((tcp.clone(), proxy_tls)),
            direct: HttpsConnector::from((tcp, Arc::clone(&tls))),
            tls,
            proxies,
            timeout,
        }
    }

    /// The credentials that a request to `uri` needs for a proxy that forwards it.
    pub(super) fn authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        proxy_for(&self.proxies, uri).ok()??.authorization
    }

    async fn connect(self, uri: Uri) -> Result<Stream, BoxError> {
        let Some(proxy) = proxy_for(&self.proxies, &uri)? else {
            return Ok(Stream::to_server(called(self.direct, uri).await?));
        };
        if uri.scheme() == Some(&Scheme::HTTP) {
            let to_proxy = called(ByProxy(self.to_proxy), proxy.uri);
            return Ok(Stream::to_proxy(to_proxy.await?));
        }
        let tunnel = ByProxy(tunnel(proxy, self.to_proxy));
        let tunnel = HttpsConnector::from((tunnel, self.tls));
        Ok(Stream::to_server(called(tunnel, uri).await?))
    }
}

fn tunnel<C>(proxy: Proxy, to_proxy: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri, to_proxy);
    match proxy.authorization {
        Some(authorization) => tunnel.with_auth(authorization),
        None => tunnel,
    }
}

/// The way to a proxy, or to the end of its tunnel: what goes wrong there is not the server's fault.
#[derive(Clone)]
struct ByProxy<S>(S);

impl<S> Service<Uri> for ByProxy<S>
where
    S: Service<Uri>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = ProxyError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, ProxyError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        self.0
            .poll_ready(context)
            .map_err(|error| ProxyError(error.into()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connection = self.0.call(uri);
        Box::pin(async move { connection.await.map_err(|error| ProxyError(error.into())) })
    }
}

async fn called<S: Service<Uri>>(mut service: S, uri: Uri) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(uri).await
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.timeout;
        let connection = self.clone().connect(uri);
        Box::pin(async move {
            let connection = timeout(limit, connection).await;
            connection.unwrap_or_else(|_| Err(ConnectTimedOut.into()))
        })
    }
}

trait Io: Read + Write + Connection + Send + Unpin {}

impl<T: Read + Write + Connection + Send + Unpin> Io for T {}

/// A connection, direct or through a proxy.
pub(super) struct Stream {
    io: Box<dyn Io>,
    is_to_proxy: bool,
}

impl Stream {
    fn to_server(io: impl Io + 'static) -> Self {
        Self {
            io: Box::new(io),
            is_to_proxy: false,
        }
    }

    /// To a proxy that forwards requests, and so needs the whole URL in each.
    fn to_proxy(io: impl Io + 'static) -> Self {
        Self {
            is_to_proxy: true,
            ..Self::to_server(io)
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_to_proxy)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }
}
