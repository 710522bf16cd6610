//! The SDK's way to the network: `reqwest`, which has what the SDK's own connector has not
//! (unchecked certificates, client certificates), and is in the tree for others already.

use std::{error::Error, time::Duration};

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
use reqwest::{Client, Method, Proxy, Url, redirect::Policy};
use rustls::ClientConfig;

use super::{proxy::Proxies, session::misconfigured};
use crate::{Failure, FailureKind};

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

/// A client of the SDK's kind.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client(wire: &Wire, tls: ClientConfig) -> Result<SharedHttpClient, Failure> {
    let proxies = wire.proxies.clone();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(wire.connect_timeout)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .proxy(Proxy::custom(move |url| proxies.choose(url)))
        .pool_max_idle_per_host(wire.most_idle_connections)
        .pool_idle_timeout(Duration::from_secs(20))
        .build()
        .map_err(|_| misconfigured("the HTTP client cannot be set up"))?;
    Ok(SharedHttpClient::new(Connector {
        client,
        timeout: wire.connect_timeout + wire.read_timeout,
        without_tls: wire.without_tls,
    }))
}

/// Sends requests.
#[derive(Debug, Clone)]
struct Connector {
    client: Client,
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
        let timeout = times.map_or(self.timeout, |(connect, read)| connect + read);
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
        let not_a_request = |what: &str| ConnectorError::user(what.into());
        let method = Method::from_bytes(request.method().as_bytes())
            .map_err(|_| not_a_request("the method is none"))?;
        let mut url =
            Url::parse(request.uri()).map_err(|_| not_a_request("the address is no URL"))?;
        if self.without_tls && url.scheme() == "https" {
            let changed = url.set_scheme("http");
            changed.map_err(|()| not_a_request("the address has no host"))?;
        }
        let mut sent = self.client.request(method, url).timeout(self.timeout);
        for (name, value) in request.headers() {
            sent = sent.header(name, value);
        }
        let body = request.body().bytes();
        sent = sent.body(body.unwrap_or_default().to_vec());
        let answer = sent.send().await.map_err(connector_error)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map_err(connector_error)?;
        let status = status
            .try_into()
            .map_err(|_| ConnectorError::other("the status is none".into(), None))?;
        let mut answer = HttpResponse::new(status, SdkBody::from(body));
        for (name, value) in &headers {
            if let Ok(value) = value.to_str() {
                let header = (name.as_str().to_owned(), value.to_owned());
                // A header that cannot be kept is none that the SDK reads.
                let _ = answer.headers_mut().try_append(header.0, header.1);
            }
        }
        Ok(answer)
    }
}

/// The error as the SDK's retries understand it.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if is_about_certificate(&error) {
        // Another try would meet the same certificate.
        return ConnectorError::user(Box::new(Failure::new(
            FailureKind::Unavailable,
            "the server's certificate is not trusted: name its authority's PEM file with \
             \"verify\" in backend_kwargs, or with AWS_CA_BUNDLE",
        )));
    }
    if error.is_timeout() {
        return ConnectorError::timeout(error.into());
    }
    ConnectorError::io(error.into())
}

/// Whether the server's certificate is the reason.
fn is_about_certificate(error: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    // Its source would be that of the error it holds.
    let held = error.downcast_ref::<std::io::Error>();
    let held = held.and_then(std::io::Error::get_ref);
    held.is_some_and(|held| is_about_certificate(held))
        || error.source().is_some_and(is_about_certificate)
}
