//! One lookup, and many at once: every source in order, the first answer wins.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Instant,
};

use futures_util::FutureExt;
use tracing::Instrument as _;

use super::{
    Link, Resolved, Resolver,
    cache::Era,
    flight::{Answer, Flight, Key, runtime},
    outcome::{self, Next},
    question::Question,
};
use crate::{
    Error, ErrorKind, Failure, Lookup,
    backend::{FailureKind, Freshness, deadline},
    observer::{
        Asking, AttemptEvent, CacheEvent, CacheEventKind, Current, Observer as _, Watched,
        attempt_span, lookup_span, lookups_span,
    },
    report::{Attempt, AttemptOutcome, Report, Source},
};

/// An id no source has answered for yet.
struct Open<'a> {
    id: &'a str,
    attempts: Vec<Attempt>,
    watched: Watched<'a>,
}

impl Resolver {
    /// The answer for one id. Callers who ask the same at the same time share one search.
    pub(super) async fn look_up<Q: Question>(&self, id: &str) -> Answer<Q::Value> {
        check_id::<Q>(id)?;
        if let Some(kept) = self.kept::<Q>(id) {
            return kept;
        }
        self.look_up_by::<Q>(id, self.deadline()).await
    }

    async fn look_up_by<Q: Question>(
        &self,
        id: &str,
        deadline: Option<Instant>,
    ) -> Answer<Q::Value> {
        loop {
            let flight = self.join::<Q>(id, deadline);
            let answer = flight.answer.await;
            if !self.was_cut_short(&answer, flight.deadline, deadline) {
                return answer;
            }
        }
    }

    /// The answers for many ids, in the order asked; an id that stands there twice is asked for once,
    /// and one that a search is under way for is not asked for again.
    pub(super) async fn look_up_many<Q: Question>(&self, ids: &[String]) -> Vec<Answer<Q::Value>> {
        let deadline = self.deadline();
        let mut answers: HashMap<&str, Answer<Q::Value>> = HashMap::with_capacity(ids.len());
        let mut open = Vec::with_capacity(ids.len());
        let mut under_way = Vec::new();
        let mut seen = HashSet::with_capacity(ids.len());
        for id in ids.iter().map(String::as_str).filter(|&id| seen.insert(id)) {
            if let Err(error) = check_id::<Q>(id) {
                answers.insert(id, Err(error));
            } else if let Some(kept) = self.kept::<Q>(id) {
                answers.insert(id, kept);
            } else if let Some(flight) = self.under_way::<Q>(id) {
                under_way.push((id, flight));
            } else {
                open.push(self.open::<Q>(id));
            }
        }
        let era = self.era::<Q>();
        let span = self.observers().span(|| lookups_span(Q::KIND, open.len()));
        let search = self.search_many::<Q>(open, deadline).instrument(span);
        for (id, answer) in search.await {
            self.keep::<Q>(id, &answer, era);
            answers.insert(id, answer);
        }
        for (id, flight) in under_way {
            let mut answer = flight.answer.await;
            if self.was_cut_short(&answer, flight.deadline, deadline) {
                answer = self.look_up_by::<Q>(id, deadline).await;
            }
            answers.insert(id, answer);
        }
        ids.iter()
            .filter_map(|id| answers.get(id.as_str()).cloned())
            .collect()
    }

    /// The search for `id` that is under way, or a new one.
    pub(super) fn join<Q: Question>(
        &self,
        id: &str,
        deadline: Option<Instant>,
    ) -> Flight<Q::Value> {
        let key = self.key::<Q>(id);
        let era = key.era;
        let search = || self.clone().search::<Q>(id.to_owned(), deadline, era);
        let flights = &Q::desk(&self.chain).flights;
        flights.join(key, deadline, search)
    }

    /// The search for `id` that is under way.
    pub(super) fn under_way<Q: Question>(&self, id: &str) -> Option<Flight<Q::Value>> {
        Q::desk(&self.chain).flights.running(&self.key::<Q>(id))
    }

    fn key<Q: Question>(&self, id: &str) -> Key {
        Key {
            asked: Q::KIND.asked(id),
            options: self.options.clone(),
            strict: self.strict,
            limit: self.limit,
            era: self.era::<Q>(),
            runtime: runtime::current(),
        }
    }

    /// Whether the deadline of the caller who began the search ended it, and ours is later.
    fn was_cut_short<T>(
        &self,
        answer: &Answer<T>,
        theirs: Option<Instant>,
        ours: Option<Instant>,
    ) -> bool {
        let is_outage = |error: &Error| error.kind() == ErrorKind::Unavailable;
        let now = self.chain.clock.now();
        theirs.is_some_and(|theirs| theirs <= now && ours.is_none_or(|ours| theirs < ours))
            && answer.as_ref().is_err_and(is_outage)
    }

    /// Asks the sources in order for one id, and keeps the answer.
    async fn search<Q: Question>(
        self,
        id: String,
        deadline: Option<Instant>,
        era: Era,
    ) -> Answer<Q::Value> {
        let span = self.observers().span(|| lookup_span(Q::KIND, &id));
        let search = self.ask_in_order::<Q>(&id, deadline);
        let answer = search.instrument(span).await;
        self.keep::<Q>(&id, &answer, era);
        answer
    }

    async fn ask_in_order<Q: Question>(
        &self,
        id: &str,
        deadline: Option<Instant>,
    ) -> Answer<Q::Value> {
        let options = self.options.clone().with_deadline(deadline);
        let mut open = self.open::<Q>(id);
        for link in Q::links(&self.chain) {
            let started = Instant::now();
            let asking = || Q::ask(&*link.backend, id, &options);
            let lookup = self.ask(link, deadline, asking).await.flatten();
            match self.settle::<Q>(link, open, lookup, started) {
                Ok(answer) => return answer,
                Err(still_open) => open = still_open,
            }
        }
        self.give_up::<Q>(open)
    }

    fn open<'a, Q: Question>(&'a self, id: &'a str) -> Open<'a> {
        Open {
            id,
            attempts: Vec::new(),
            watched: Watched::begin(self.observers(), self.asking::<Q>(id)),
        }
    }

    /// What a source gives until `deadline`, or its failure where it was not asked, gave nothing in
    /// time, or panicked.
    pub(super) async fn ask<F: Future>(
        &self,
        link: &Link,
        deadline: Option<Instant>,
        asking: impl FnOnce() -> F,
    ) -> Result<F::Output, Failure> {
        let left = deadline.map(|end| end.saturating_duration_since(self.chain.clock.now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(deadline::not_asked(&self.limit_in_words()));
        }
        // The timer is within it too: it panics where its Tokio runtime has ended.
        let answer = AssertUnwindSafe(async {
            match left {
                None => Some(asking().await),
                Some(left) => deadline::within(left, asking()).await,
            }
        });
        let current = Current {
            backend: Arc::clone(&link.name),
            observers: self.observers().clone(),
        };
        let answer = Current::scope(Some(current), answer.catch_unwind());
        let span = self.observers().span(|| attempt_span(&link.name));
        let answer = answer.instrument(span).await.map_err(|_| panicked(link))?;
        answer.ok_or_else(|| deadline::no_answer(&self.limit_in_words()))
    }

    fn limit_in_words(&self) -> String {
        let seconds = self.limit.unwrap_or_default().as_secs_f64();
        format!("the lookup's time limit of {seconds} s")
    }

    /// Asks the sources in order for many ids: each source is asked once, for all that is still open.
    async fn search_many<'a, Q: Question>(
        &self,
        mut open: Vec<Open<'a>>,
        deadline: Option<Instant>,
    ) -> Vec<(&'a str, Answer<Q::Value>)> {
        let mut answers = Vec::with_capacity(open.len());
        let options = self.options.clone().with_deadline(deadline);
        for link in Q::links(&self.chain) {
            if open.is_empty() {
                break;
            }
            let asked: Vec<&str> = open.iter().map(|open| open.id).collect();
            let started = Instant::now();
            let asking = || Q::ask_many(&*link.backend, &asked, &options);
            let (lookups, instead) = match self.ask(link, deadline, asking).await {
                Ok(lookups) => (lookups, no_result(link)),
                Err(failure) => (Vec::new(), failure),
            };
            let mut lookups = lookups.into_iter();
            let mut still_open = Vec::new();
            for one in open {
                let id = one.id;
                let lookup = lookups.next().unwrap_or_else(|| Err(instead.clone()));
                match self.settle::<Q>(link, one, lookup, started) {
                    Ok(answer) => answers.push((id, answer)),
                    Err(one) => still_open.push(one),
                }
            }
            open = still_open;
        }
        for one in open {
            answers.push((one.id, self.give_up::<Q>(one)));
        }
        answers
    }

    /// Records what a source did, and gives whether that ends the search for this id.
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
                freshness,
            }) => {
                value = Some(found);
                (AttemptOutcome::Found { freshness }, Some(native_key))
            }
            Ok(Lookup::Missing { native_key, reason }) => {
                (AttemptOutcome::Missing { reason }, Some(native_key))
            }
            Ok(Lookup::Skipped { reason }) => (AttemptOutcome::Skipped { reason }, None),
            Err(failure) => {
                let native_key = failure.native_key().map(str::to_owned);
                (AttemptOutcome::Failed { failure }, native_key)
            }
        };
        let last = match &outcome {
            AttemptOutcome::Failed { failure } if failure.kind() == FailureKind::Unavailable => {
                self.last_answer::<Q>(open.id, link)
            }
            AttemptOutcome::Failed { .. } | AttemptOutcome::Missing { .. } => {
                self.forget::<Q>(open.id, link);
                None
            }
            AttemptOutcome::Found { .. } | AttemptOutcome::Skipped { .. } => None,
        };
        let next = outcome::after(&outcome, self.strict, last.is_some());
        let (outcome, last) = match (next, outcome, last) {
            (Next::LastAnswer, AttemptOutcome::Failed { failure }, Some((answer, age))) => {
                let freshness = Freshness::stale(age, failure);
                self.tell_of_cache::<Q>(open.id, CacheEventKind::Stale);
                (AttemptOutcome::Found { freshness }, Some(answer))
            }
            (_, outcome, _) => (outcome, None),
        };
        let attempt = Attempt {
            backend: Arc::clone(&link.name),
            outcome,
            native_key,
            elapsed: started.elapsed(),
        };
        self.observers().attempt(&AttemptEvent {
            asked: self.asking::<Q>(open.id),
            attempt: &attempt,
        });
        let source = Source {
            backend: Arc::clone(&link.name),
            native_key: attempt.native_key.clone().unwrap_or_default(),
        };
        open.attempts.push(attempt);
        let answer = match (next, value, last) {
            (Next::Answer, Some(value), _) => {
                let (report, asker) = (self.report(open.attempts), self.asker::<Q>(open.id));
                Resolved::new(value, source, report, asker)
            }
            (Next::LastAnswer, _, Some(answer)) => answer.again(self.report(open.attempts)),
            (Next::Stop, ..) => return Ok(self.give_up::<Q>(open)),
            _ => return Err(open),
        };
        Ok(open.watched.end(Ok(answer)))
    }

    fn give_up<Q: Question>(&self, open: Open<'_>) -> Answer<Q::Value> {
        let asked = Q::KIND.asked(open.id);
        let error = outcome::unanswered(asked, self.report(open.attempts));
        open.watched.end(Err(error))
    }

    fn asking<'a, Q: Question>(&'a self, id: &'a str) -> Asking<'a> {
        Asking {
            kind: Q::KIND,
            id,
            team: self.options.team(),
        }
    }

    pub(super) fn tell_of_cache<Q: Question>(&self, id: &str, what: CacheEventKind) {
        let asked = self.asking::<Q>(id);
        self.observers().cache(&CacheEvent { asked, what });
    }

    fn report(&self, attempts: Vec<Attempt>) -> Report {
        Report {
            attempts,
            warnings: Arc::clone(&self.chain.warnings),
        }
    }
}

/// Refuses an id that no source could hold; each source refuses by itself what it cannot hold.
fn check_id<Q: Question>(id: &str) -> Result<(), Error> {
    let reason = if id.is_empty() {
        "it is empty"
    } else if id.contains('\0') {
        "it contains a NUL character"
    } else {
        return Ok(());
    };
    Err(Error::invalid_id(Q::KIND.asked(id), reason))
}

fn no_result(link: &Link) -> Failure {
    Failure::unavailable(format!(
        "backend {} gave fewer results than ids were asked; this is a defect of the backend",
        link.name
    ))
}

/// A panic ends neither the program's task nor the search. What it said may hold a secret.
fn panicked(link: &Link) -> Failure {
    Failure::unavailable(format!(
        "backend {} panicked; this is a defect of the backend",
        link.name
    ))
    .with_transient(false)
}
