//! The way of one lookup, and of many at once: every source in order, first answer wins.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use super::{
    Asked, Attempt, AttemptOutcome, Link, Report, Resolved, Resolver, Source,
    outcome::{self, Next},
};
use crate::{Connection, Dialect, Error, Failure, Lookup, Secret, SecretsBackend};

/// A kind of question a source can be asked, one id at a time or many at once.
pub(super) trait Question {
    type Value: Send;

    fn asked(id: &str) -> Asked;

    fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        asker: &Asker<'_>,
    ) -> impl Future<Output = Result<Lookup<Self::Value>, Failure>> + Send;

    fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        asker: &Asker<'_>,
    ) -> impl Future<Output = Vec<Result<Lookup<Self::Value>, Failure>>> + Send;
}

/// On whose behalf a question is asked.
pub(super) struct Asker<'a> {
    pub(super) team: Option<&'a str>,
    pub(super) dialect: Dialect,
}

pub(super) struct Connections;

impl Question for Connections {
    type Value = Connection;

    fn asked(id: &str) -> Asked {
        Asked::Connection(id.to_owned())
    }

    async fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        asker: &Asker<'_>,
    ) -> Result<Lookup<Connection>, Failure> {
        backend.get_connection(id, asker.team, asker.dialect).await
    }

    async fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        asker: &Asker<'_>,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        backend
            .get_connections(ids, asker.team, asker.dialect)
            .await
    }
}

pub(super) struct Variables;

impl Question for Variables {
    type Value = Secret;

    fn asked(id: &str) -> Asked {
        Asked::Variable(id.to_owned())
    }

    async fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        asker: &Asker<'_>,
    ) -> Result<Lookup<Secret>, Failure> {
        backend.get_variable(id, asker.team).await
    }

    async fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        asker: &Asker<'_>,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        backend.get_variables(ids, asker.team).await
    }
}

pub(super) struct Configs;

impl Question for Configs {
    type Value = Secret;

    fn asked(id: &str) -> Asked {
        Asked::Config(id.to_owned())
    }

    async fn ask(
        backend: &dyn SecretsBackend,
        id: &str,
        _: &Asker<'_>,
    ) -> Result<Lookup<Secret>, Failure> {
        backend.get_config(id).await
    }

    async fn ask_many(
        backend: &dyn SecretsBackend,
        ids: &[&str],
        asker: &Asker<'_>,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let mut lookups = Vec::with_capacity(ids.len());
        for id in ids {
            lookups.push(Self::ask(backend, id, asker).await);
        }
        lookups
    }
}

/// An id no source has answered for yet.
struct Open<'a> {
    id: &'a str,
    attempts: Vec<Attempt>,
}

type Answer<T> = Result<Resolved<T>, Error>;

impl Resolver {
    /// Asks `links` in order for one id.
    pub(super) async fn search_one<Q: Question>(
        &self,
        links: &[Link],
        id: &str,
    ) -> Answer<Q::Value> {
        check_id::<Q>(id)?;
        let mut open = Open {
            id,
            attempts: Vec::new(),
        };
        for link in links {
            let started = Instant::now();
            let lookup = Q::ask(&*link.backend, id, &self.asker()).await;
            match self.settle::<Q>(link, open, lookup, started) {
                Ok(answer) => return answer,
                Err(still_open) => open = still_open,
            }
        }
        Err(self.give_up::<Q>(open))
    }

    /// Asks `links` in order for many ids: each source is asked once, for all that is still open.
    /// One result an id, in the order asked; an id that stands there twice is asked for once.
    pub(super) async fn search_many<Q: Question>(
        &self,
        links: &[Link],
        ids: &[&str],
    ) -> Vec<Answer<Q::Value>> {
        let mut answers: HashMap<&str, Answer<Q::Value>> = HashMap::with_capacity(ids.len());
        let mut open = Vec::with_capacity(ids.len());
        let mut seen = HashSet::with_capacity(ids.len());
        for &id in ids.iter().filter(|&&id| seen.insert(id)) {
            match check_id::<Q>(id) {
                Ok(()) => open.push(Open {
                    id,
                    attempts: Vec::new(),
                }),
                Err(error) => drop(answers.insert(id, Err(error))),
            }
        }
        for link in links {
            if open.is_empty() {
                break;
            }
            let asked: Vec<&str> = open.iter().map(|open| open.id).collect();
            let started = Instant::now();
            let lookups = Q::ask_many(&*link.backend, &asked, &self.asker()).await;
            let mut lookups = lookups.into_iter();
            let mut still_open = Vec::new();
            for one in open {
                let id = one.id;
                let lookup = lookups.next().unwrap_or_else(|| Err(no_result(link)));
                match self.settle::<Q>(link, one, lookup, started) {
                    Ok(answer) => drop(answers.insert(id, answer)),
                    Err(one) => still_open.push(one),
                }
            }
            open = still_open;
        }
        for one in open {
            answers.insert(one.id, Err(self.give_up::<Q>(one)));
        }
        ids.iter()
            .filter_map(|id| answers.get(id).cloned())
            .collect()
    }

    /// Writes down what a source did, and says whether that ends the search for this id.
    fn settle<'a, Q: Question>(
        &self,
        link: &Link,
        mut open: Open<'a>,
        lookup: Result<Lookup<Q::Value>, Failure>,
        started: Instant,
    ) -> Result<Answer<Q::Value>, Open<'a>> {
        let mut value = None;
        let (outcome, native_key) = match lookup {
            Ok(Lookup::Found {
                value: found,
                native_key,
            }) => {
                value = Some(found);
                (AttemptOutcome::Found, Some(native_key))
            }
            Ok(Lookup::Missing { native_key, reason }) => {
                (AttemptOutcome::Missing(reason), Some(native_key))
            }
            Ok(Lookup::Skipped { reason }) => (AttemptOutcome::Skipped(reason), None),
            Err(failure) => {
                let native_key = failure.native_key().map(str::to_owned);
                (AttemptOutcome::Failed(failure), native_key)
            }
        };
        let next = outcome::after(&outcome, self.strict);
        let attempt = Attempt {
            backend: Arc::clone(&link.name),
            outcome,
            native_key,
            elapsed: started.elapsed(),
        };
        log::<Q>(open.id, &attempt);
        let source = Source {
            backend: Arc::clone(&link.name),
            native_key: attempt.native_key.clone().unwrap_or_default(),
        };
        open.attempts.push(attempt);
        match (next, value) {
            (Next::Answer, Some(value)) => {
                Ok(Ok(Resolved::new(value, source, self.report(open.attempts))))
            }
            (Next::Stop, _) => Ok(Err(self.give_up::<Q>(open))),
            _ => Err(open),
        }
    }

    fn give_up<Q: Question>(&self, open: Open<'_>) -> Error {
        outcome::unanswered(Q::asked(open.id), self.report(open.attempts))
    }

    fn report(&self, attempts: Vec<Attempt>) -> Report {
        Report {
            attempts,
            warnings: Arc::clone(&self.chain.warnings),
        }
    }

    fn asker(&self) -> Asker<'_> {
        Asker {
            team: self.team.as_deref(),
            dialect: self.chain.dialect,
        }
    }
}

/// Refuses what no source could hold; what one source cannot hold is that source's to say.
fn check_id<Q: Question>(id: &str) -> Result<(), Error> {
    let reason = if id.is_empty() {
        "it is empty"
    } else if id.contains('\0') {
        "it has a NUL character"
    } else {
        return Ok(());
    };
    Err(Error::InvalidId {
        asked: Q::asked(id),
        reason,
    })
}

fn no_result(link: &Link) -> Failure {
    Failure::unavailable(format!(
        "backend {} gave fewer results than ids were asked",
        link.name
    ))
}

fn log<Q: Question>(id: &str, attempt: &Attempt) {
    if matches!(attempt.outcome(), AttemptOutcome::Failed(_)) {
        tracing::warn!(asked = %Q::asked(id), "{attempt}");
    } else {
        tracing::debug!(asked = %Q::asked(id), "{attempt}");
    }
}
