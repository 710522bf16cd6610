//! A lookup has a time limit: past it no further source is asked, and the report says so.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/clock.rs"]
mod clock;

use std::{sync::Arc, time::Duration};

use airflow_secrets::{
    Environment, Error, Failure, Lookup, Resolver, ResolverBuilder, Secret, SecretsBackend,
    backend::{LookupOptions, async_trait},
    backends::memory::MemoryBackend,
};
use clock::Clock;

const SECOND: Duration = Duration::from_secs(1);

/// Takes its time for each answer, on the test's clock.
#[derive(Debug)]
struct Slow {
    held: MemoryBackend,
    clock: Clock,
    takes: Duration,
}

impl Slow {
    fn new(name: &str, clock: &Clock, seconds: u32) -> Self {
        Self {
            held: MemoryBackend::new(name),
            clock: clock.clone(),
            takes: seconds * SECOND,
        }
    }
}

#[async_trait]
impl SecretsBackend for Slow {
    fn name(&self) -> &str {
        self.held.name()
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.clock.pass(self.takes);
        self.held.get_variable(key, options).await
    }
}

/// Two sources that take some time, and one that answers at once.
fn chain(clock: &Clock, first: u32, second: u32) -> (Arc<MemoryBackend>, ResolverBuilder) {
    let last = MemoryBackend::new("last").with_variable("colour", "blue");
    let last = Arc::new(last);
    let builder = Resolver::builder()
        .clock(clock.hands())
        .backend(Slow::new("first", clock, first))
        .backend(Slow::new("second", clock, second))
        .backend(Arc::clone(&last));
    (last, builder)
}

fn report(error: &Error) -> String {
    error.report().unwrap().to_string()
}

const TOO_LATE: &str = "first (variable colour) missing; second (variable colour) missing; \
    last unavailable: not asked: the lookup's time limit of 3 s had passed before";

#[tokio::test]
async fn past_the_limit_no_further_source_is_asked_and_the_report_says_so() {
    let clock = Clock::now();
    let (last, builder) = chain(&clock, 2, 1);
    let resolver = builder.build().within(3 * SECOND);
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
    assert_eq!(report(&error), TOO_LATE);
    let many = resolver.get_variables(["colour"]).await;
    let [error] = many.try_into().unwrap();
    assert_eq!(report(&error.unwrap_err()), TOO_LATE);
    assert_eq!(last.lookups(), 0);
}

#[tokio::test]
async fn a_lookup_that_ends_in_time_is_as_without_a_limit() {
    let clock = Clock::now();
    let (_, builder) = chain(&clock, 1, 1);
    let resolver = builder.build().within(3 * SECOND);
    for _ in 0..2 {
        let colour = resolver.get_variable("colour").await.unwrap();
        assert_eq!(colour.expose(), "blue");
    }
}

#[tokio::test]
async fn the_whole_lookup_has_30_seconds_unless_the_owner_says_otherwise() {
    let clock = Clock::now();
    let error = chain(&clock, 15, 15).1.build().get_variable("colour").await;
    assert!(report(&error.unwrap_err()).ends_with("limit of 30 s had passed before"));
    assert!(
        chain(&clock, 15, 14)
            .1
            .build()
            .get_variable("colour")
            .await
            .is_ok()
    );

    let ten = chain(&clock, 5, 5).1.total_timeout(10 * SECOND).build();
    let error = ten.get_variable("colour").await.unwrap_err();
    assert!(report(&error).ends_with("limit of 10 s had passed before"));
    let longer = ten.within(11 * SECOND).get_variable("colour").await;
    assert_eq!(longer.unwrap().expose(), "blue");

    let unlimited = chain(&clock, 500, 500).1.total_timeout(None).build();
    assert!(unlimited.get_variable("colour").await.is_ok());
    let endless = unlimited.within(Duration::MAX).get_variable("colour").await;
    assert_eq!(endless.unwrap().expose(), "blue");
}

#[tokio::test]
async fn a_resolver_from_settings_takes_the_limit_too() {
    let settings = Environment::from_iter([("AIRFLOW_HOME", "/nowhere"), ("AIRFLOW_VAR_A", "1")]);
    let resolver = Resolver::from_environment(settings)
        .total_timeout(Duration::ZERO)
        .build()
        .await
        .unwrap();
    let error = resolver.get_variable("a").await.unwrap_err();
    let not_asked = "not asked: the lookup's time limit of 0 s had passed before";
    assert_eq!(
        report(&error),
        format!(
            "environment_variables unavailable: {not_asked}; metastore unavailable: {not_asked}"
        )
    );
}

/// Says what deadline it was asked with.
#[derive(Debug)]
struct Telling(Clock);

#[async_trait]
impl SecretsBackend for Telling {
    fn name(&self) -> &'static str {
        "telling"
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let left = options
            .deadline()
            .map(|deadline| deadline - (self.0.hands())());
        Ok(Lookup::found(format!("{left:?}").into(), key))
    }
}

#[tokio::test]
async fn a_backend_is_told_the_deadline() {
    let clock = Clock::now();
    let resolver = Resolver::builder()
        .clock(clock.hands())
        .backend(Telling(clock))
        .build();
    let told = resolver.get_variable("left").await.unwrap();
    assert_eq!(told.expose(), "Some(30s)");
    let limited = resolver.within(2 * SECOND);
    assert_eq!(
        limited.get_variable("left").await.unwrap().expose(),
        "Some(2s)"
    );
    let batch = limited.get_variables(["left"]).await;
    assert_eq!(
        batch.first().unwrap().as_ref().unwrap().expose(),
        "Some(2s)"
    );
}
