//! The wire: one pooled HTTP client, which goes to Astro's hosts alone and follows no redirect.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{sync::OnceCell, time::timeout};

use crate::{
    Environment, Failure,
    backends::{
        bounds::Bounds,
        http_client::{Http, HttpSettings},
        http_options::HttpOptions,
        proxies::{Proxies, Rules},
        retry::RetryOptions,
        tls::{Tls, no_tls, roots},
    },
};

const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MOST_IDLE_CONNECTIONS: usize = 4;

/// How long one request may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// For a page of 1,000 objects.
const BOUNDS: Bounds = Bounds {
    longest: 32 * 1024 * 1024,
    deepest: 128,
};

/// Sends requests. It connects, and reads files of certificates, at the first of them.
#[derive(Debug)]
pub(in super::super) struct Wire {
    environment: Environment,
    options: HttpOptions,
    retries: RetryOptions,
    is_local: bool,
    http: OnceCell<Http>,
}

impl Wire {
    pub(in super::super) fn new(
        environment: Environment,
        options: HttpOptions,
        retries: RetryOptions,
        is_local: bool,
    ) -> Self {
        Self {
            environment,
            options,
            retries,
            is_local,
            http: OnceCell::new(),
        }
    }

    pub(in super::super) fn options(&self) -> &HttpOptions {
        &self.options
    }

    pub(in super::super) fn retries(&self) -> &RetryOptions {
        &self.retries
    }

    /// What `whom` answers to `request`, which is sent once.
    ///
    /// # Errors
    /// When there is no answer, or not in the time for one request.
    pub(in super::super) async fn send(
        &self,
        whom: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let http = self.http.get_or_try_init(|| self.connect()).await?;
        let limit = ATTEMPT_TIMEOUT.min(self.options.timeout());
        match timeout(limit, http.send(request)).await {
            Ok(answer) => {
                answer.map_err(|error| error.no_answer(whom, self.options.connect_timeout()))
            }
            Err(_) => Err(Failure::unavailable(format!(
                "no answer from {whom} in time"
            ))),
        }
    }

    async fn connect(&self) -> Result<Http, Failure> {
        let (tls, proxies) = if self.is_local {
            (no_tls()?, Proxies::none())
        } else {
            let of_machine = roots::of_machine().await;
            let tls = Tls::of_client(&self.options, &self.environment, of_machine).await?;
            let given = self.options.proxies.clone();
            (tls, Proxies::new(Rules::Requests, given, &self.environment))
        };
        Ok(Http::new(HttpSettings {
            tls,
            proxy_tls: None,
            proxies,
            connect_timeout: self.options.connect_timeout().min(ATTEMPT_TIMEOUT),
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: MOST_IDLE_CONNECTIONS,
            bounds: BOUNDS,
        }))
    }
}

/// The failure for a request that HTTP cannot express.
pub(in super::super) fn unsendable() -> Failure {
    Failure::configuration("the request contains a character that cannot be sent")
}
