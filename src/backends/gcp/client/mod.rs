//! Reading secrets: one client for the life of the backend, its time-outs and retries.

pub(super) mod wire;

use std::sync::Arc;

use http::{
    HeaderName, Request,
    header::{AUTHORIZATION, HeaderValue},
};
use tokio::{sync::Semaphore, time::timeout};

use self::wire::{Body, Wire};
use super::{
    answer::{self, Reading},
    credential::{
        identity::{Identity, Source},
        metadata::{Machine, MetadataServer},
        project::Project,
        token::Token,
    },
};
use crate::{
    Failure,
    backend::{LookupOptions, MAX_CONCURRENT_LOOKUPS},
    backends::{
        deadline::Deadline,
        keeper::{Keeper, Login},
        retry,
        slots::{Waited, slots},
    },
};

/// The project that a request is billed to, where it is not that of the account.
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// What a client is made from.
#[derive(Debug)]
pub(super) struct ClientSettings {
    pub(super) identity: Identity,
    pub(super) project: Project,
    /// A URL without a slash at its end.
    pub(super) endpoint: String,
    /// Of regional secrets.
    pub(super) location: Option<String>,
}

/// Asks Secret Manager. It connects at the first request.
#[derive(Debug)]
pub(super) struct Client {
    settings: Arc<ClientSettings>,
    wire: Arc<Wire>,
    slots: Semaphore,
    /// Asked where the machine's own credentials are used.
    machine: Option<Keeper<Look>>,
    tokens: Keeper<Logins>,
}

impl Client {
    pub(super) fn new(settings: ClientSettings, wire: Wire) -> Self {
        let (settings, wire) = (Arc::new(settings), Arc::new(wire));
        let look = |server: &MetadataServer| {
            Keeper::new(Look {
                server: server.clone(),
                wire: Arc::clone(&wire),
            })
        };
        Self {
            slots: slots(
                wire.options()
                    .max_concurrent_requests(MAX_CONCURRENT_LOOKUPS),
            ),
            machine: match &settings.identity.source {
                Source::MetadataServer(server) => Some(look(server)),
                Source::Anonymous | Source::File(_) => None,
            },
            tokens: Keeper::new(Logins {
                settings: Arc::clone(&settings),
                wire: Arc::clone(&wire),
            }),
            settings,
            wire,
        }
    }

    /// When a lookup that starts now has to be over.
    pub(super) fn deadline(&self, options: &LookupOptions) -> Deadline {
        Deadline::new(self.wire.options().timeout(), options)
    }

    /// What secrets' names in Google begin with.
    ///
    /// # Errors
    /// When the machine has to be asked for its project, and does not name one.
    pub(super) async fn parent(&self, deadline: Deadline) -> Result<String, Failure> {
        let machine = match &self.machine {
            Some(machine) => {
                let machine = deadline.wait_for(machine.get()).await;
                let too_late = || Err(too_late("answer from the metadata server", deadline));
                Some(machine.unwrap_or_else(too_late)?)
            }
            None => None,
        };
        if let Some(machine) = &machine
            && machine.universe_domain != self.settings.identity.universe_domain
        {
            return Err(Failure::configuration(
                "the machine belongs to another universe domain than the one that is asked: check \
                 GOOGLE_CLOUD_UNIVERSE_DOMAIN (GCP-25)",
            ));
        }
        let project = match &self.settings.project {
            Project::Known(project) => Some(project),
            Project::OfThisMachine => machine
                .as_ref()
                .and_then(|machine| machine.project.as_ref()),
        };
        let project = project.ok_or_else(|| {
            Failure::configuration(
                "this machine belongs to no project: give \"project_id\" or GOOGLE_CLOUD_PROJECT",
            )
        })?;
        Ok(match &self.settings.location {
            Some(location) => format!("projects/{project}/locations/{location}/secrets/"),
            None => format!("projects/{project}/secrets/"),
        })
    }

    /// The latest version of the secret `native_key`.
    ///
    /// # Errors
    /// When Secret Manager could not be asked, refused, or holds what is not text.
    pub(super) async fn access(
        &self,
        native_key: &str,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let token = self.token(deadline).await?;
        let reading = self.access_with(&token, native_key, deadline).await?;
        if !matches!(reading, Reading::TokenRefused(_)) || token.is_new() {
            return Ok(reading);
        }
        // It may have been revoked, or the key rotated, since it was given.
        self.tokens.forget(&token);
        let token = self.token(deadline).await?;
        self.access_with(&token, native_key, deadline).await
    }

    /// The same, asked once.
    pub(super) async fn access_once(
        &self,
        native_key: &str,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let token = self.token(deadline).await?;
        let waited = Waited::default();
        let reading = deadline.wait_for(self.attempt(native_key, &token, &waited));
        reading
            .await
            .unwrap_or_else(|| Err(no_answer(&waited, deadline)))
    }

    async fn token(&self, deadline: Deadline) -> Result<Arc<Token>, Failure> {
        let token = deadline.wait_for(self.tokens.get()).await;
        token.unwrap_or_else(|| Err(too_late("token from Google", deadline)))
    }

    async fn access_with(
        &self,
        token: &Token,
        native_key: &str,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let waited = Waited::default();
        let attempt = || self.attempt(native_key, token, &waited);
        let answer = retry::with_retries(self.wire.retries(), deadline, attempt).await;
        answer.unwrap_or_else(|| Err(no_answer(&waited, deadline)))
    }

    async fn attempt(
        &self,
        native_key: &str,
        token: &Token,
        waited: &Waited,
    ) -> Result<Reading, Failure> {
        let _slot = waited.for_slot(&self.slots).await;
        let request = self.request(native_key, token)?;
        answer::read(&self.wire.send("Secret Manager", request).await?)
    }

    fn request(&self, native_key: &str, token: &Token) -> Result<Request<Body>, Failure> {
        let endpoint = &self.settings.endpoint;
        let url = format!("{endpoint}/v1/{native_key}/versions/latest:access");
        let mut request = Request::get(url);
        if let Some(bearer) = &token.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        if let Some(project) = self.settings.identity.quota_project() {
            let project = HeaderValue::from_str(project);
            request = request.header(USER_PROJECT, project.map_err(|_| wire::unsendable())?);
        }
        request
            .body(Body::default())
            .map_err(|_| wire::unsendable())
    }
}

fn no_answer(waited: &Waited, deadline: Deadline) -> Failure {
    let awaited = if waited.was_most_of(deadline.limit()) {
        "free slot among the concurrent requests (HttpOptions::with_max_concurrent_requests)"
    } else {
        "answer from Secret Manager"
    };
    too_late(awaited, deadline)
}

fn too_late(awaited: &str, deadline: Deadline) -> Failure {
    Failure::unavailable(format!("no {awaited} within {deadline}"))
}

/// Looks for the metadata server.
#[derive(Debug)]
struct Look {
    server: MetadataServer,
    wire: Arc<Wire>,
}

impl Login for Look {
    type Kept = Machine;

    /// It takes a while to find out that a machine has no metadata server.
    const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

    async fn log_in(&self) -> Result<Machine, Failure> {
        self.server.machine(&self.wire).await
    }

    fn is_observed(&self) -> bool {
        false
    }

    fn is_good(&self, _: &Machine) -> bool {
        true
    }
}

/// Asks for tokens.
#[derive(Debug)]
struct Logins {
    settings: Arc<ClientSettings>,
    wire: Arc<Wire>,
}

impl Login for Logins {
    type Kept = Token;

    async fn log_in(&self) -> Result<Token, Failure> {
        let limit = self.wire.options().timeout();
        let token = timeout(limit, self.settings.identity.token(&self.wire)).await;
        token.unwrap_or_else(|_| {
            let seconds = limit.as_secs_f64();
            Err(Failure::unavailable(format!(
                "no token from Google within {seconds} s"
            )))
        })
    }

    fn is_good(&self, token: &Token) -> bool {
        token.is_good()
    }

    fn is_observed(&self) -> bool {
        !matches!(self.settings.identity.source, Source::Anonymous)
    }
}
