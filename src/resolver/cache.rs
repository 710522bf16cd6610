//! Answers that are kept in front of the sources.

use std::{
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use equivalent::Equivalent;
use futures_util::future::join3;

use super::{
    CacheOptions, Desk, Link, Resolved, Resolver, ResolverBuilder,
    flight::{Answer, Flights, runtime},
    question::{Configs, Connections, Kind, Question, Variables},
    watch::Polls,
};
use crate::{
    ConfigurationError, Error, ErrorKind,
    backend::Freshness,
    clock::Clock,
    config::Settings,
    observer::CacheEventKind,
    report::{Asked, Attempt, AttemptOutcome},
};

/// The answers of one kind of value.
pub(super) struct Cache<T> {
    entries: quick_cache::sync::Cache<Key, Entry<T>>,
    options: CacheOptions,
    clock: Clock,
    /// How often something was invalidated: what was asked for before is not kept after.
    generation: AtomicU64,
    swept: Mutex<Instant>,
}

/// Whether and how answers are kept.
pub(super) type Setup = Option<CacheOptions>;

impl<T> Desk<T> {
    pub(super) fn new(setup: &Setup, clock: &Clock) -> Self {
        let cache = |options: &CacheOptions| Cache::new(options.clone(), clock.clone());
        Self {
            flights: Flights::default(),
            polls: Polls::default(),
            cache: setup.as_ref().map(cache),
        }
    }
}

impl ResolverBuilder {
    /// Keeps answers where `[secrets] use_cache` says so and the program says nothing.
    pub(super) fn cache_as_set(self, settings: &Settings) -> Result<Self, ConfigurationError> {
        if self.cache.is_some() || !settings.use_cache()? {
            return Ok(self);
        }
        let options = CacheOptions::new().with_ttl(settings.cache_ttl()?);
        Ok(self.cache(options))
    }
}

/// When and how a search was asked for: what began before an invalidation is no answer after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Era {
    generation: u64,
    refreshed: bool,
}

impl Resolver {
    /// Asks for all of `asked` that is not kept, so that it is there when it is needed: at the start of a
    /// program, for instance. Gives the errors of those that have no answer, each with its
    /// [`asked`](crate::Error::asked).
    ///
    /// - Connections, variables and configuration entries go to each source together, as many at once as
    ///   [`get_connections`](Self::get_connections) says, all within the time of one lookup.
    /// - What is kept, and for how long, is as for any lookup: see [`CacheOptions`]. *Not found* is an
    ///   error here, and kept. An answer that came after another source's failure is neither an error nor
    ///   kept.
    /// - Without a cache the sources are asked, and nothing is kept.
    ///
    /// ```
    /// use airflow_secrets::{
    ///     CacheOptions, Resolver, backends::memory::MemoryBackend, report::Asked,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let backend = MemoryBackend::new("mine").with_variable("colour", "blue");
    /// let resolver = Resolver::builder()
    ///     .backend(backend)
    ///     .cache(CacheOptions::new())
    ///     .build();
    /// let wanted = [Asked::Variable("colour".into()), Asked::Connection("pg".into())];
    /// for error in resolver.prefetch(wanted).await {
    ///     assert_eq!(error.to_string(), r#"connection "pg" is not defined: mine (connection pg) missing"#);
    /// }
    /// let colour = resolver.get_variable("colour").await?;
    /// assert_eq!(colour.freshness().to_string(), "cached 0 s ago");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn prefetch(&self, asked: impl IntoIterator<Item = Asked>) -> Vec<Error> {
        let [mut connections, mut variables, mut configs] = [const { Vec::new() }; 3];
        for asked in asked {
            match asked {
                Asked::Connection(id) => connections.push(id),
                Asked::Variable(key) => variables.push(key),
                Asked::Config(key) => configs.push(key),
            }
        }
        let (connections, variables, configs) = join3(
            self.look_up_many::<Connections>(&connections),
            self.look_up_many::<Variables>(&variables),
            self.look_up_many::<Configs>(&configs),
        )
        .await;
        let secrets = variables.into_iter().chain(configs).filter_map(Result::err);
        let connections = connections.into_iter().filter_map(Result::err);
        connections.chain(secrets).collect()
    }

    pub(super) fn era<Q: Question>(&self) -> Era {
        let cache = Q::desk(&self.chain).cache.as_ref();
        Era {
            generation: cache.map_or(0, Cache::generation),
            refreshed: self.refreshed,
        }
    }

    /// The answer that is kept for `id`.
    pub(super) fn kept<Q: Question>(&self, id: &str) -> Option<Answer<Q::Value>> {
        let cache = Q::desk(&self.chain).cache.as_ref()?;
        if self.refreshed {
            return None;
        }
        let Some((answer, is_due)) = cache.get(self.wanted::<Q>(id)) else {
            self.tell_of_cache::<Q>(id, CacheEventKind::Miss);
            return None;
        };
        self.tell_of_cache::<Q>(id, CacheEventKind::Hit);
        if is_due {
            self.refresh_ahead::<Q>(id, &answer);
        }
        Some(answer)
    }

    /// Asks for a newer answer than `old` in the background, if nobody has begun to.
    fn refresh_ahead<Q: Question>(&self, id: &str, old: &Answer<Q::Value>) {
        if !runtime::can_spawn() || !old.as_ref().is_ok_and(Resolved::claim_refresh) {
            return;
        }
        self.tell_of_cache::<Q>(id, CacheEventKind::Refresh);
        let (resolver, id) = (self.refreshed(), id.to_owned());
        runtime::spawn(async move {
            // What it finds is kept; what it cannot find out leaves the old answer for its time.
            drop(resolver.look_up::<Q>(&id).await);
        });
    }

    /// The last answer of the source at `link` for `id`, and its age, if it may be given though the
    /// source is unavailable.
    pub(super) fn last_answer<Q: Question>(
        &self,
        id: &str,
        link: &Link,
    ) -> Option<(Resolved<Q::Value>, Duration)> {
        let cache = Q::desk(&self.chain).cache.as_ref()?;
        if self.refreshed || cache.options.stale_for.is_zero() {
            return None;
        }
        let (answer, age) = cache.last(self.wanted::<Q>(id))?;
        // Two sources may have one name.
        Arc::ptr_eq(&answer.source().backend, &link.name).then_some((answer, age))
    }

    /// Keeps the answer for `id` no more, if it is of the source at `link`: that says otherwise now.
    pub(super) fn forget<Q: Question>(&self, id: &str, link: &Link) {
        if let Some(cache) = &Q::desk(&self.chain).cache {
            let is_theirs = |entry: &Entry<Q::Value>| {
                let answer = entry.answer.as_ref();
                answer.is_ok_and(|answer| Arc::ptr_eq(&answer.source().backend, &link.name))
            };
            cache.entries.remove_if(&self.wanted::<Q>(id), is_theirs);
        }
    }

    /// Keeps what a search of `era` found, if it may be kept.
    pub(super) fn keep<Q: Question>(&self, id: &str, answer: &Answer<Q::Value>, era: Era) {
        if let Some(cache) = &Q::desk(&self.chain).cache {
            cache.keep(self.wanted::<Q>(id), answer, era.generation);
        }
    }

    fn wanted<'a, Q: Question>(&'a self, id: &'a str) -> Wanted<'a> {
        Wanted {
            kind: Q::KIND,
            team: self.options.team(),
            id,
        }
    }
}

/// What an answer is kept under.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    team: Option<Box<str>>,
    id: Box<str>,
}

/// A key that is looked for. It hashes as [`Key`] does.
#[derive(Debug, Clone, Copy, Hash)]
struct Wanted<'a> {
    kind: Kind,
    team: Option<&'a str>,
    id: &'a str,
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.id == *key.id && self.kind == key.kind && self.team == key.team.as_deref()
    }
}

struct Entry<T> {
    answer: Answer<T>,
    since: Instant,
    /// When it is asked for anew, while it is still given.
    refresh_at: Instant,
    until: Instant,
    /// Until when it is given if its source is unavailable.
    stale_until: Instant,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            answer: self.answer.clone(),
            ..*self
        }
    }
}

impl<T> Cache<T> {
    pub(super) fn new(options: CacheOptions, clock: Clock) -> Self {
        Self {
            entries: quick_cache::sync::Cache::new(options.max_entries),
            swept: Mutex::new(clock.now()),
            generation: AtomicU64::new(0),
            options,
            clock,
        }
    }

    /// The answer that is kept for `wanted`, if it has not expired.
    /// Also, whether it is time to ask for a newer one.
    fn get(&self, wanted: Wanted<'_>) -> Option<(Answer<T>, bool)> {
        let entry = self.entries.get(&wanted)?;
        let now = self.clock.now();
        if entry.until <= now {
            let is_of_no_use = |entry: &Entry<T>| entry.stale_until <= now;
            self.entries.remove_if(&wanted, is_of_no_use);
            return None;
        }
        let age = now.saturating_duration_since(entry.since);
        let answer = match entry.answer {
            Ok(answer) => Ok(answer.cached(age)),
            Err(error) => Err(error.cached(age)),
        };
        Some((answer, entry.refresh_at <= now))
    }

    /// The last answer that was found for `wanted`, expired or not, and its age.
    fn last(&self, wanted: Wanted<'_>) -> Option<(Resolved<T>, Duration)> {
        let entry = self.entries.get(&wanted)?;
        let now = self.clock.now();
        let age = now.saturating_duration_since(entry.since);
        let answer = entry.answer.ok().filter(|_| now < entry.stale_until)?;
        Some((answer, age))
    }

    /// Keeps `answer`, if it may be kept and nothing was invalidated since `generation`.
    fn keep(&self, wanted: Wanted<'_>, answer: &Answer<T>, generation: u64) {
        let Some(ttl) = self.time_to_live(answer) else {
            return;
        };
        if self.generation() != generation {
            return;
        }
        let since = self.clock.now();
        let Some(until) = since.checked_add(ttl) else {
            return;
        };
        let ahead = self.options.refresh_ahead.unwrap_or(ttl / 10);
        let stale_for = match answer {
            Ok(_) => self.options.stale_for,
            Err(_) => Duration::ZERO,
        };
        let key = Key {
            kind: wanted.kind,
            team: wanted.team.map(Box::from),
            id: wanted.id.into(),
        };
        let answer = answer.clone();
        self.sweep(since);
        let entry = Entry {
            answer,
            since,
            refresh_at: until.checked_sub(ahead).unwrap_or(since),
            until,
            stale_until: until.checked_add(stale_for).unwrap_or(until),
        };
        self.entries.insert(key, entry);
        // Who invalidated meanwhile may have come before the entry.
        if self.generation() != generation {
            self.entries.remove(&wanted);
        }
    }

    /// How long `answer` is kept, if at all.
    fn time_to_live(&self, answer: &Answer<T>) -> Option<Duration> {
        let ttl = match answer {
            Ok(answer) => {
                let outcomes = || answer.report().attempts().iter().map(Attempt::outcome);
                let has_failed = |outcome: &_| matches!(outcome, AttemptOutcome::Failed { .. });
                let is_live = *answer.freshness() == Freshness::Live;
                (is_live && !outcomes().any(has_failed)).then_some(self.options.ttl)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Some(self.options.not_found_ttl.min(self.options.ttl))
            }
            Err(_) => None,
        }?;
        let ttl = ttl.mul_f64(1.0 - fastrand::f64() / 10.0);
        (!ttl.is_zero()).then_some(ttl)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Keeps nothing of `asked` any more, for any team.
    pub(super) fn invalidate(&self, asked: &Asked) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        let kind = asked.kind();
        self.entries
            .retain(|key, _| key.kind != kind || *key.id != *asked.id());
    }

    pub(super) fn invalidate_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }

    /// Lets go of what has expired and is not asked for any more.
    fn sweep(&self, now: Instant) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*swept) < self.options.ttl {
            return;
        }
        *swept = now;
        drop(swept);
        self.entries.retain(|_, entry| entry.stale_until > now);
    }
}

/// Neither ids nor values are shown.
impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("entries", &self.entries.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{Report, Source},
        resolver::refused::Asker,
    };

    const TTL: Duration = Duration::from_secs(100);

    /// Who holds the other end sees whether the value is still held.
    type Value = Arc<()>;

    fn cache(max_entries: usize) -> (Cache<Value>, Arc<Mutex<Instant>>) {
        let now = Arc::new(Mutex::new(Instant::now()));
        let hands = Arc::clone(&now);
        let clock = Clock::new(move || *hands.lock().unwrap());
        let options = CacheOptions::new()
            .with_ttl(TTL)
            .with_max_entries(max_entries);
        (Cache::new(options, clock), now)
    }

    fn wanted(id: &str) -> Wanted<'_> {
        Wanted {
            kind: Kind::Variable,
            team: None,
            id,
        }
    }

    fn answer(value: Value) -> Resolved<Value> {
        let source = Source {
            backend: "mine".into(),
            native_key: "key".into(),
        };
        Resolved::new(value, source, Report::default(), Asker::nobody())
    }

    fn keep(cache: &Cache<Value>, id: &str) -> Value {
        let value = Value::default();
        let answer = Ok(answer(Arc::clone(&value)));
        cache.keep(wanted(id), &answer, cache.generation());
        value
    }

    fn is_held(value: &Value) -> bool {
        Arc::strong_count(value) > 1
    }

    #[test]
    fn a_value_leaves_at_once_when_it_is_replaced_invalidated_or_evicted() {
        let (cache, _) = cache(10);
        let (first, second) = (keep(&cache, "a"), keep(&cache, "a"));
        assert_eq!((is_held(&first), is_held(&second)), (false, true));
        cache.invalidate(&Asked::Variable("a".into()));
        assert!(!is_held(&second));
        let third = keep(&cache, "a");
        assert!(is_held(&third));
        cache.invalidate_all();
        assert!(!is_held(&third));
        let ids: Vec<String> = (0..100).map(|index| index.to_string()).collect();
        let values: Vec<Value> = ids.iter().map(|id| keep(&cache, id)).collect();
        let held = values.iter().filter(|value| is_held(value)).count();
        assert!((1..=10).contains(&held), "{held}");
    }

    #[test]
    fn a_value_that_has_expired_leaves_when_it_or_later_another_is_asked_for() {
        let (cache, now) = cache(10);
        let (asked, other) = (keep(&cache, "asked"), keep(&cache, "other"));
        *now.lock().unwrap() += TTL;
        assert!(cache.get(wanted("asked")).is_none());
        assert_eq!((is_held(&asked), is_held(&other)), (false, true));
        let new = keep(&cache, "new");
        assert_eq!((is_held(&other), is_held(&new)), (false, true));
    }

    #[test]
    fn what_was_found_before_an_invalidation_is_not_kept_after_it() {
        let (cache, _) = cache(10);
        let before = cache.generation();
        cache.invalidate(&Asked::Connection("any".into()));
        cache.keep(wanted("a"), &Ok(answer(Value::default())), before);
        assert!(cache.get(wanted("a")).is_none());
    }
}
