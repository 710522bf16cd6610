//! Asking for secrets: one client for the life of the backend, its time-outs and retries.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Request,
    header::{ACCEPT, AUTHORIZATION},
};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};
use url::form_urlencoded::Serializer;

use super::{
    answer::{self, Place, Reading},
    credential::{Cluster, Namespace, Token, Tokens},
    naming, watch,
};
use crate::{
    Environment, Failure,
    backend::{LookupOptions, MAX_CONCURRENT_LOOKUPS},
    backends::{
        bounds::Bounds,
        deadline::Deadline,
        http_client::{Http, HttpSettings, SendError},
        http_options::HttpOptions,
        keeper::Keeper,
        proxies::{Proxies, Rules},
        retry::{self, RetryOptions},
        slots::{Waited, slots},
        tls::{Tls, no_tls, roots},
    },
    files,
};

/// What errors call the other side.
const WHOM: &str = "the API server";

/// How long an unused connection is kept, and how many.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MOST_IDLE_CONNECTIONS: usize = 32;

/// A secret has at most 1 MiB of data, and some have the same label.
const BOUNDS: Bounds = Bounds {
    longest: 8 * 1024 * 1024,
    deepest: 128,
};

/// What a client is made from.
#[derive(Debug)]
pub(super) struct ClientSettings {
    pub(super) cluster: Cluster,
    pub(super) environment: Environment,
    pub(super) options: HttpOptions,
    pub(super) retries: RetryOptions,
    pub(super) attempt_timeout: Duration,
}

/// Asks the API server. It connects, and reads files, at the first request.
#[derive(Debug)]
pub(super) struct Client {
    settings: ClientSettings,
    slots: Semaphore,
    http: OnceCell<Http>,
    namespace: OnceCell<String>,
    tokens: Keeper<Tokens>,
}

impl Client {
    pub(super) fn new(settings: ClientSettings) -> Self {
        let options = &settings.options;
        Self {
            slots: slots(options.max_concurrent_requests(MAX_CONCURRENT_LOOKUPS)),
            http: OnceCell::new(),
            namespace: OnceCell::new(),
            tokens: Keeper::new(settings.cluster.token.clone()),
            settings,
        }
    }

    /// When a lookup that starts now has to be over.
    pub(super) fn deadline(&self, options: &LookupOptions) -> Deadline {
        Deadline::new(self.settings.options.timeout(), options)
    }

    /// The namespace that is asked.
    ///
    /// # Errors
    /// When it is in a file that cannot be used, or this is no pod.
    pub(super) async fn namespace(&self) -> Result<&str, Failure> {
        self.url()?;
        let path = match &self.settings.cluster.namespace {
            Namespace::Known(namespace) => return Ok(namespace),
            Namespace::File(path) => path,
        };
        let read = async || {
            let text = files::read_text_in_background(path).await;
            let problem = match text {
                Ok(text) => match text.expose().trim() {
                    namespace if naming::is_namespace(namespace) => return Ok(namespace.to_owned()),
                    _ => "it does not hold a namespace's name".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            Err(Failure::configuration(format!(
                "\"namespace\" is not given, and {} cannot be used: {problem}: give \"namespace\", or check \
                 that the pod's service account is mounted (automountServiceAccountToken)",
                path.display()
            )))
        };
        let namespace = self.namespace.get_or_try_init(read).await;
        namespace.map(String::as_str)
    }

    /// What the secrets are that `selector` selects.
    ///
    /// # Errors
    /// When the API server could not be asked, or refused.
    pub(super) async fn list(
        &self,
        selector: &str,
        place: Place<'_>,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let token = self.token(deadline).await?;
        let reading = self.list_with(&token, selector, place, deadline).await?;
        if !matches!(reading, Reading::TokenRefused(_)) || !token.may_have_changed() {
            return Ok(reading);
        }
        // Its file may hold another by now.
        self.tokens.forget(&token);
        let new = self.token(deadline).await?;
        if new.bearer == token.bearer {
            return Ok(reading);
        }
        self.list_with(&new, selector, place, deadline).await
    }

    /// The same, asked once.
    pub(super) async fn list_once(
        &self,
        selector: &str,
        place: Place<'_>,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let token = self.token(deadline).await?;
        let waited = Waited::default();
        let reading = deadline.wait_for(self.attempt(&token, selector, place, &waited));
        reading
            .await
            .unwrap_or_else(|| Err(no_answer(&waited, deadline)))
    }

    /// The answer that tells of changes of what `selector` selects, as it goes on.
    ///
    /// # Errors
    /// When it does not begin.
    pub(super) async fn watch(&self, selector: &str) -> Result<Incoming, Failure> {
        let deadline = Deadline::after(self.attempt_timeout());
        let opened = deadline.wait_for(async {
            let token = self.token(deadline).await?;
            let seconds = watch::SECONDS.to_string();
            let more = [("watch", "true"), ("timeoutSeconds", &*seconds)];
            let request = self.request(&token, selector, self.namespace().await?, &more)?;
            let http = self.http.get_or_try_init(|| self.connect()).await?;
            let connect_timeout = self.settings.options.connect_timeout();
            let answer = http.open(request).await;
            let answer = answer.map_err(|error| error.no_answer(WHOM, connect_timeout))?;
            match answer.status().as_u16() {
                200 => return Ok(answer.into_body()),
                401 => self.tokens.forget(&token),
                _ => {}
            }
            Err(Failure::unavailable(format!(
                "{WHOM} does not tell of changes (HTTP {}): give the account the verb watch on secrets",
                answer.status().as_u16()
            )))
        });
        let opened = opened.await;
        opened.unwrap_or_else(|| Err(too_late("answer from the API server", deadline)))
    }

    async fn token(&self, deadline: Deadline) -> Result<Arc<Token>, Failure> {
        let token = deadline.wait_for(self.tokens.get()).await;
        token.unwrap_or_else(|| Err(too_late("token was read", deadline)))
    }

    async fn list_with(
        &self,
        token: &Token,
        selector: &str,
        place: Place<'_>,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let waited = Waited::default();
        let attempt = || self.attempt(token, selector, place, &waited);
        let answer = retry::with_retries(&self.settings.retries, deadline, attempt).await;
        answer.unwrap_or_else(|| Err(no_answer(&waited, deadline)))
    }

    async fn attempt(
        &self,
        token: &Token,
        selector: &str,
        place: Place<'_>,
        waited: &Waited,
    ) -> Result<Reading, Failure> {
        let _slot = waited.for_slot(&self.slots).await;
        let request = self.request(token, selector, place.namespace, &[])?;
        let http = self.http.get_or_try_init(|| self.connect()).await?;
        let limit = self.attempt_timeout();
        match timeout(limit, http.send(request)).await {
            Ok(Ok(answer)) => answer::read(&answer, place),
            Ok(Err(error)) => {
                let failure = error.no_answer(WHOM, self.settings.options.connect_timeout());
                match error {
                    SendError::OutOfBounds(_) => Ok(Reading::TooLong(failure)),
                    _ => Err(failure),
                }
            }
            Err(_) => Err(Failure::unavailable(format!(
                "no answer from {WHOM} in time"
            ))),
        }
    }

    fn request(
        &self,
        token: &Token,
        selector: &str,
        namespace: &str,
        more: &[(&str, &str)],
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let url = self.url()?;
        // From the API server's memory, as in Airflow.
        let query = Serializer::new(String::new())
            .append_pair("labelSelector", selector)
            .append_pair("resourceVersion", "0")
            .extend_pairs(more)
            .finish();
        let mut request = Request::get(format!(
            "{url}/api/v1/namespaces/{namespace}/secrets?{query}"
        ))
        .header(ACCEPT, "application/json");
        if let Some(bearer) = &token.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        request.body(Full::default()).map_err(|_| {
            Failure::configuration("the request contains a character that cannot be sent")
        })
    }

    fn url(&self) -> Result<&str, Failure> {
        let url = self.settings.cluster.url.as_deref();
        url.map_err(Clone::clone)
    }

    fn attempt_timeout(&self) -> Duration {
        let ClientSettings {
            attempt_timeout,
            options,
            ..
        } = &self.settings;
        (*attempt_timeout).min(options.timeout())
    }

    async fn connect(&self) -> Result<Http, Failure> {
        let ClientSettings {
            cluster,
            environment,
            options,
            ..
        } = &self.settings;
        let is_plain = |url: &String| url.starts_with("http:");
        let tls = if cluster.url.as_ref().is_ok_and(is_plain) {
            no_tls()?
        } else {
            let roots = options.roots.clone().or_else(|| cluster.roots.clone());
            let of_client = options.client_certificate.clone();
            let further = match roots {
                Some(_) => Vec::new(),
                None => roots::of_machine().await,
            };
            let tls = Tls {
                roots,
                client_certificate: of_client.or_else(|| cluster.client_certificate.clone()),
            };
            tls.config_with(further).await?
        };
        let given = options.proxies.clone().or_else(|| cluster.proxies.clone());
        let connect_timeout = options.connect_timeout().min(self.attempt_timeout());
        Ok(Http::new(HttpSettings {
            tls,
            proxy_tls: None,
            proxies: Proxies::new(Rules::Kubernetes, given, environment),
            connect_timeout,
            idle_timeout: IDLE_TIMEOUT,
            most_idle_connections: MOST_IDLE_CONNECTIONS,
            bounds: BOUNDS,
        }))
    }
}

fn no_answer(waited: &Waited, deadline: Deadline) -> Failure {
    let awaited = if waited.was_most_of(deadline.limit()) {
        "free slot among the concurrent requests (HttpOptions::with_max_concurrent_requests)"
    } else {
        "answer from the API server"
    };
    too_late(awaited, deadline)
}

fn too_late(awaited: &str, deadline: Deadline) -> Failure {
    Failure::unavailable(format!("no {awaited} within {deadline}"))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::backends::proxies::Target;

    #[test]
    fn the_proxy_is_the_one_that_the_python_client_chooses() {
        let chosen = |variables: &[(&str, &str)]| {
            let environment = variables.iter().copied().collect();
            let proxies = Proxies::new(Rules::Kubernetes, None, &environment);
            let url = Url::parse("https://10.0.0.1:443/").unwrap();
            let chosen = proxies.choose(&Target::from(&url));
            chosen.map(|proxy| proxy.value.expose().to_owned())
        };
        let all = [
            ("HTTPS_PROXY", "http://d:1"),
            ("https_proxy", "http://c:1"),
            ("HTTP_PROXY", "http://b:1"),
            ("http_proxy", "http://a:1"),
        ];
        for (count, expected) in [(1, "d"), (2, "c"), (3, "b"), (4, "a")] {
            let expected = Some(format!("http://{expected}:1"));
            assert_eq!(chosen(&all[..count]), expected);
        }
        assert_eq!(chosen(&[("all_proxy", "http://a:1")]), None);
        let bypass = [("https_proxy", "http://c:1"), ("NO_PROXY", "10.0.0.0/8")];
        assert_eq!(chosen(&bypass), None);
        // An empty one counts as not set.
        let empty = [("http_proxy", ""), ("HTTPS_PROXY", "http://d:1")];
        assert_eq!(chosen(&empty), Some("http://d:1".to_owned()));
        let empty = [
            ("no_proxy", ""),
            ("NO_PROXY", "*"),
            ("http_proxy", "http://a:1"),
        ];
        assert_eq!(chosen(&empty), None);
    }
}
