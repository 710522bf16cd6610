//! A breaker around a source: while the source is unavailable, it is left in peace and costs nothing.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{Changes, CheckOutcome, FailureKind, LookupOptions, async_trait, deadline},
    clock::Clock,
    config::Warning,
    observer::{BreakerEvent, BreakerState, Current, Observer as _},
    report::Asked,
};

/// When a [`Breaker`] leaves its source in peace, and for how long.
///
/// | option | default |
/// |---|---|
/// | [`with_failures`](Self::with_failures) | 5 |
/// | [`with_window`](Self::with_window) | 30 s |
/// | [`with_first_pause`](Self::with_first_pause) | 1 s |
/// | [`with_longest_pause`](Self::with_longest_pause) | 30 s |
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BreakerOptions {
    failures: u32,
    window: Duration,
    first_pause: Duration,
    longest_pause: Duration,
}

impl BreakerOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// After how many lookups in a row that found the source unavailable it is not asked for a while.
    /// At least 1.
    #[must_use]
    pub fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// Within what time these lookups must have ended. Of others the count begins anew.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// For how long the source is not asked at first. Each pause that follows without an answer between
    /// is twice as long.
    #[must_use]
    pub fn with_first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// For how long the source is not asked at most, also where it asks for a longer time itself
    /// (`Retry-After`).
    #[must_use]
    pub fn with_longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// The pause that follows `last`.
    fn pause_after(&self, last: Option<Duration>, failure: &Failure) -> Duration {
        let pause = last.map_or(self.first_pause, |last| last.saturating_mul(2));
        let wanted = failure.retry_after().unwrap_or_default();
        pause.max(wanted).min(self.longest_pause)
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(30),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Asks a backend, and leaves it in peace for a short, growing time after several lookups in a row
/// found it *unavailable*. Then one lookup tries it again; the others wait for what comes of that.
///
/// - A lookup in a pause is *unavailable* at once. Its failure says for how long still, and why; its
///   [`retry_after`](Failure::retry_after) is that time.
/// - Any other answer ends the count and the pause: found, missing, a denial, an invalid value. A lookup
///   that does not reach the source counts for nothing: one that is skipped, or that a setting makes
///   fail.
/// - One that does not end before its deadline counts as unavailable; one that its caller gives up
///   before counts for nothing.
/// - A batch is one lookup, and unavailable if none of its ids got another answer.
///
/// [`ResolverBuilder::breakers`](crate::ResolverBuilder::breakers) and
/// [`FromEnvironment::breakers`](crate::FromEnvironment::breakers) put one around each source.
///
/// ```
/// use airflow_secrets::{
///     Failure, Resolver,
///     backends::{
///         breaker::{Breaker, BreakerOptions},
///         memory::MemoryBackend,
///     },
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let vault = MemoryBackend::new("vault");
/// vault.go_down(Failure::unavailable("the plug was pulled"));
/// let breaker = Breaker::new(vault, BreakerOptions::new().with_failures(2));
/// let resolver = Resolver::builder().backend(breaker).build();
/// for _ in 0..2 {
///     resolver.get_variable("colour").await.unwrap_err();
/// }
/// let error = resolver.get_variable("colour").await.unwrap_err();
/// assert!(error.to_string().ends_with(
///     "unavailable 2 times in a row, most recently because: the plug was pulled"
/// ));
/// # }
/// ```
#[derive(Debug)]
pub struct Breaker<B> {
    backend: B,
    options: BreakerOptions,
    clock: Clock,
    state: Mutex<Circuit>,
}

#[derive(Debug, Default)]
struct Circuit {
    /// How many lookups in a row found the source unavailable, and when the first of them ended.
    failures: u32,
    since: Option<Instant>,
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
    /// Whether a lookup tries the source again.
    is_tried: bool,
    why: Failure,
}

/// What a lookup shows of its source.
enum Evidence {
    Answered,
    Unavailable(Failure),
    /// The source was not asked.
    Nothing,
}

impl<B> Breaker<B> {
    /// A breaker around `backend`.
    #[must_use]
    pub fn new(backend: B, options: BreakerOptions) -> Self {
        Self::by_clock(backend, options, Clock::default())
    }

    /// Tells the time by `now` in place of [`Instant::now`]: for tests that do not sleep.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    pub(crate) fn by_clock(backend: B, options: BreakerOptions, clock: Clock) -> Self {
        Self {
            backend,
            options,
            clock,
            state: Mutex::default(),
        }
    }

    async fn ask<T, F>(
        &self,
        options: &LookupOptions,
        asking: impl FnOnce() -> F,
    ) -> Result<Lookup<T>, Failure>
    where
        F: Future<Output = Result<Lookup<T>, Failure>>,
    {
        let passage = self.pass(options)?;
        let answer = asking().await;
        passage.end(Evidence::of(std::slice::from_ref(&answer)));
        answer
    }

    async fn ask_many<T, F>(
        &self,
        ids: &[&str],
        options: &LookupOptions,
        asking: impl FnOnce() -> F,
    ) -> Vec<Result<Lookup<T>, Failure>>
    where
        F: Future<Output = Vec<Result<Lookup<T>, Failure>>>,
    {
        let passage = match self.pass(options) {
            Ok(passage) => passage,
            Err(failure) => return ids.iter().map(|_| Err(failure.clone())).collect(),
        };
        let answers = asking().await;
        passage.end(Evidence::of(&answers));
        answers
    }

    /// Lets a lookup pass, or says why not.
    fn pass(&self, options: &LookupOptions) -> Result<Passage<'_, B>, Failure> {
        let current = Current::get();
        let mut state = self.state();
        let before = state.seen();
        let failures = state.failures;
        let is_trial = match &mut state.pause {
            None => false,
            Some(pause) => {
                let left = pause.until.saturating_duration_since(self.clock.now());
                if pause.is_tried || !left.is_zero() {
                    return Err(pause.refusal(left, failures));
                }
                pause.is_tried = true;
                true
            }
        };
        let after = state.seen();
        drop(state);
        tell(current.as_ref(), before, after);
        Ok(Passage {
            breaker: self,
            current,
            is_trial,
            deadline: options.deadline(),
            has_ended: false,
        })
    }

    fn settle(&self, evidence: Evidence, is_trial: bool, current: Option<&Current>) {
        let mut state = self.state();
        let before = state.seen();
        match evidence {
            Evidence::Answered => *state = Circuit::default(),
            Evidence::Unavailable(failure) => {
                // What began before a pause says nothing new.
                if is_trial || state.pause.is_none() {
                    self.count(&mut state, failure);
                }
            }
            Evidence::Nothing => {
                if let Some(pause) = state.pause.as_mut().filter(|_| is_trial) {
                    pause.is_tried = false;
                }
            }
        }
        let after = state.seen();
        drop(state);
        tell(current, before, after);
    }

    fn count(&self, state: &mut Circuit, failure: Failure) {
        let now = self.clock.now();
        let last = state.pause.take().map(|pause| pause.length);
        let is_old = |since: Instant| now.saturating_duration_since(since) > self.options.window;
        if last.is_none() && state.since.is_none_or(is_old) {
            (state.failures, state.since) = (0, Some(now));
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < self.options.failures {
            return;
        }
        let length = self.options.pause_after(last, &failure);
        state.pause = now.checked_add(length).map(|until| Pause {
            length,
            until,
            is_tried: false,
            why: failure,
        });
    }

    fn state(&self) -> MutexGuard<'_, Circuit> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuit {
    /// As it is seen from outside.
    fn seen(&self) -> BreakerState {
        match &self.pause {
            None => BreakerState::Closed,
            Some(pause) if pause.is_tried => BreakerState::Trial,
            Some(_) => BreakerState::Open,
        }
    }
}

/// Tells the observers, if there are any and something changed.
fn tell(observed: Option<&Current>, before: BreakerState, state: BreakerState) {
    if let Some(Current { backend, observers }) = observed.filter(|_| before != state) {
        observers.breaker(&BreakerEvent {
            backend,
            before,
            state,
        });
    }
}

impl Pause {
    fn refusal(&self, left: Duration, failures: u32) -> Failure {
        let until = if left.is_zero() {
            "while another lookup tries it".to_owned()
        } else {
            format!("for another {:.1} s", left.as_secs_f64())
        };
        let failure = Failure::unavailable(format!(
            "not asked {until}: it was unavailable {failures} times in a row, most recently because: \
             {}",
            self.why
        ));
        if left.is_zero() {
            failure
        } else {
            failure.with_retry_after(left)
        }
    }
}

impl Evidence {
    fn of<T>(answers: &[Result<Lookup<T>, Failure>]) -> Self {
        let mut evidence = Self::Nothing;
        for answer in answers {
            match answer {
                Ok(Lookup::Skipped { .. }) => {}
                Ok(_) => return Self::Answered,
                Err(failure) => match Self::of_failure(failure) {
                    Self::Answered => return Self::Answered,
                    Self::Nothing => {}
                    unavailable @ Self::Unavailable(_) => evidence = unavailable,
                },
            }
        }
        evidence
    }

    fn of_failure(failure: &Failure) -> Self {
        match failure.kind() {
            FailureKind::Configuration => Self::Nothing,
            FailureKind::Unavailable => Self::Unavailable(failure.clone()),
            _ => Self::Answered,
        }
    }
}

/// A lookup on its way. It may be dropped at any time.
struct Passage<'a, B> {
    breaker: &'a Breaker<B>,
    /// Who observes it: they are told also where it is dropped.
    current: Option<Current>,
    is_trial: bool,
    deadline: Option<Instant>,
    has_ended: bool,
}

impl<B> Passage<'_, B> {
    fn end(mut self, evidence: Evidence) {
        self.has_ended = true;
        self.settle(evidence);
    }

    fn settle(&self, evidence: Evidence) {
        self.breaker
            .settle(evidence, self.is_trial, self.current.as_ref());
    }
}

impl<B> Drop for Passage<'_, B> {
    fn drop(&mut self) {
        if mem::replace(&mut self.has_ended, true) {
            return;
        }
        let now = self.breaker.clock.now();
        let is_late = self.deadline.is_some_and(|deadline| deadline <= now);
        let evidence = if is_late {
            Evidence::Unavailable(deadline::no_answer("the lookup's deadline"))
        } else {
            Evidence::Nothing
        };
        self.settle(evidence);
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: SecretsBackend> SecretsBackend for Breaker<B> {
    fn name(&self) -> &str {
        self.backend.name()
    }

    fn warnings(&self) -> &[Warning] {
        self.backend.warnings()
    }

    fn invalidate(&self) {
        self.backend.invalidate();
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.ask(options, || self.backend.get_conn_value(conn_id, options))
            .await
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        self.ask(options, || self.backend.get_connection(conn_id, options))
            .await
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.ask(options, || self.backend.get_variable(key, options))
            .await
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.ask(options, || self.backend.get_config(key, options))
            .await
    }

    fn changes(&self, asked: &Asked, options: &LookupOptions) -> Option<Changes> {
        self.backend.changes(asked, options)
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let passage = self.pass(options)?;
        let checked = self.backend.check(options).await;
        passage.end(match &checked {
            Ok(CheckOutcome::Skipped { .. }) => Evidence::Nothing,
            Ok(CheckOutcome::Reachable { .. }) => Evidence::Answered,
            Err(failure) => Evidence::of_failure(failure),
        });
        checked
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let asking = || self.backend.get_connections(conn_ids, options);
        self.ask_many(conn_ids, options, asking).await
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let asking = || self.backend.get_variables(keys, options);
        self.ask_many(keys, options, asking).await
    }

    async fn get_configs(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let asking = || self.backend.get_configs(keys, options);
        self.ask_many(keys, options, asking).await
    }
}
