//! A source that is unavailable again and again is left in peace, for a short, growing time.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/gated.rs"]
mod gated;

use std::{
    future::pending,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use airflow_secrets::{
    Environment, Failure, Lookup, Resolver, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions, SkipReason, async_trait},
    backends::{
        breaker::{Breaker, BreakerOptions},
        memory::MemoryBackend,
    },
    report::Asked,
};
use clock::Clock;
use gated::Gated;

const SECOND: Duration = Duration::from_secs(1);

/// Three lookups within 10 s; pauses of 1 s to 8 s.
fn options() -> BreakerOptions {
    BreakerOptions::new()
        .with_failures(3)
        .with_window(10 * SECOND)
        .with_first_pause(SECOND)
        .with_longest_pause(8 * SECOND)
}

fn source() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new("mine").with_variable("colour", "blue"))
}

fn around<B: SecretsBackend>(backend: B) -> (Clock, Breaker<B>) {
    let clock = Clock::now();
    let breaker = Breaker::new(backend, options()).with_clock(clock.hands());
    (clock, breaker)
}

fn down() -> Failure {
    Failure::unavailable("the plug was pulled")
}

async fn ask(breaker: &impl SecretsBackend) -> Result<Lookup<Secret>, Failure> {
    breaker.get_variable("colour", &LookupOptions::new()).await
}

fn blue() -> Lookup<Secret> {
    Lookup::found("blue".into(), "variable colour")
}

/// A breaker whose source was found unavailable three times in a row.
async fn tripped() -> (Clock, Arc<MemoryBackend>, Breaker<Arc<MemoryBackend>>) {
    let source = source();
    let (clock, breaker) = around(Arc::clone(&source));
    source.go_down(down());
    for _ in 0..3 {
        assert_eq!(ask(&breaker).await, Err(down().at("variable colour")));
    }
    (clock, source, breaker)
}

#[tokio::test]
async fn in_a_pause_the_source_is_not_asked_and_the_failure_says_for_how_long_and_why() {
    let (clock, source, breaker) = tripped().await;
    clock.pass(SECOND / 4);
    let refusal = Failure::unavailable(
        "not asked for another 0.8 s: it was unavailable 3 times in a row, most recently because: \
         the plug was pulled",
    )
    .with_retry_after(Duration::from_millis(750));
    assert_eq!(ask(&breaker).await, Err(refusal.clone()));
    assert!(refusal.is_transient());
    let options = LookupOptions::new();
    let [first, second] = breaker
        .get_connections(&["a", "b"], &options)
        .await
        .try_into()
        .unwrap();
    assert_eq!(
        (first.unwrap_err(), second.unwrap_err()),
        (refusal.clone(), refusal)
    );
    assert_eq!(source.lookups(), 3);
}

#[tokio::test]
async fn a_thousand_lookups_a_second_are_one_trial_for_each_pause() {
    let (clock, source, breaker) = tripped().await;
    for _ in 0..31_000 {
        clock.pass(SECOND / 1000);
        assert!(ask(&breaker).await.is_err());
    }
    // After pauses of 1, 2, 4, 8, 8 and 8 s.
    assert_eq!(source.lookups(), 3 + 6);
}

#[tokio::test]
async fn an_answer_to_the_trial_ends_the_pause_and_the_next_begins_short_again() {
    let (clock, source, breaker) = tripped().await;
    for pause in [1, 2] {
        clock.pass(pause * SECOND);
        assert_eq!(ask(&breaker).await, Err(down().at("variable colour")));
        assert_ne!(ask(&breaker).await, Err(down().at("variable colour")));
    }
    source.come_back();
    clock.pass(4 * SECOND);
    for _ in 0..2 {
        assert_eq!(ask(&breaker).await, Ok(blue()));
    }
    source.go_down(down());
    for _ in 0..3 {
        assert_eq!(ask(&breaker).await, Err(down().at("variable colour")));
    }
    let refusal = ask(&breaker).await.unwrap_err();
    assert_eq!(refusal.retry_after(), Some(SECOND));
}

#[tokio::test]
async fn what_is_no_outage_never_trips_it_and_ends_the_count() {
    let source = source();
    let (_, breaker) = around(Arc::clone(&source));
    let kinds = [
        FailureKind::AccessDenied,
        FailureKind::FinalDenial,
        FailureKind::InvalidValue,
        FailureKind::Configuration,
    ];
    for kind in kinds {
        source.go_down(Failure::new(kind, "no"));
        for _ in 0..10 {
            assert_eq!(ask(&breaker).await.unwrap_err().kind(), kind);
        }
    }
    for _ in 0..10 {
        source.go_down(down());
        for _ in 0..2 {
            assert_eq!(ask(&breaker).await, Err(down().at("variable colour")));
        }
        source.come_back();
        source.remove(&Asked::Variable("colour".into()));
        assert_eq!(ask(&breaker).await, Ok(Lookup::missing("variable colour")));
    }
}

/// Skips every second lookup; is down for the others.
#[derive(Debug)]
struct SkippingOrDown(MemoryBackend);

#[async_trait]
impl SecretsBackend for SkippingOrDown {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let _ = self.0.get_variable(key, options).await;
        if self.0.lookups().is_multiple_of(2) {
            return Ok(Lookup::skipped(SkipReason::Pattern));
        }
        Err(down())
    }
}

#[tokio::test]
async fn a_lookup_that_does_not_reach_the_source_counts_for_nothing() {
    let (_, breaker) = around(SkippingOrDown(MemoryBackend::new("mine")));
    for is_skipped in [false, true, false, true, false] {
        assert_eq!(ask(&breaker).await.is_ok(), is_skipped);
    }
    assert_eq!(ask(&breaker).await.unwrap_err().retry_after(), Some(SECOND));
}

#[tokio::test]
async fn failures_that_lie_far_apart_do_not_trip_it() {
    let source = source();
    let (clock, breaker) = around(Arc::clone(&source));
    source.go_down(down());
    for _ in 0..10 {
        assert_eq!(ask(&breaker).await, Err(down().at("variable colour")));
        clock.pass(6 * SECOND);
    }
}

#[tokio::test]
async fn the_pause_is_as_long_as_the_source_asks_for_but_no_longer_than_the_longest() {
    for (wanted, pause) in [(3, 3), (600, 8)] {
        let source = source();
        let (_, breaker) = around(Arc::clone(&source));
        source.go_down(down().with_retry_after(wanted * SECOND));
        for _ in 0..3 {
            assert!(ask(&breaker).await.is_err());
        }
        let refusal = ask(&breaker).await.unwrap_err();
        assert_eq!(refusal.retry_after(), Some(pause * SECOND));
    }
}

#[tokio::test]
async fn one_lookup_tries_while_the_others_are_told_so_and_a_trial_given_up_is_none() {
    let source = Arc::new(Gated::closed(
        MemoryBackend::new("mine").with_variable("colour", "blue"),
    ));
    let (clock, breaker) = around(Arc::clone(&source));
    source.held.go_down(down());
    source.let_pass(3);
    for _ in 0..3 {
        assert!(ask(&breaker).await.is_err());
    }
    source.held.come_back();
    clock.pass(SECOND);
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut trial = pin!(ask(&breaker));
        assert!(trial.as_mut().poll(&mut context).is_pending());
        assert_eq!(
            ask(&breaker).await,
            Err(Failure::unavailable(
                "not asked while another lookup tries it: it was unavailable 3 times in a row, most \
                 recently because: the plug was pulled"
            ))
        );
    }
    source.open();
    assert_eq!(ask(&breaker).await, Ok(blue()));
    assert_eq!(source.held.lookups(), 5);
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl SecretsBackend for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    async fn get_variable(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        pending().await
    }
}

#[tokio::test]
async fn a_lookup_that_is_dropped_at_its_deadline_counts_and_one_that_is_given_up_does_not() {
    let (clock, breaker) = around(Silent);
    let mut context = Context::from_waker(Waker::noop());
    let mut asks_for = |wait: Duration, limit: Duration| {
        let deadline = clock.hands()() + limit;
        let options = LookupOptions::new().with_deadline(deadline);
        let mut asking = pin!(breaker.get_variable("colour", &options));
        let is_pending = asking.as_mut().poll(&mut context).is_pending();
        clock.pass(wait);
        is_pending
    };
    for _ in 0..10 {
        assert!(asks_for(SECOND, 2 * SECOND));
    }
    for _ in 0..3 {
        assert!(asks_for(2 * SECOND, 2 * SECOND));
    }
    let refusal = ask(&breaker).await.unwrap_err();
    assert_eq!(
        refusal.message(),
        "not asked for another 1.0 s: it was unavailable 3 times in a row, most recently because: no \
         answer before the lookup's deadline passed"
    );
}

#[tokio::test]
async fn a_batch_is_one_lookup_and_one_answer_in_it_is_enough() {
    let failing = |key: &str| (Asked::Variable(key.into()), down());
    let (asked, failure) = failing("broken");
    let source = Arc::new(
        MemoryBackend::new("mine")
            .with_variable("colour", "blue")
            .with_failure(asked, failure),
    );
    let (_, breaker) = around(Arc::clone(&source));
    let options = LookupOptions::new();
    for _ in 0..10 {
        let batch = breaker.get_variables(&["broken", "colour"], &options).await;
        assert_eq!(batch, [Err(down().at("variable broken")), Ok(blue())]);
    }
    for _ in 0..3 {
        let batch = breaker.get_variables(&["broken", "broken"], &options).await;
        assert_eq!(batch.len(), 2);
    }
    let refusal = ask(&breaker).await.unwrap_err();
    assert_eq!(refusal.retry_after(), Some(SECOND));
}

#[tokio::test]
async fn a_resolver_puts_one_around_each_source() {
    let clock = Clock::now();
    let [first, second] = ["first", "second"].map(|name| Arc::new(MemoryBackend::new(name)));
    let resolver = Resolver::builder()
        .clock(clock.hands())
        .custom_backend(Arc::clone(&first))
        .backend(Arc::clone(&second))
        .breakers(options())
        .build();
    second.set_variable("colour", "blue");
    first.go_down(down());
    for _ in 0..10 {
        assert_eq!(
            resolver.get_variable("colour").await.unwrap().expose(),
            "blue"
        );
    }
    assert_eq!((first.lookups(), second.lookups()), (3, 10));
    let error = resolver.get_config("colour").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("first unavailable: not asked for another 1.0 s"),
        "{error}"
    );
    clock.pass(SECOND);
    first.come_back();
    first.set_variable("colour", "red");
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "red"
    );
}

#[tokio::test]
async fn a_resolver_from_settings_does_too() {
    let source = source();
    source.go_down(down());
    let resolver =
        Resolver::from_environment(Environment::from_iter([("AIRFLOW_HOME", "/nowhere")]))
            .then(Arc::clone(&source))
            .breakers(options())
            .build()
            .await
            .unwrap();
    for _ in 0..10 {
        let error = resolver.get_variable("colour").await.unwrap_err();
        assert_eq!(error.kind().as_str(), "unavailable");
    }
    assert_eq!(source.lookups(), 3);
}
