//! The wire: one pooled HTTP client, which trusts whom Airflow's client trusts.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use rustls::{ClientConfig, pki_types::CertificateDer};
use tokio::{sync::OnceCell, time::timeout};

use crate::{
    Environment, Failure,
    backends::{
        bounds::Bounds,
        http_client::{Http, HttpSettings, SendError},
        http_options::{HttpOptions, Roots},
        proxies::{Proxies, Rules},
        retry::RetryOptions,
        tls::{Tls, roots},
    },
    config::Setting,
};

/// How long an unused connection is kept. The API server keeps it for two minutes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MOST_IDLE_CONNECTIONS: usize = 32;

/// How long an answer may be: as long as one of the metadata DB, in which a variable or an `extra` may have
/// 16 MiB (EXEC-11).
const BOUNDS: Bounds = Bounds {
    longest: 17 * 1024 * 1024,
    deepest: 128,
};

/// What a request carries.
pub(super) type Body = Full<Bytes>;

/// The authorities that Airflow's settings name.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    /// Those of `[api] ssl_ca_file`, in place of the machine's.
    pub(crate) ca_file: Option<Setting<PathBuf>>,
    /// The certificate in `[api] ssl_cert`, besides.
    pub(crate) certificate: Option<Setting<PathBuf>>,
    /// Mozilla's, besides.
    pub(crate) mozilla: bool,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            ca_file: None,
            certificate: None,
            mozilla: true,
        }
    }
}

impl Trust {
    /// TLS that trusts them, or whom `options` names in their place.
    async fn tls(
        &self,
        options: &HttpOptions,
        environment: &Environment,
    ) -> Result<ClientConfig, Failure> {
        let mut further = Vec::new();
        let roots = match (&options.roots, &self.ca_file) {
            (Some(given), _) => Some(given.clone()),
            (None, ca_file) => {
                if let Some(certificate) = &self.certificate {
                    further.extend(read(certificate).await?);
                }
                if let Some(ca_file) = ca_file {
                    if self.mozilla {
                        further.extend(roots::mozilla());
                    }
                    Some(ca_file.clone().map(Roots::At))
                } else {
                    further.extend(roots::further(environment).await);
                    if self.mozilla {
                        further.extend(roots::of_machine().await);
                        None
                    } else {
                        let name = "client_use_public_certs";
                        Some(Setting::new(name, "[api]", Roots::Machine))
                    }
                }
            }
        };
        let tls = Tls {
            roots,
            client_certificate: options.client_certificate.clone(),
        };
        tls.config_as_openssl(further).await
    }
}

async fn read(file: &Setting<PathBuf>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = file.clone().map(Roots::At).read().await?;
    Ok(found.unwrap_or_default())
}

/// Sends requests. It connects, and reads files of certificates, at the first of them.
#[derive(Debug)]
pub(crate) struct Wire {
    environment: Environment,
    options: HttpOptions,
    trust: Trust,
    retries: RetryOptions,
    attempt_timeout: Duration,
    http: OnceCell<Http>,
}

impl Wire {
    pub(crate) fn new(
        environment: Environment,
        options: HttpOptions,
        trust: Trust,
        retries: RetryOptions,
        attempt_timeout: Duration,
    ) -> Self {
        Self {
            environment,
            attempt_timeout: attempt_timeout.min(options.timeout()),
            options,
            trust,
            retries,
            http: OnceCell::new(),
        }
    }

    pub(super) fn options(&self) -> &HttpOptions {
        &self.options
    }

    pub(super) fn retries(&self) -> &RetryOptions {
        &self.retries
    }

    /// What `whom` answers to `request`, which is sent once.
    ///
    /// # Errors
    /// When there is no answer, or not in the time for one request.
    pub(super) async fn send(
        &self,
        whom: &str,
        request: Request<Body>,
    ) -> Result<Response<Bytes>, Failure> {
        let http = self.http.get_or_try_init(|| self.connect()).await?;
        match timeout(self.attempt_timeout, http.send(request)).await {
            Ok(answer) => answer.map_err(|error| self.no_answer(whom, &error)),
            Err(_) => Err(Failure::unavailable(format!(
                "no answer from {whom} within {} s: check its load, or raise [workers] \
                 execution_api_timeout",
                self.attempt_timeout.as_secs_f64()
            ))),
        }
    }

    fn no_answer(&self, whom: &str, error: &SendError) -> Failure {
        match error {
            SendError::Untrusted(why) if why.remedy().is_none() => Failure::unavailable(format!(
                "the TLS certificate of {whom} is not trusted ({why}): name its authority in [api] \
                     ssl_ca_file, or the certificate itself in [api] ssl_cert"
            ))
            .with_transient(false),
            error => error.no_answer(whom, self.connect_timeout()),
        }
    }

    fn connect_timeout(&self) -> Duration {
        self.options.connect_timeout().min(self.attempt_timeout)
    }

    async fn connect(&self) -> Result<Http, Failure> {
        Ok(Http::new(HttpSettings {
            tls: self.trust.tls(&self.options, &self.environment).await?,
            proxy_tls: None,
            proxies: Proxies::new(
                Rules::Httpx,
                self.options.proxies.clone(),
                &self.environment,
            ),
            connect_timeout: self.connect_timeout(),
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: MOST_IDLE_CONNECTIONS,
            bounds: BOUNDS,
        }))
    }
}
