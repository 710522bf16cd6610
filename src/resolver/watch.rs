//! Changes of a value: one poll for all who watch the same question.

use std::{
    collections::HashMap,
    fmt,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt,
    future::select,
    stream::{self, BoxStream},
};
use tokio::{sync::watch, time::sleep};

use super::{
    Resolved, Resolver,
    flight::{Answer, runtime},
    question::{Configs, Connections, Question, Variables},
};
use crate::{
    ConfigurationError, Connection, Error, Failure, Secret,
    backend::{FailureKind, LookupOptions},
    backends::runtime_has_timers,
    report::{Asked, Report},
};

/// The shortest time between two questions.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// How many words of a change are taken as one.
const MOST_AT_ONCE: usize = 256;

/// A value, and its changes: a [`Stream`] that goes on for as long as it is kept.
///
/// The first item is what the sources say now. Each further one comes when they say something else:
///
/// | the sources say | item |
/// |---|---|
/// | another value | `Ok`, the answer with its source and report |
/// | the same value, also if from another source | none |
/// | *not found*, and before something else | the error |
/// | denied, an invalid value or setting, and before something else | the error |
/// | nothing: a source was *unavailable*, whatever the others say | none, except as the first item |
///
/// - An outage is no change. The last value stands, also where a lower source would answer: so precedence
///   stays what it was. Failures are logged as those of any lookup.
/// - The sources are asked at the interval that was named, less a random part of up to a tenth, and never
///   more than ten times a second. A question goes past a cache, and what it finds is kept there.
/// - A source that is told of changes (Kubernetes) is asked as soon as it tells of one, besides.
/// - All who watch the same at the same interval through handles with the same options share one poll,
///   within one Tokio runtime. It begins when the first asks for an item, and ends when the last is
///   dropped.
/// - Who is slow gets the last change only.
///
/// It needs a Tokio runtime with timers. Outside one, or where the one that asks has ended, the next item
/// is an error of kind [`Configuration`](crate::ErrorKind::Configuration), and the last.
///
/// [`Resolver::watch_variable`] has an example.
#[must_use = "nothing is asked unless the stream is polled"]
pub struct Watch<T>(BoxStream<'static, Result<Resolved<T>, Error>>);

impl Resolver {
    /// Connection `conn_id` and its changes, asked for `every` so often: see [`Watch`]. In builds with a
    /// source that runs on Tokio, or the feature `blocking`.
    pub fn watch_connection(&self, conn_id: &str, every: Duration) -> Watch<Connection> {
        self.watch::<Connections>(conn_id, every)
    }

    /// Variable `key` and its changes, as [`watch_connection`](Self::watch_connection).
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    ///
    /// use airflow_secrets::{ErrorKind, Resolver, backends::memory::MemoryBackend};
    /// use futures_util::StreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let backend = Arc::new(MemoryBackend::new("mine").with_variable("colour", "blue"));
    /// let resolver = Resolver::builder()
    ///     .backend(Arc::clone(&backend))
    ///     .build();
    /// let mut colours = resolver.watch_variable("colour", Duration::from_secs(60));
    /// # let mut changes = 0;
    /// while let Some(colour) = colours.next().await {
    /// #   changes += 1;
    ///     match colour {
    ///         Ok(colour) => println!("from now on it comes from {}", colour.source()),
    ///         Err(error) if error.kind() == ErrorKind::NotFound => println!("it is gone"),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// #   if changes == 2 {
    /// #       break;
    /// #   }
    /// #   backend.set_variable("colour", "red");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch_variable(&self, key: &str, every: Duration) -> Watch<Secret> {
        self.watch::<Variables>(key, every)
    }

    /// Configuration entry `key` and its changes, as [`watch_connection`](Self::watch_connection).
    pub fn watch_config(&self, key: &str, every: Duration) -> Watch<Secret> {
        self.watch::<Configs>(key, every)
    }

    fn watch<Q: Question>(&self, id: &str, every: Duration) -> Watch<Q::Value> {
        let watcher = Watcher {
            resolver: self.refreshed(),
            id: id.to_owned(),
            every: every.max(SHORTEST_INTERVAL),
            changes: None,
        };
        let changes = stream::unfold(Some(watcher), Watcher::next::<Q>);
        Watch(changes.fuse().boxed())
    }

    /// The changes that the poll for `id` sees. Begins it, if there is none.
    fn changes<Q: Question>(&self, id: &str, every: Duration) -> Changes<Q::Value> {
        let key = Key {
            asked: Q::KIND.asked(id),
            options: self.options.clone(),
            strict: self.strict,
            limit: self.limit,
            every,
            runtime: runtime::current(),
        };
        let polls = &Q::desk(&self.chain).polls;
        let mut running = polls.lock();
        if let Some(outcomes) = running.get(&key).and_then(Weak::upgrade) {
            let mut changes = outcomes.subscribe();
            changes.mark_changed();
            return changes;
        }
        let (outcomes, changes) = watch::channel(None);
        let outcomes = Arc::new(outcomes);
        running.insert(key.clone(), Arc::downgrade(&outcomes));
        // Where the runtime is ending, the poll is dropped here, and wants the lock.
        drop(running);
        let poll = Running {
            polls: polls.clone(),
            key,
            outcomes,
        };
        tokio::spawn(self.clone().poll::<Q>(poll, id.to_owned(), every));
        changes
    }

    /// What the sources tell of changes of `id`, without an end; `None` where none of them can.
    fn told<Q: Question>(&self, id: &str) -> Option<impl Stream<Item = ()> + Unpin + use<Q>> {
        let asked = Q::KIND.asked(id);
        let links = Q::links(&self.chain).iter();
        let told = links.filter_map(|link| link.backend.changes(&asked, &self.options));
        let told = told.collect::<Vec<_>>();
        // Many at once are one.
        let at_once = |told| {
            let told = stream::select_all(told).ready_chunks(MOST_AT_ONCE);
            told.map(|_| ()).chain(stream::pending())
        };
        (!told.is_empty()).then(|| at_once(told))
    }

    async fn poll<Q: Question>(self, poll: Running<Q::Value>, id: String, every: Duration) {
        let mut told = self.told::<Q>(&id);
        while poll.is_watched() {
            let round = async {
                let answer = self.look_up::<Q>(&id).await;
                poll.outcomes.send_if_modified(|last| {
                    let is_change = last.as_ref().is_none_or(|last| is_change(last, &answer));
                    if is_change {
                        *last = Some(answer);
                    }
                    is_change
                });
                let pause = every.saturating_sub((every / 10).mul_f64(fastrand::f64()));
                match &mut told {
                    None => sleep(pause).await,
                    Some(told) => {
                        let shortest = SHORTEST_INTERVAL.min(pause);
                        sleep(shortest).await;
                        select(pin!(sleep(pause.saturating_sub(shortest))), told.next()).await;
                    }
                }
            };
            // Ends early when the last watcher is gone.
            select(pin!(poll.outcomes.closed()), pin!(round)).await;
        }
    }
}

/// Whether `new` says something else than `last`.
fn is_change<T: PartialEq>(last: &Answer<T>, new: &Answer<T>) -> bool {
    let report = match new {
        Ok(answer) => Some(answer.report()),
        Err(error) => error.report(),
    };
    let mut kinds = report
        .into_iter()
        .flat_map(Report::failures)
        .map(Failure::kind);
    if kinds.any(|kind| kind == FailureKind::Unavailable) {
        return false;
    }
    match (last, new) {
        (Ok(last), Ok(new)) => **last != **new,
        (Err(last), Err(new)) => last.kind() != new.kind(),
        _ => true,
    }
}

/// One who watches.
struct Watcher<T> {
    resolver: Resolver,
    id: String,
    every: Duration,
    /// `None` until an item is asked for.
    changes: Option<Changes<T>>,
}

/// The last outcome, `None` before there is one.
type Changes<T> = watch::Receiver<Option<Answer<T>>>;

impl<T: Send + Sync + 'static> Watcher<T> {
    /// The next item, and who asks for those after it.
    async fn next<Q: Question<Value = T>>(this: Option<Self>) -> Option<(Answer<T>, Option<Self>)> {
        let mut this = this?;
        if this.changes.is_none() && runtime_has_timers() {
            this.changes = Some(this.resolver.changes::<Q>(&this.id, this.every));
        }
        if let Some(changes) = &mut this.changes {
            while changes.changed().await.is_ok() {
                let outcome = changes.borrow_and_update().clone();
                if let Some(outcome) = outcome {
                    return Some((outcome, Some(this)));
                }
            }
        }
        let watch = format!("a watch of {}", Q::KIND.asked(&this.id));
        let problem = "changes are asked for in the background: watch inside a Tokio runtime that was \
                       built with `enable_all()`, and has not ended";
        let error = ConfigurationError::new("the Tokio runtime", watch, problem);
        Some((Err(error.into()), None))
    }
}

/// The polls that run for one kind of value. A clone is the same.
pub(super) struct Polls<T>(Arc<Mutex<HashMap<Key, Weak<Outcomes<T>>>>>);

type Outcomes<T> = watch::Sender<Option<Answer<T>>>;

/// What two watchers must have in common to share a poll.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    asked: Asked,
    options: LookupOptions,
    strict: bool,
    limit: Option<Duration>,
    every: Duration,
    runtime: runtime::Id,
}

/// A poll that runs. Dropped with its task, also when its runtime ends before it does.
struct Running<T> {
    polls: Polls<T>,
    key: Key,
    outcomes: Arc<Outcomes<T>>,
}

impl<T> Running<T> {
    /// Whether anybody watches. If not, nobody finds this poll any more.
    fn is_watched(&self) -> bool {
        let mut polls = self.polls.lock();
        let is_watched = self.outcomes.receiver_count() > 0;
        if !is_watched {
            polls.remove(&self.key);
        }
        is_watched
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        let mut polls = self.polls.lock();
        // Another may have begun since.
        if polls
            .get(&self.key)
            .is_some_and(|poll| poll.as_ptr() == Arc::as_ptr(&self.outcomes))
        {
            polls.remove(&self.key);
        }
    }
}

impl<T> Polls<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Weak<Outcomes<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Polls<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Polls<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> fmt::Debug for Polls<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} polls", self.lock().len())
    }
}

impl<T> Stream for Watch<T> {
    type Item = Result<Resolved<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
