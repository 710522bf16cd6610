//! The SDK's way to the network: our own HTTP client, since the SDK's has no unchecked certificates
//! and no client certificates.

use std::{sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Uri, uri::Scheme};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::proxy::Proxies;
use crate::{
    Failure,
    backends::http_client::{Http, Settings, Trouble},
};

/// How long a connection is kept that nobody uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How requests go out.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) connect_timeout: Duration,
    /// For an answer, once there is a connection.
    pub(super) read_timeout: Duration,
    pub(super) proxies: Proxies,
    pub(super) most_idle_connections: usize,
    /// Whether an `https` request goes out as `http`: `use_ssl: false`.
    pub(super) without_tls: bool,
}

impl Wire {
    /// The same for those who give credentials, through other proxies: an `https` address is one.
    pub(super) fn through(&self, proxies: Proxies) -> Self {
        Self {
            proxies,
            without_tls: false,
            ..self.clone()
        }
    }
}

/// A client of the SDK's kind.
pub(super) fn client(wire: &Wire, tls: ClientConfig) -> SharedHttpClient {
    client_through(wire, tls, None)
}

/// The same with another TLS to proxies.
pub(super) fn client_through(
    wire: &Wire,
    tls: ClientConfig,
    proxy_tls: Option<ClientConfig>,
) -> SharedHttpClient {
    let proxies = wire.proxies.clone();
    SharedHttpClient::new(Connector {
        http: Http::new(Settings {
            tls,
            proxy_tls,
            proxies: Arc::new(move |uri| proxies.choose(uri)),
            connect_timeout: wire.connect_timeout,
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: wire.most_idle_connections,
        }),
        timeout: wire.connect_timeout.saturating_add(wire.read_timeout),
        without_tls: wire.without_tls,
    })
}

/// Sends requests.
#[derive(Debug, Clone)]
struct Connector {
    http: Http,
    timeout: Duration,
    without_tls: bool,
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // The SDK has shorter times for machines' own metadata.
        let times = settings.connect_timeout().zip(settings.read_timeout());
        let timeout = times.map_or(self.timeout, |(connect, read)| connect.saturating_add(read));
        SharedHttpConnector::new(Self {
            timeout: timeout.min(self.timeout),
            ..self.clone()
        })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.send(request).await })
    }
}

impl Connector {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let not_a_request = |_| ConnectorError::user("this is no HTTP request".into());
        let request = request.try_into_http1x().map_err(not_a_request)?;
        let (mut head, body) = request.into_parts();
        if self.without_tls {
            head.uri = plain(head.uri);
        }
        // What is sent here is short, and no stream.
        let body = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
        let sent = self.http.send(Request::from_parts(head, body.into()));
        let answer = match timeout(self.timeout, sent).await {
            Ok(answer) => answer.map_err(connector_error)?,
            Err(elapsed) => return Err(ConnectorError::timeout(elapsed.into())),
        };
        HttpResponse::try_from(answer.map(SdkBody::from))
            .map_err(|_| ConnectorError::other("the answer is no HTTP response".into(), None))
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

/// The error as the SDK's retries understand it.
fn connector_error(trouble: Trouble) -> ConnectorError {
    match trouble {
        Trouble::Proxy(failure) => ConnectorError::user(failure.into()),
        // Another try would meet the same certificate.
        Trouble::Untrusted(_) => ConnectorError::user(Box::new(Failure::unavailable(
            "the server's certificate is not trusted: name its authority's PEM file with \
             \"verify\" in backend_kwargs, or with AWS_CA_BUNDLE; a proxy's with \
             \"proxy_ca_bundle\" in the \"proxies_config\" of config_kwargs",
        ))),
        Trouble::ConnectTimedOut => ConnectorError::timeout(trouble.into()),
        Trouble::Alert(_) | Trouble::NoAnswer(_) => ConnectorError::io(trouble.into()),
    }
}
