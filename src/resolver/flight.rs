//! Searches that are under way, and who may wait for one that another caller began.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, WeakShared},
};

use super::{Resolved, cache::Era, waiting::Waiting};
use crate::{Error, backend::LookupOptions, report::Asked};

/// What comes of a search.
pub(super) type Answer<T> = Result<Resolved<T>, Error>;

/// A search that many callers wait for. Whoever of them is awake drives it, so that one who gives up
/// neither ends it nor makes it begin again. It is dropped with the last of them.
pub(super) struct Flight<T> {
    pub(super) answer: Waiting<Answer<T>>,
    /// When it has to be over; of all who wait for it, the first one's deadline.
    pub(super) deadline: Option<Instant>,
}

/// What two lookups must have in common to be one search.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) asked: Asked,
    pub(super) options: LookupOptions,
    pub(super) strict: bool,
    pub(super) limit: Option<Duration>,
    pub(super) era: Era,
    pub(super) runtime: runtime::Id,
}

/// The searches that are under way for one kind of value.
pub(super) struct Flights<T>(Arc<Running<T>>);

struct Running<T> {
    /// None is kept alive from here.
    flights: Mutex<HashMap<Key, UnderWay<T>>>,
    next_number: AtomicU64,
}

struct UnderWay<T> {
    number: u64,
    answer: WeakShared<BoxFuture<'static, Answer<T>>>,
    deadline: Option<Instant>,
}

impl<T: Send + Sync + 'static> Flights<T> {
    /// The search that is under way for `key`.
    pub(super) fn running(&self, key: &Key) -> Option<Flight<T>> {
        self.0.lock().get(key).and_then(UnderWay::flight)
    }

    /// The search that is under way for `key`, or else `search`, which begins when it is awaited and has
    /// to be over by `deadline`.
    pub(super) fn join<S>(
        &self,
        key: Key,
        deadline: Option<Instant>,
        search: impl FnOnce() -> S,
    ) -> Flight<T>
    where
        S: Future<Output = Answer<T>> + Send + 'static,
    {
        let mut flights = self.0.lock();
        let entry = flights.entry(key);
        if let Entry::Occupied(entry) = &entry
            && let Some(flight) = entry.get().flight()
        {
            return flight;
        }
        let number = self.0.next_number.fetch_add(1, Ordering::Relaxed);
        let landing = Landing {
            running: Arc::clone(&self.0),
            key: Some(entry.key().clone()),
            number,
        };
        let search = search();
        let answer = async move {
            let answer = search.await;
            drop(landing);
            answer
        };
        let answer = answer.boxed().shared();
        if let Some(weak) = answer.downgrade() {
            entry.insert_entry(UnderWay {
                number,
                answer: weak,
                deadline,
            });
        }
        let answer = Waiting::new(answer);
        Flight { answer, deadline }
    }
}

impl<T> UnderWay<T> {
    fn flight(&self) -> Option<Flight<T>> {
        Some(Flight {
            answer: Waiting::new(self.answer.upgrade()?),
            deadline: self.deadline,
        })
    }
}

impl<T> Running<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, UnderWay<T>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a search that ended or was given up by all.
struct Landing<T> {
    running: Arc<Running<T>>,
    /// Taken when it is dropped.
    key: Option<Key>,
    number: u64,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        // Another may have begun since the last caller gave up.
        if let Entry::Occupied(entry) = self.running.lock().entry(key)
            && entry.get().number == self.number
        {
            entry.remove();
        }
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::new(Running {
            flights: Mutex::default(),
            next_number: AtomicU64::new(0),
        }))
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} searches under way", self.0.lock().len())
    }
}

/// Connections and timers belong to the Tokio runtime that a search began on, and rest when nobody
/// drives it. So a search is shared within one runtime only.
#[cfg(feature = "_tokio")]
pub(super) mod runtime {
    pub(crate) type Id = Option<tokio::runtime::Id>;

    pub(crate) fn current() -> Id {
        tokio::runtime::Handle::try_current()
            .ok()
            .map(|runtime| runtime.id())
    }

    /// Whether work can be done in the background.
    #[cfg(feature = "cache")]
    pub(crate) fn can_spawn() -> bool {
        current().is_some()
    }

    #[cfg(feature = "cache")]
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(work);
    }
}

/// No source of this build belongs to a runtime.
#[cfg(not(feature = "_tokio"))]
pub(super) mod runtime {
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub(crate) struct Id;

    pub(crate) fn current() -> Id {
        Id
    }

    #[cfg(feature = "cache")]
    pub(crate) fn can_spawn() -> bool {
        false
    }

    #[cfg(feature = "cache")]
    pub(crate) fn spawn(_: impl Future<Output = ()> + Send + 'static) {}
}
