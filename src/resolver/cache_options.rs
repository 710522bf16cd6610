//! [`CacheOptions`]: how long answers are kept, and how many.

use std::time::Duration;

/// How a resolver keeps answers (feature `cache`).
///
/// | option | default |
/// |---|---|
/// | [`with_ttl`](Self::with_ttl) | 900 s, as Airflow's `[secrets] cache_ttl_seconds` |
/// | [`with_not_found_ttl`](Self::with_not_found_ttl) | 30 s |
/// | [`with_max_entries`](Self::with_max_entries) | 10,000 |
/// | [`with_refresh_ahead`](Self::with_refresh_ahead) | the last tenth of an answer's time |
/// | [`with_stale_for`](Self::with_stale_for) | zero: no answer is given after its time |
///
/// - An answer is kept for its kind, team and id, with its report. It is kept only if no source failed
///   before the one that answered: an outage never pins the value of a lower source.
/// - *Not found* is kept too, for a shorter time. No other error is ever kept.
/// - The answer of a hit says [`Freshness::Cached`](crate::backend::Freshness::Cached), with its age.
///   Its report is that of the search that gave it.
/// - A value is wiped as soon as it is replaced, invalidated or evicted, and nobody holds it any more.
///   One that has expired leaves at the next lookup of its id, or with the first answer that is kept
///   after another time to live.
///
/// ```
/// use std::time::Duration;
///
/// use airflow_secrets::{
///     CacheOptions, Resolver, backends::memory::MemoryBackend, report::Asked,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), airflow_secrets::Error> {
/// let backend = std::sync::Arc::new(MemoryBackend::new("mine").with_variable("colour", "blue"));
/// let resolver = Resolver::builder()
///     .backend(std::sync::Arc::clone(&backend))
///     .cache(CacheOptions::new().with_ttl(Duration::from_secs(60)))
///     .build();
/// assert_eq!(resolver.get_variable("colour").await?.expose(), "blue");
///
/// backend.set_variable("colour", "red");
/// let kept = resolver.get_variable("colour").await?;
/// assert_eq!((kept.expose(), kept.freshness().to_string()), ("blue", "cached 0 s ago".into()));
///
/// let new = resolver.refreshed().get_variable("colour").await?;
/// assert_eq!((new.expose(), new.freshness().to_string()), ("red", "live".into()));
///
/// resolver.invalidate(&Asked::Variable("colour".into()));
/// assert_eq!(resolver.get_variable("colour").await?.freshness().age(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CacheOptions {
    pub(super) ttl: Duration,
    pub(super) not_found_ttl: Duration,
    pub(super) max_entries: usize,
    /// `None` for a tenth of the time to live.
    pub(super) refresh_ahead: Option<Duration>,
    pub(super) stale_for: Duration,
}

impl CacheOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an answer is kept at most. Each is kept for a random time between 90 % of it and all of
    /// it, so that answers of the same moment do not expire together. With zero, nothing is kept.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long *not found* is kept at most; never longer than an answer. With zero, it is not kept.
    #[must_use]
    pub fn with_not_found_ttl(mut self, ttl: Duration) -> Self {
        self.not_found_ttl = ttl;
        self
    }

    /// How long before its end an answer that is asked for is asked for anew: by one task in the
    /// background, while all callers get the old one. Default: the last tenth of its time; with zero,
    /// never.
    ///
    /// If that fails, the old answer stays for its time. It needs a Tokio runtime, and a build in which
    /// a source brings Tokio; elsewhere the first who asks after the end waits for the new answer.
    #[must_use]
    pub fn with_refresh_ahead(mut self, time: Duration) -> Self {
        self.refresh_ahead = Some(time);
        self
    }

    /// For how long after its end the last answer of a source is still given while that source is
    /// *unavailable*: it is down, throttles or does not answer in time. Default: zero, never.
    ///
    /// - Each lookup still asks the source first. What it says counts: with *missing*, a denial or an
    ///   invalid value its last answer is gone for good.
    /// - The answer comes before what a lower source would say, so that an outage does not change
    ///   precedence.
    /// - [`Resolved::freshness`](crate::Resolved::freshness) and the report say *stale*, the age, and
    ///   why.
    /// - [`strict`](crate::Resolver::strict) and [`refreshed`](crate::Resolver::refreshed) handles give
    ///   the error.
    #[must_use]
    pub fn with_stale_for(mut self, time: Duration) -> Self {
        self.stale_for = time;
        self
    }

    /// How many connections are kept at most, and how many variables and configuration entries. Of more,
    /// those leave that were asked for least.
    #[must_use]
    pub fn with_max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(900),
            not_found_ttl: Duration::from_secs(30),
            max_entries: 10_000,
            refresh_ahead: None,
            stale_for: Duration::ZERO,
        }
    }
}
