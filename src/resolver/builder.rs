//! [`ResolverBuilder`]: builds a resolver in code.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Chain, Desk, Link, Resolver, cache, refused::Refusals};
use crate::{
    Dialect, SecretsBackend,
    backend::LookupOptions,
    backends::breaker::{Breaker, BreakerOptions},
    clock::Clock,
    config::Warning,
    observer::{Observer, Observers},
    report::Sources,
};

/// How long a lookup may take by default.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Builds a [`Resolver`] in code: the sources in the order they are added.
///
/// ```
/// # use airflow_secrets::{backends::memory::MemoryBackend, Resolver};
/// let resolver = Resolver::builder()
///     .backend(MemoryBackend::new("mine").with_variable("colour", "blue"))
///     .build();
/// assert_eq!(resolver.sources().to_string(), "mine");
/// ```
#[derive(Debug)]
pub struct ResolverBuilder {
    links: Vec<Link>,
    /// Which link is the custom backend.
    config_link: Option<usize>,
    dialect: Dialect,
    multi_team: bool,
    warnings: Vec<Warning>,
    sources: Sources,
    total_timeout: Option<Duration>,
    breakers: Option<BreakerOptions>,
    clock: Clock,
    has_tracing: bool,
    observers: Vec<Arc<dyn Observer>>,
    pub(super) cache: cache::Setup,
}

impl ResolverBuilder {
    /// Adds a source after those already there. One that is shared with others is added as an
    /// `Arc`.
    #[must_use]
    pub fn backend(mut self, backend: impl SecretsBackend) -> Self {
        self.links.push(Link::new(Arc::new(backend)));
        self
    }

    /// Adds a source after those already there, and asks it, and no other, for configuration
    /// entries: what Airflow calls the custom secrets backend.
    #[must_use]
    pub fn custom_backend(mut self, backend: impl SecretsBackend) -> Self {
        self.config_link = Some(self.links.len());
        self.links.push(Link::new(Arc::new(backend)));
        self
    }

    /// How connections are read. Default: [`Dialect::Core`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Whether [`Resolver::for_team`] is allowed. Default: no.
    #[must_use]
    pub fn multi_team(mut self, multi_team: bool) -> Self {
        self.multi_team = multi_team;
        self
    }

    /// How long a lookup may take, with all its sources, or `None` for as long as they take. Default:
    /// 30 s. [`Resolver::within`] says what happens then, and sets another limit for some lookups.
    #[must_use]
    pub fn total_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total_timeout = limit.into();
        self
    }

    /// Keeps answers, as `options` say. Default: each lookup asks the sources.
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn cache(mut self, options: super::CacheOptions) -> Self {
        self.cache = Some(options);
        self
    }

    /// Puts a [`Breaker`] around each source: one that is unavailable again and again is not asked for a
    /// short, growing time. Default: each lookup asks it.
    #[must_use]
    pub fn breakers(mut self, options: BreakerOptions) -> Self {
        self.breakers = Some(options);
        self
    }

    /// Tells `observer` what happens, after those already there.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Writes nothing about lookups to `tracing`. Default: a
    /// [`TracingObserver`](crate::observer::TracingObserver) does, with spans.
    #[must_use]
    pub fn without_tracing(mut self) -> Self {
        self.has_tracing = false;
        self
    }

    /// Tells the time by `now` in place of [`Instant::now`]: for tests that do not sleep.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// The settings that were ignored, for every report; they are logged already.
    pub(super) fn warnings(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Where the settings were read.
    pub(super) fn settings_from(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// The resolver. Logs the warnings of its sources.
    #[must_use]
    pub fn build(mut self) -> Resolver {
        if let Some(options) = &self.breakers {
            for link in &mut self.links {
                let backend = Arc::clone(&link.backend);
                let breaker = Breaker::by_clock(backend, options.clone(), self.clock.clone());
                link.backend = Arc::new(breaker);
            }
        }
        let no_teams = match (self.dialect, self.multi_team) {
            (Dialect::TaskSdk, _) => {
                Some("the worker side asks without a team: do not name one (RES-7)")
            }
            (Dialect::Core, false) => Some("it is off: turn it on, or ask without a team"),
            (Dialect::Core, true) => None,
        };
        let of_sources = self.links.iter().flat_map(|link| link.backend.warnings());
        let of_sources = Warning::logged(of_sources.cloned().collect());
        let warnings = self.warnings.into_iter().chain(of_sources);
        let mut sources = self.sources;
        sources.names = self
            .links
            .iter()
            .map(|link| Arc::clone(&link.name))
            .collect();
        Resolver {
            chain: Arc::new(Chain {
                warnings: warnings.collect(),
                config_link: self
                    .config_link
                    .and_then(|custom| self.links.get(custom).cloned()),
                links: self.links,
                no_teams,
                sources,
                connections: Desk::new(&self.cache, &self.clock),
                secrets: Desk::new(&self.cache, &self.clock),
                refusals: Refusals::default(),
                clock: self.clock,
                observers: Observers::new(self.has_tracing, self.observers),
            }),
            options: LookupOptions::new().with_dialect(self.dialect),
            strict: false,
            limit: self.total_timeout,
            refreshed: false,
        }
    }
}

impl Default for ResolverBuilder {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            config_link: None,
            dialect: Dialect::default(),
            multi_team: false,
            warnings: Vec::new(),
            sources: Sources::default(),
            total_timeout: Some(TOTAL_TIMEOUT),
            breakers: None,
            clock: Clock::default(),
            has_tracing: true,
            observers: Vec::new(),
            cache: cache::Setup::default(),
        }
    }
}
