//! Listing objects: pages, retries, and a token that is replaced where it was refused.

pub(super) mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::sync::Semaphore;

use self::wire::Wire;
use super::{
    answer::{self, Reading},
    credential::{Credential, Token},
    objects::{Kind, Object, Page},
    rules::{self, AllSeen},
};
use crate::{
    Failure,
    backend::{LookupOptions, MAX_CONCURRENT_LOOKUPS},
    backends::{
        deadline::Deadline,
        retry,
        slots::{Waited, slots},
    },
};

/// How many objects a page has: the most that Astro gives.
const PAGE: u64 = 1000;

/// How many pages are read of a listing at most.
const MOST_PAGES: u64 = 100;

/// Whose objects are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// A Deployment's; Astro resolves links and overrides.
    Deployment(String),
    /// A Workspace's, as they are.
    Workspace(String),
    /// A Workspace's as the Deployment sees them, resolved here.
    WorkspaceFor {
        workspace: String,
        deployment: String,
    },
}

/// What was listed.
pub(super) struct Listed {
    pub(super) seen: AllSeen,
    /// How many objects were passed over, since they have no key that can be read.
    pub(super) without_key: usize,
}

/// What one listing asks for.
#[derive(Clone, Copy)]
struct Scope<'a> {
    parameter: &'static str,
    id: &'a str,
    resolves: bool,
}

/// Asks Astro. It connects at the first request.
#[derive(Debug)]
pub(super) struct Client {
    wire: Arc<Wire>,
    credential: Credential,
    /// Ends in `/environment-objects`.
    url: String,
    view: View,
    slots: Semaphore,
    /// Why the last request is repeated.
    trouble: Mutex<Option<Failure>>,
}

impl Client {
    pub(super) fn new(wire: Arc<Wire>, credential: Credential, url: String, view: View) -> Self {
        let concurrent = wire
            .options()
            .max_concurrent_requests(MAX_CONCURRENT_LOOKUPS);
        Self {
            slots: slots(concurrent),
            wire,
            credential,
            url,
            view,
            trouble: Mutex::new(None),
        }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// When a lookup that starts now has to be over.
    pub(super) fn deadline(&self, options: &LookupOptions) -> Deadline {
        Deadline::new(self.wire.options().timeout(), options)
    }

    /// The failure for a lookup that waited for a listing until `deadline`: that of its last request, where
    /// it asks again.
    pub(super) fn too_late(&self, deadline: Deadline) -> Failure {
        let trouble = self.trouble.lock();
        let trouble = trouble.unwrap_or_else(PoisonError::into_inner).clone();
        let no_answer = || Failure::unavailable(format!("no answer from Astro within {deadline}"));
        trouble.unwrap_or_else(no_answer)
    }

    fn note(&self, trouble: Option<&Failure>) {
        let mut noted = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = trouble.cloned();
    }

    /// All objects of `kind` that are seen.
    ///
    /// # Errors
    /// When Astro could not be asked, or refused.
    pub(super) async fn list(&self, kind: Kind) -> Result<Listed, Failure> {
        let deadline = Deadline::after(self.wire.options().timeout());
        let list = |scope| self.objects(kind, scope, deadline);
        let objects = match &self.view {
            View::Deployment(id) => list(Scope::deployment(id, true)).await?,
            View::Workspace(id) => list(Scope::workspace(id, true)).await?,
            View::WorkspaceFor {
                workspace,
                deployment,
            } => {
                let mut objects = list(Scope::workspace(workspace, false)).await?;
                objects.extend(list(Scope::deployment(deployment, false)).await?);
                objects
            }
        };
        let without_key = objects.iter().filter(|one| one.key().is_none()).count();
        let seen = match &self.view {
            View::Deployment(id) => rules::as_listed(Some(id), objects, kind),
            View::Workspace(_) => rules::as_listed(None, objects, kind),
            View::WorkspaceFor { deployment, .. } => rules::as_seen_by(deployment, objects, kind),
        };
        Ok(Listed { seen, without_key })
    }

    /// Whether one object could be listed: one request, without retries.
    ///
    /// # Errors
    /// When it could not.
    pub(super) async fn check(&self, deadline: Deadline) -> Result<(), Failure> {
        let scope = match &self.view {
            View::Deployment(id) => Scope::deployment(id, true),
            View::Workspace(id) | View::WorkspaceFor { workspace: id, .. } => {
                Scope::workspace(id, true)
            }
        };
        let waited = Waited::default();
        let checked = async {
            let token = self.credential.token().await?;
            self.attempt(
                &self.page_url(Kind::Connection, scope, 1, 0),
                &token,
                &waited,
            )
            .await
        };
        match deadline.wait_for(checked).await {
            Some(Ok(Reading::Page(_))) => Ok(()),
            Some(Ok(Reading::TokenRefused(failure)) | Err(failure)) => Err(failure),
            None => Err(no_answer(&waited, deadline)),
        }
    }

    /// All objects of a listing, page by page.
    async fn objects(
        &self,
        kind: Kind,
        scope: Scope<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Object>, Failure> {
        let mut objects = Vec::<Object>::new();
        let mut read = 0;
        let mut total = None;
        for _ in 0..MOST_PAGES {
            let url = self.page_url(kind, scope, PAGE, read);
            let Page {
                environment_objects,
                total_count,
            } = self.page(&url, deadline).await?;
            let count = u64::try_from(environment_objects.len()).unwrap_or(PAGE);
            if *total.get_or_insert(total_count) != total_count {
                // One that went meanwhile moved another to a page that was read before.
                objects.clear();
                (read, total) = (0, None);
                continue;
            }
            // One that is no object at all is as one without members.
            let page = environment_objects.into_iter();
            let page = page.map(|one| one.get("").ok().flatten().unwrap_or_default());
            let page = page.collect::<Vec<Object>>();
            let with_key = |one: &&Object| one.key().is_some();
            let (first, first_here) = (objects.iter().find(with_key), page.iter().find(with_key));
            if first.is_some_and(|first| first_here.is_some_and(|one| one.is(first))) {
                // The offset did not reach Astro.
                return Err(answer::incomplete());
            }
            read += count;
            objects.extend(page);
            if read >= total_count {
                return Ok(objects);
            }
            if count == 0 {
                return Err(answer::incomplete());
            }
        }
        Err(answer::too_many())
    }

    fn page_url(&self, kind: Kind, scope: Scope<'_>, limit: u64, offset: u64) -> String {
        let Scope {
            parameter,
            id,
            resolves,
        } = scope;
        let url = &self.url;
        let object_type = kind.object_type();
        // In the order of their making, so that one that is made meanwhile comes last.
        format!(
            "{url}?objectType={object_type}&{parameter}={id}&showSecrets=true&resolveLinked={resolves}\
             &limit={limit}&offset={offset}&sorts=createdAt:asc"
        )
    }

    async fn page(&self, url: &str, deadline: Deadline) -> Result<Page, Failure> {
        let too_late = || {
            Err(Failure::unavailable(format!(
                "no token from Astro within {deadline}"
            )))
        };
        let token = deadline.wait_for(self.credential.token()).await;
        let token = token.unwrap_or_else(too_late)?;
        let failure = match self.page_with(&token, url, deadline).await? {
            Reading::Page(page) => return Ok(page),
            Reading::TokenRefused(failure) => failure,
        };
        if !self.credential.forget(&token) {
            return Err(failure);
        }
        // It may have been revoked since it was given.
        let token = deadline.wait_for(self.credential.token()).await;
        let token = token.unwrap_or_else(too_late)?;
        match self.page_with(&token, url, deadline).await? {
            Reading::Page(page) => Ok(page),
            Reading::TokenRefused(failure) => Err(failure),
        }
    }

    async fn page_with(
        &self,
        token: &Token,
        url: &str,
        deadline: Deadline,
    ) -> Result<Reading, Failure> {
        let waited = Waited::default();
        self.note(None);
        let attempt = async || {
            let answer = self.attempt(url, token, &waited).await;
            self.note(answer.as_ref().err());
            answer
        };
        let answer = retry::with_retries(self.wire.retries(), deadline, attempt).await;
        answer.unwrap_or_else(|| Err(no_answer(&waited, deadline)))
    }

    async fn attempt(&self, url: &str, token: &Token, waited: &Waited) -> Result<Reading, Failure> {
        let _slot = waited.for_slot(&self.slots).await;
        let request = Request::get(url)
            .header(AUTHORIZATION, token.bearer())
            .body(Full::<Bytes>::default())
            .map_err(|_| wire::unsendable())?;
        answer::read(&self.wire.send("Astro", request).await?, &self.credential)
    }
}

impl<'a> Scope<'a> {
    fn deployment(id: &'a str, resolves: bool) -> Self {
        let parameter = "deploymentId";
        Self {
            parameter,
            id,
            resolves,
        }
    }

    fn workspace(id: &'a str, resolves: bool) -> Self {
        let parameter = "workspaceId";
        Self {
            parameter,
            id,
            resolves,
        }
    }
}

fn no_answer(waited: &Waited, deadline: Deadline) -> Failure {
    let awaited = if waited.was_most_of(deadline.limit()) {
        "free slot among the concurrent requests (HttpOptions::with_max_concurrent_requests)"
    } else {
        "answer from Astro"
    };
    Failure::unavailable(format!("no {awaited} within {deadline}"))
}
