//! The wire: one pooled HTTP client for Secret Manager and the services that give tokens, another for
//! the metadata server of this machine.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use rustls::ClientConfig;
use tokio::{sync::OnceCell, time::timeout};

use crate::{
    Environment, Failure,
    backends::{
        bounds::Bounds,
        deadline::Deadline,
        http_client::{Http, HttpSettings},
        http_options::HttpOptions,
        proxies::{Proxies, Rules},
        retry::{self, RetryOptions},
        tls::{Tls, no_tls, roots},
    },
};

/// How long an unused connection is kept, and how many.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MOST_IDLE_CONNECTIONS: usize = 32;

/// What a request carries.
pub(crate) type Body = Full<Bytes>;

/// Sends requests. It connects, and reads files of certificates, at the first of them.
#[derive(Debug)]
pub(crate) struct Wire {
    environment: Environment,
    options: HttpOptions,
    retries: RetryOptions,
    attempt_timeout: Duration,
    web: OnceCell<Http>,
    /// For the metadata server, which is never behind a proxy.
    machine: OnceCell<Http>,
}

impl Wire {
    pub(crate) fn new(
        environment: Environment,
        options: HttpOptions,
        retries: RetryOptions,
        attempt_timeout: Duration,
    ) -> Self {
        Self {
            environment,
            attempt_timeout: attempt_timeout.min(options.timeout()),
            options,
            retries,
            web: OnceCell::new(),
            machine: OnceCell::new(),
        }
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.options
    }

    pub(crate) fn retries(&self) -> &RetryOptions {
        &self.retries
    }

    /// What `whom` answers to `request`, which is sent once.
    ///
    /// # Errors
    /// When there is no answer, or not in the time for one request.
    pub(crate) async fn send(
        &self,
        whom: &str,
        request: Request<Body>,
    ) -> Result<Response<Bytes>, Failure> {
        let http = self.web.get_or_try_init(|| self.connect()).await?;
        self.answer(whom, http, request, self.attempt_timeout).await
    }

    /// The same of the metadata server, within `limit`.
    pub(crate) async fn send_to_machine(
        &self,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        let connect =
            async || -> Result<Http, Failure> { Ok(self.client(no_tls()?, Proxies::none())) };
        let http = self.machine.get_or_try_init(connect).await?;
        self.answer("the metadata server", http, request, limit)
            .await
    }

    async fn answer(
        &self,
        whom: &str,
        http: &Http,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        match timeout(limit, http.send(request)).await {
            Ok(answer) => {
                answer.map_err(|error| error.no_answer(whom, self.options.connect_timeout()))
            }
            Err(_) => Err(Failure::unavailable(format!(
                "no answer from {whom} in time"
            ))),
        }
    }

    /// What `attempt` gives, repeated as the options say while its failure is transient.
    pub(crate) async fn with_retries<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let deadline = Deadline::after(self.options.timeout());
        let answer = retry::with_retries(&self.retries, deadline, attempt).await;
        answer.unwrap_or_else(|| Err(Failure::unavailable(format!("no answer within {deadline}"))))
    }

    async fn connect(&self) -> Result<Http, Failure> {
        let tls = Tls::of_client(&self.options, &self.environment, roots::of_machine().await);
        let proxies = Proxies::new(
            Rules::Requests,
            self.options.proxies.clone(),
            &self.environment,
        );
        Ok(self.client(tls.await?, proxies))
    }

    fn client(&self, tls: ClientConfig, proxies: Proxies) -> Http {
        Http::new(HttpSettings {
            tls,
            proxy_tls: None,
            proxies,
            connect_timeout: self.options.connect_timeout().min(self.attempt_timeout),
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: MOST_IDLE_CONNECTIONS,
            bounds: Bounds::default(),
        })
    }
}

/// The failure for a request that HTTP cannot express.
pub(crate) fn unsendable() -> Failure {
    Failure::configuration("the request contains a character that cannot be sent")
}
