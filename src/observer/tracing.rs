//! What happens, as events and spans of `tracing`.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

use tracing::{Level, Span, debug, debug_span, enabled, info, trace, warn};

use super::{
    AnswerEvent, Asking, AttemptEvent, BreakerEvent, BreakerState, CacheEvent, CacheEventKind,
    LoginEvent, Observer,
};
use crate::{
    Failure,
    backend::{FailureKind, Freshness},
    report::{AttemptOutcome, Kind},
};

/// How many failures are remembered at once. Past that, all are news again.
const MOST_REMEMBERED: usize = 1024;

/// Writes what happens to `tracing`, under targets that begin with `airflow_secrets`.
///
/// | what | level | fields |
/// |---|---|---|
/// | a source failed, or its last answer was given in its place | `warn` where it is news, else `debug` | `kind`, `id`, `backend`, `outcome`, `elapsed`; `native_key` where `debug` is on |
/// | a source answered, or was skipped | `debug` | the same |
/// | a source that was unavailable answers again | `info` | `backend` |
/// | a lookup ended | `debug` | `kind`, `id`, `backend`, `outcome`, `elapsed` |
/// | the cache answered, or keeps nothing | `trace` | `kind`, `id`, `cache` |
/// | the cache refreshes an answer, or gives a stale one | `debug` | the same |
/// | a login failed | `warn` where it is news, else `debug` | `backend`, `outcome`, `elapsed` |
/// | a login succeeded | `debug` | the same |
/// | a breaker leaves a source in peace, or lets lookups pass again | `warn`, `info` | `backend`, `state` |
/// | a breaker lets one lookup try the source, which fails | `debug` | the same |
///
/// What is news is remembered by each resolver. That a source is unavailable, or a setting of it
/// invalid, is news once until it answers, whatever is asked of it. A denial and an invalid value are
/// news once for each id, until that id is answered. 1,024 failures are remembered at most.
///
/// Spans, at level `debug`: `lookup` (`kind` and `id`, or the number of `ids`), in it one `attempt`
/// for each source (`backend`), in that a `login` where there is one (`backend`). An answer from the
/// cache has no span.
#[derive(Debug, Default)]
pub struct TracingObserver {
    hasher: RandomState,
    /// How what failed last failed, by a hash of what it was.
    failing: Mutex<HashMap<u64, FailureKind>>,
}

/// What fails, and recovers.
#[derive(Hash)]
enum Subject<'a> {
    Source(&'a str),
    Id(&'a str, Kind, &'a str, Option<&'a str>),
    Login(&'a str),
}

impl TracingObserver {
    /// An observer that knows of no failure yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this failure is another than the last one of the same subject.
    fn is_news(&self, subject: &Subject<'_>, kind: FailureKind) -> bool {
        let key = self.hasher.hash_one(subject);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.len() >= MOST_REMEMBERED && !failing.contains_key(&key) {
            failing.clear();
        }
        failing.insert(key, kind) != Some(kind)
    }

    /// How the subject failed, if it does no more since now.
    fn recover(&self, subject: &Subject<'_>) -> Option<FailureKind> {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_empty() {
            return None;
        }
        failing.remove(&self.hasher.hash_one(subject))
    }

    /// Whether what the source did is a failure that was not known yet.
    fn is_news_of(&self, event: &AttemptEvent<'_>) -> bool {
        let Asking { kind, id, team } = event.asked;
        let backend = event.attempt.backend();
        let source = Subject::Source(backend);
        let of_id = Subject::Id(backend, kind, id, team);
        let failure = match event.attempt.outcome() {
            AttemptOutcome::Skipped { .. } => return false,
            outcome => failure_in(outcome).map(Failure::kind),
        };
        if let Some(kind @ (FailureKind::Unavailable | FailureKind::Configuration)) = failure {
            return self.is_news(&source, kind);
        }
        if self.recover(&source).is_some() {
            info!(backend, "{backend} answers again");
        }
        if failure.is_none() {
            self.recover(&of_id);
        }
        failure.is_some_and(|kind| self.is_news(&of_id, kind))
    }
}

/// Why the source could not give a live answer.
fn failure_in(outcome: &AttemptOutcome) -> Option<&Failure> {
    match outcome {
        AttemptOutcome::Failed { failure } => Some(failure),
        AttemptOutcome::Found {
            freshness: Freshness::Stale { why, .. },
        } => Some(why),
        _ => None,
    }
}

/// An event at one of two levels.
macro_rules! at {
    ($is_high:expr, $high:ident, $low:ident, $($rest:tt)+) => {
        if $is_high { $high!($($rest)+) } else { $low!($($rest)+) }
    };
}

impl Observer for TracingObserver {
    fn attempt(&self, event: &AttemptEvent<'_>) {
        let is_news = self.is_news_of(event);
        let (asked, attempt) = (event.asked, event.attempt);
        at!(
            is_news, warn, debug,
            kind = asked.kind.as_str(),
            id = asked.id,
            backend = attempt.backend(),
            outcome = attempt.outcome().as_str(),
            native_key = attempt.native_key().filter(|_| enabled!(Level::DEBUG)),
            elapsed = ?attempt.elapsed(),
            "{} {}{}",
            attempt.backend(),
            attempt.outcome().as_str(),
            attempt.outcome().message().map(|message| format!(": {message}")).unwrap_or_default(),
        );
    }

    fn answer(&self, event: &AnswerEvent<'_>) {
        debug!(
            kind = event.asked.kind.as_str(),
            id = event.asked.id,
            backend = event.ending.source().map(crate::report::Source::backend),
            outcome = event.ending.as_str(),
            elapsed = ?event.elapsed,
            "lookup ended",
        );
    }

    fn cache(&self, event: &CacheEvent<'_>) {
        let is_common = matches!(event.what, CacheEventKind::Hit | CacheEventKind::Miss);
        at!(
            is_common,
            trace,
            debug,
            kind = event.asked.kind.as_str(),
            id = event.asked.id,
            cache = event.what.as_str(),
            "cache",
        );
    }

    fn login(&self, event: &LoginEvent<'_>) {
        let subject = Subject::Login(event.backend);
        if event.failure.is_none() {
            self.recover(&subject);
        }
        let failure = event.failure.map(Failure::kind);
        let is_news = failure.is_some_and(|kind| self.is_news(&subject, kind));
        at!(
            is_news, warn, debug,
            backend = event.backend,
            outcome = event.outcome(),
            elapsed = ?event.elapsed,
            "{} login {}",
            event.backend,
            event.failure.map_or("ok", Failure::message),
        );
    }

    fn breaker(&self, event: &BreakerEvent<'_>) {
        let BreakerEvent {
            backend,
            before,
            state,
        } = *event;
        let state_name = state.as_str();
        match (before, state) {
            (BreakerState::Closed, BreakerState::Open) => {
                warn!(
                    backend,
                    state = state_name,
                    "{backend} is left in peace for a while"
                );
            }
            (_, BreakerState::Closed) => {
                info!(backend, state = state_name, "{backend} is asked as before");
            }
            _ => debug!(
                backend,
                state = state_name,
                "{backend}: the breaker is {state_name}"
            ),
        }
    }
}

/// The span of a lookup for one id.
pub(crate) fn lookup_span(kind: Kind, id: &str) -> Span {
    debug_span!("lookup", kind = kind.as_str(), id)
}

/// The span of a lookup for many ids.
pub(crate) fn lookups_span(kind: Kind, ids: usize) -> Span {
    debug_span!("lookup", kind = kind.as_str(), ids)
}

/// The span of what is asked of one source.
pub(crate) fn attempt_span(backend: &str) -> Span {
    debug_span!("attempt", backend)
}
