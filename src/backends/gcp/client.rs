//! The wire: one client of Google's library for the life of the backend, its time-outs and
//! retries.

use std::{fmt, sync::Arc, time::Duration};

use google_cloud_gax::{client_builder::ClientBuilder, retry_policy::NeverRetry};
use google_cloud_secretmanager_v1::client::SecretManagerService;
use tokio::{
    sync::{RwLock, Semaphore, SemaphorePermit},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    answer::{self, Reading},
    credential::{
        identity::{Identity, Source},
        renewing::Renewing,
    },
    project::Project,
};
use crate::{
    Failure,
    backends::{
        retry::{self, Trouble},
        slots::slots,
    },
};

/// How long a machine without a metadata server is not asked for it again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What a client is made from.
#[derive(Debug, Clone)]
pub(super) struct ClientSettings {
    pub(super) identity: Identity,
    pub(super) project: Project,
    /// `None` is for Google's own.
    pub(super) endpoint: Option<String>,
    pub(super) universe_domain: Option<String>,
    /// For one request.
    pub(super) attempt_timeout: Duration,
    /// For a whole lookup, retries, a token and the wait for a free slot included.
    pub(super) total_timeout: Duration,
    pub(super) max_retries: u32,
    pub(super) max_concurrent_requests: usize,
}

/// Asks Secret Manager. It connects at the first request.
#[derive(Debug)]
pub(super) struct Client {
    settings: ClientSettings,
    slots: Semaphore,
    state: RwLock<State>,
}

#[derive(Debug)]
enum State {
    Cold,
    Live(Arc<Live>),
    Failed { since: Instant, failure: Failure },
}

/// What there is once the first request was made.
pub(super) struct Live {
    service: SecretManagerService,
    project: String,
    runtime: Runtime,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live({})", self.project)
    }
}

impl Live {
    /// Secret `name`, as Google calls it.
    pub(super) fn native_key(&self, name: &str) -> String {
        ["projects/", &self.project, "/secrets/", name].concat()
    }
}

impl Client {
    pub(super) fn new(settings: ClientSettings) -> Self {
        Self {
            slots: slots(settings.max_concurrent_requests),
            state: RwLock::new(State::Cold),
            settings,
        }
    }

    /// When a lookup that starts now has to be over.
    pub(super) fn deadline(&self) -> Instant {
        retry::deadline_after(self.settings.total_timeout)
    }

    /// The latest version of a secret.
    ///
    /// # Errors
    /// When Secret Manager could not be asked, or holds what is no text.
    pub(super) async fn access(
        &self,
        live: &Live,
        native_key: &str,
        deadline: Instant,
    ) -> Result<Reading, Failure> {
        let resource = [native_key, "/versions/latest"].concat();
        let attempt = || self.attempt(live, &resource, deadline);
        retry::with_retries(self.settings.max_retries, deadline, attempt).await
    }

    /// One request. Its one timer is for all of it, its token included.
    async fn attempt(
        &self,
        live: &Live,
        resource: &str,
        deadline: Instant,
    ) -> Result<Reading, Trouble> {
        let _slot = self.slot(deadline).await?;
        let request = live.service.access_secret_version().set_name(resource);
        let end = deadline.min(retry::deadline_after(self.settings.attempt_timeout));
        match timeout_at(end, request.send()).await {
            Ok(answer) => answer::read(answer),
            Err(_) if end == deadline => Err(Trouble::lasting(self.too_late())),
            Err(_) => Err(answer::not_in_time(self.awaited())),
        }
    }

    async fn slot(&self, deadline: Instant) -> Result<Option<SemaphorePermit<'_>>, Trouble> {
        match self.slots.try_acquire() {
            Ok(slot) => Ok(Some(slot)),
            Err(_) => match timeout_at(deadline, self.slots.acquire()).await {
                // The semaphore is never closed; if it were, there would be no limit.
                Ok(slot) => Ok(slot.ok()),
                Err(_) => Err(Trouble::lasting(self.too_late())),
            },
        }
    }

    fn too_late(&self) -> Failure {
        let (seconds, awaited) = (self.settings.total_timeout.as_secs_f64(), self.awaited());
        Failure::unavailable(format!("no {awaited} within {seconds} s"))
    }

    /// What there may not be. Google's library asks for the token of an account for a minute.
    fn awaited(&self) -> &'static str {
        match self.settings.identity.impersonation {
            Some(_) => "token for the impersonated account, or no answer from Secret Manager,",
            None => "answer from Secret Manager",
        }
    }

    /// The one client, made by the first who asks; the others wait for it.
    pub(super) async fn live(&self, deadline: Instant) -> Result<Arc<Live>, Failure> {
        let result = self.state.try_read().ok().and_then(|state| known(&state));
        match result {
            Some(result) => result,
            None => timeout_at(deadline, self.made())
                .await
                .unwrap_or_else(|_| Err(self.too_late())),
        }
    }

    async fn made(&self) -> Result<Arc<Live>, Failure> {
        if let Some(result) = known(&*self.state.read().await) {
            return result;
        }
        let mut state = self.state.write().await;
        if let Some(result) = known(&state) {
            return result;
        }
        let result = self.make().await.map(Arc::new);
        *state = match &result {
            Ok(live) => State::Live(Arc::clone(live)),
            Err(failure) => State::Failed {
                since: Instant::now(),
                failure: failure.clone(),
            },
        };
        result
    }

    async fn make(&self) -> Result<Live, Failure> {
        let settings = &self.settings;
        let of_machine = match &settings.identity.source {
            // Whether there is a metadata server at all, before anybody waits for its token.
            Source::MetadataServer(server) => server.project().await?,
            _ => None,
        };
        let project = match &settings.project {
            Project::Known(project) => project.clone(),
            Project::OfThisMachine => of_machine.ok_or_else(|| {
                unusable(
                    "this machine is in no project: give \"project_id\" or GOOGLE_CLOUD_PROJECT",
                )
            })?,
        };
        let credentials = Renewing::new(settings.identity.clone())
            .map_err(|_| unusable(&settings.identity.unusable()))?;
        let builder = SecretManagerService::builder()
            .with_credentials(credentials)
            .with_retry_policy(NeverRetry);
        let endpoint = settings.endpoint.iter();
        let builder = endpoint.fold(builder, ClientBuilder::with_endpoint);
        let domain = settings.universe_domain.iter();
        let builder = domain.fold(builder, ClientBuilder::with_universe_domain);
        let service = builder.build().await.map_err(|error| {
            unusable(if error.is_universe_domain_mismatch() {
                "the credentials are of another universe domain than the one that is asked: check \
                 \"universe_domain\" of the key file and GOOGLE_CLOUD_UNIVERSE_DOMAIN"
            } else {
                "the client cannot be made: check the endpoint and the machine's authorities"
            })
        })?;
        Ok(Live {
            service,
            project,
            runtime: Runtime::current(),
        })
    }
}

/// What is known already, unless it is out of date.
fn known(state: &State) -> Option<Result<Arc<Live>, Failure>> {
    match state {
        State::Live(live) if !live.runtime.has_ended() => Some(Ok(Arc::clone(live))),
        State::Failed { since, failure } if since.elapsed() < PAUSE_AFTER_FAILURE => {
            Some(Err(failure.clone()))
        }
        _ => None,
    }
}

fn unusable(message: &str) -> Failure {
    Failure::configuration(message)
}

/// The Tokio runtime that a client belongs to. Tokens are renewed, and connections kept, by tasks
/// of it: with it the client ends, and another runtime needs another.
struct Runtime(JoinHandle<()>);

impl Runtime {
    fn current() -> Self {
        Self(tokio::spawn(std::future::pending()))
    }

    fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.0.abort();
    }
}
