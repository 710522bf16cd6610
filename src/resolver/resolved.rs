//! An answer that knows where it came from.

use std::{fmt, ops::Deref, sync::Arc};
#[cfg(feature = "cache")]
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::refused::Asker;
use crate::{
    backend::Freshness,
    report::{Attempt, AttemptOutcome, Report, Source},
};

/// An answer, where it came from, and what every source did before it.
///
/// Derefs to the answer. A clone is a new handle on the same answer: one pointer.
pub struct Resolved<T> {
    answer: Arc<Held<T>>,
    freshness: Freshness,
    /// In place of the answer's own, where it is given again because its source is unavailable.
    stale_report: Option<Arc<Report>>,
}

struct Held<T> {
    value: T,
    source: Source,
    report: Report,
    asker: Asker<T>,
    /// Whether somebody has begun to ask for a newer one.
    #[cfg(feature = "cache")]
    is_refreshed: AtomicBool,
}

impl<T> Resolved<T> {
    pub(super) fn new(value: T, source: Source, report: Report, asker: Asker<T>) -> Self {
        Self {
            freshness: last_freshness(&report),
            answer: Arc::new(Held {
                value,
                source,
                report,
                asker,
                #[cfg(feature = "cache")]
                is_refreshed: AtomicBool::new(false),
            }),
            stale_report: None,
        }
    }

    /// The same answer, given again by a search whose `report` says why.
    pub(super) fn again(mut self, report: Report) -> Self {
        self.freshness = last_freshness(&report);
        self.stale_report = Some(Arc::new(report));
        self
    }

    /// The same answer, as fresh as the search that found no other.
    pub(super) fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// The same answer from a cache, `age` old.
    #[cfg(feature = "cache")]
    pub(super) fn cached(mut self, age: Duration) -> Self {
        self.freshness = Freshness::cached(age);
        self
    }

    /// Whether the caller is the first who is to ask for a newer one.
    #[cfg(feature = "cache")]
    pub(super) fn claim_refresh(&self) -> bool {
        !self.answer.is_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Who asked for it.
    pub(super) fn asker(&self) -> &Asker<T> {
        &self.answer.asker
    }

    /// Where the answer came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.answer.source
    }

    /// What each source did, up to the one that answered. For an answer from a cache, what each did
    /// then.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.stale_report.as_deref().unwrap_or(&self.answer.report)
    }

    /// How fresh the answer is: live, from a cache, or the last one of a source that is unavailable.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

/// That of the source that answered.
fn last_freshness(report: &Report) -> Freshness {
    match report.attempts().last().map(Attempt::outcome) {
        Some(AttemptOutcome::Found { freshness }) => freshness.clone(),
        _ => Freshness::Live,
    }
}

impl<T> Deref for Resolved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.answer.value
    }
}

impl<T> Clone for Resolved<T> {
    fn clone(&self) -> Self {
        Self {
            answer: Arc::clone(&self.answer),
            freshness: self.freshness.clone(),
            stale_report: self.stale_report.clone(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Resolved<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved")
            .field("value", &self.answer.value)
            .field("source", &self.answer.source)
            .field("report", self.report())
            .field("freshness", &self.freshness)
            .finish_non_exhaustive()
    }
}
