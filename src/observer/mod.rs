//! What a resolver does, seen from outside: [`Observer`], and those that come with the crate.
//!
//! - [`TracingObserver`] writes to `tracing`. Every resolver has it, unless it is
//!   [built without](crate::ResolverBuilder::without_tracing).
//! - `MetricsObserver` (feature `metrics`) counts and measures, through the `metrics` facade.
//!
//! [`ResolverBuilder::observer`](crate::ResolverBuilder::observer) and
//! [`FromEnvironment::observer`](crate::FromEnvironment::observer) add one of your own.
//!
//! ```
//! use std::sync::{
//!     Arc,
//!     atomic::{AtomicUsize, Ordering},
//! };
//!
//! use airflow_secrets::{
//!     Resolver,
//!     backends::memory::MemoryBackend,
//!     observer::{AttemptEvent, Observer},
//! };
//!
//! /// Counts what failed.
//! #[derive(Debug, Default)]
//! struct Failures(AtomicUsize);
//!
//! impl Observer for Failures {
//!     fn attempt(&self, event: &AttemptEvent<'_>) {
//!         if event.attempt.failure().is_some() {
//!             self.0.fetch_add(1, Ordering::Relaxed);
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), airflow_secrets::Error> {
//! let failures = Arc::new(Failures::default());
//! let resolver = Resolver::builder()
//!     .backend(MemoryBackend::new("mine").with_variable("colour", "blue"))
//!     .observer(Arc::clone(&failures))
//!     .build();
//! resolver.get_variable("colour").await?;
//! assert_eq!(failures.0.load(Ordering::Relaxed), 0);
//! # Ok(())
//! # }
//! ```

mod current;
mod list;
#[cfg(feature = "_network")]
pub(crate) mod login;
#[cfg(feature = "metrics")]
mod metrics;
mod tracing;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;
pub use self::tracing::TracingObserver;
pub(crate) use self::{
    current::Current,
    list::{Observers, Watched},
    tracing::{attempt_span, lookup_span, lookups_span},
};
use crate::{
    Error, Failure,
    backend::Freshness,
    report::{Attempt, Kind, Source},
};

/// Is told what a resolver does. Each method does nothing by default; further ones may come.
///
/// No event holds a value. Ids, native keys and the messages of failures are no secrets, but are
/// many: they do not belong into the labels of metrics.
///
/// The methods are called in the middle of a lookup, on the thread of whichever caller drives it. They
/// must return soon, and must not panic.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// The sources are about to be asked. Exactly one [`answer`](Self::answer) follows.
    ///
    /// Not for what is answered from the cache ([`cache`](Self::cache)), nor for those who join a lookup
    /// that is under way.
    fn began(&self, asked: &Asking<'_>) {
        let _ = asked;
    }

    /// One source was asked, or passed over.
    fn attempt(&self, event: &AttemptEvent<'_>) {
        let _ = event;
    }

    /// A lookup has ended.
    fn answer(&self, event: &AnswerEvent<'_>) {
        let _ = event;
    }

    /// The cache was asked, or took part. Only for a resolver that keeps answers.
    fn cache(&self, event: &CacheEvent<'_>) {
        let _ = event;
    }

    /// A source's login has ended: one that a lookup or a check caused, or that came ahead of a token's
    /// end. For AWS that is the loading of credentials, wherever they are. A token of Vault's that the
    /// settings hold needs no login.
    fn login(&self, event: &LoginEvent<'_>) {
        let _ = event;
    }

    /// A source's breaker has changed its state.
    fn breaker(&self, event: &BreakerEvent<'_>) {
        let _ = event;
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn began(&self, asked: &Asking<'_>) {
        (**self).began(asked);
    }

    fn attempt(&self, event: &AttemptEvent<'_>) {
        (**self).attempt(event);
    }

    fn answer(&self, event: &AnswerEvent<'_>) {
        (**self).answer(event);
    }

    fn cache(&self, event: &CacheEvent<'_>) {
        (**self).cache(event);
    }

    fn login(&self, event: &LoginEvent<'_>) {
        (**self).login(event);
    }

    fn breaker(&self, event: &BreakerEvent<'_>) {
        (**self).breaker(event);
    }
}

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asking<'a> {
    /// A connection, a variable or a configuration entry.
    pub kind: Kind,
    /// Its `conn_id` or key.
    pub id: &'a str,
    /// The team that asks, if any.
    pub team: Option<&'a str>,
}

/// What one source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptEvent<'a> {
    /// What is looked up.
    pub asked: Asking<'a>,
    /// What the source did, and how long it took.
    pub attempt: &'a Attempt,
}

/// How a lookup ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AnswerEvent<'a> {
    /// What was looked up.
    pub asked: Asking<'a>,
    /// What came of it.
    pub ending: Ending<'a>,
    /// How long it took; for one of many ids asked at once, until its own answer.
    pub elapsed: Duration,
}

/// What came of a lookup.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Ending<'a> {
    /// A source answered.
    #[non_exhaustive]
    Found {
        /// Which.
        source: &'a Source,
        /// Live, or stale where the source is unavailable.
        freshness: &'a Freshness,
    },
    /// No source answered.
    #[non_exhaustive]
    Unanswered {
        /// Why.
        error: &'a Error,
    },
    /// All who waited for it gave up before its end.
    GivenUp,
}

impl Ending<'_> {
    /// It in one word: `found`, `stale`, `given_up`, or the error's kind, such as `not_found`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Found {
                freshness: Freshness::Stale { .. },
                ..
            } => "stale",
            Self::Found { .. } => "found",
            Self::Unanswered { error } => error.kind().as_str(),
            Self::GivenUp => "given_up",
        }
    }

    /// The source that answered.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Found { source, .. } => Some(source),
            Self::Unanswered { .. } | Self::GivenUp => None,
        }
    }
}

/// What the cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEvent<'a> {
    /// What was looked up.
    pub asked: Asking<'a>,
    /// What the cache did.
    pub what: CacheEventKind,
}

/// What the cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheEventKind {
    /// It answered; no source is asked.
    Hit,
    /// It keeps no answer: the sources are asked.
    Miss,
    /// It answered, and the sources are asked in the background for a newer answer.
    Refresh,
    /// It gave a source's last answer, since the source is unavailable.
    Stale,
}

impl CacheEventKind {
    /// It in one word: `hit`, `miss`, `refresh` or `stale`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Refresh => "refresh",
            Self::Stale => "stale",
        }
    }
}

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginEvent<'a> {
    /// The source's name.
    pub backend: &'a str,
    /// Why it failed, if it did.
    pub failure: Option<&'a Failure>,
    /// How long it took.
    pub elapsed: Duration,
}

impl LoginEvent<'_> {
    /// How it ended in one word: `ok`, or the failure's kind, such as `access_denied`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        self.failure.map_or("ok", |failure| failure.kind().as_str())
    }
}

/// A breaker's new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerEvent<'a> {
    /// The source's name.
    pub backend: &'a str,
    /// The state before.
    pub before: BreakerState,
    /// The state now.
    pub state: BreakerState,
}

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// The source is asked.
    Closed,
    /// The pause is over, and one lookup tries the source.
    Trial,
    /// The source is left in peace.
    Open,
}

impl BreakerState {
    /// The state in one word: `closed`, `trial` or `open`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Trial => "trial",
            Self::Open => "open",
        }
    }
}
