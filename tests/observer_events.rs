//! Observers are told what happens: each attempt, each end, each change of a breaker, and no value.

#![allow(clippy::unwrap_used)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/gated.rs"]
mod gated;
#[path = "support/observed.rs"]
mod observed;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use airflow_secrets::{
    Environment, Failure, Resolver,
    backends::{breaker::BreakerOptions, memory::MemoryBackend},
};
use clock::Clock;
use gated::Gated;
use observed::Observed;

fn awake_never() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[tokio::test]
async fn each_attempt_and_the_end_are_told_in_order_to_all_observers() {
    let (one, other) = (Observed::default(), Observed::default());
    let resolver = Resolver::builder()
        .custom_backend(MemoryBackend::new("first"))
        .backend(MemoryBackend::new("second").with_variable("colour", "m4rk3r"))
        .multi_team(true)
        .observer(one.clone())
        .observer(other.clone())
        .build();
    let team = resolver.for_team("sales").unwrap();
    team.get_variable("colour").await.unwrap();
    let found = [
        "variable colour of sales: began",
        "variable colour of sales: first (variable colour) missing",
        "variable colour of sales: second (variable colour) found",
        "variable colour of sales: ended found second: variable colour",
    ];
    assert_eq!(one.take(), found);
    assert_eq!(other.take(), found);
    resolver.get_config("sentry").await.unwrap_err();
    assert_eq!(
        one.take(),
        [
            "config sentry: began",
            "config sentry: first (config sentry) missing",
            "config sentry: ended not_found",
        ]
    );
}

#[tokio::test]
async fn each_of_many_ids_has_its_own_beginning_and_end() {
    let observed = Observed::default();
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine").with_variable("a", "1"))
        .observer(observed.clone())
        .build();
    let answers = resolver.get_variables(["a", "b", "a", ""]).await;
    assert_eq!(answers.len(), 4);
    assert_eq!(
        observed.take(),
        [
            "variable a: began",
            "variable b: began",
            "variable a: mine (variable a) found",
            "variable a: ended found mine: variable a",
            "variable b: mine (variable b) missing",
            "variable b: ended not_found",
        ]
    );
}

#[tokio::test]
async fn one_search_of_many_callers_is_told_once() {
    let observed = Observed::default();
    let gated = Arc::new(Gated::closed(
        MemoryBackend::new("mine").with_variable("a", "1"),
    ));
    let resolver = Resolver::builder()
        .backend(Arc::clone(&gated))
        .observer(observed.clone())
        .build();
    let asking = [(); 3].map(|()| resolver.get_variable("a"));
    let mut asking = pin!(futures_util::future::join_all(asking));
    assert!(asking.as_mut().poll(&mut awake_never()).is_pending());
    gated.open();
    assert_eq!(
        asking.await.iter().filter(|answer| answer.is_ok()).count(),
        3
    );
    assert_eq!(
        observed.take(),
        [
            "variable a: began",
            "variable a: mine (variable a) found",
            "variable a: ended found mine: variable a",
        ]
    );
}

#[test]
fn a_lookup_that_is_given_up_ends_too() {
    let observed = Observed::default();
    let gated = Gated::closed(MemoryBackend::new("mine"));
    let resolver = Resolver::builder()
        .backend(gated)
        .observer(observed.clone())
        .build();
    let mut asking = Box::pin(resolver.get_connection("pg"));
    assert!(asking.as_mut().poll(&mut awake_never()).is_pending());
    assert_eq!(observed.take(), ["connection pg: began"]);
    drop(asking);
    assert_eq!(observed.take(), ["connection pg: ended given_up"]);
}

#[tokio::test]
async fn a_breaker_tells_when_it_opens_tries_and_closes() {
    let (observed, clock) = (Observed::default(), Clock::now());
    let source = Arc::new(MemoryBackend::new("mine"));
    let resolver = Resolver::builder()
        .backend(Arc::clone(&source))
        .breakers(
            BreakerOptions::new()
                .with_failures(2)
                .with_first_pause(Duration::from_secs(1)),
        )
        .clock(clock.hands())
        .observer(observed.clone())
        .build();
    let told = async |times: u32| {
        for _ in 0..times {
            let _ = resolver.get_variable("a").await;
        }
        let mut told = observed.take();
        told.retain(|line| line.contains(" to "));
        told
    };
    source.go_down(Failure::unavailable("the plug was pulled"));
    assert_eq!(told(1).await, [""; 0]);
    assert_eq!(told(2).await, ["mine: closed to open"]);
    clock.pass(Duration::from_secs(1));
    assert_eq!(
        told(2).await,
        ["mine: open to trial", "mine: trial to open"]
    );
    source.come_back();
    clock.pass(Duration::from_secs(2));
    assert_eq!(
        told(2).await,
        ["mine: open to trial", "mine: trial to closed"]
    );
}

#[tokio::test]
async fn a_trial_that_is_given_up_is_told_to_the_observers_of_its_resolver() {
    let (observed, clock) = (Observed::default(), Clock::now());
    let gated = Arc::new(Gated::closed(MemoryBackend::new("mine")));
    let resolver = Resolver::builder()
        .backend(Arc::clone(&gated))
        .breakers(BreakerOptions::new().with_failures(1))
        .clock(clock.hands())
        .observer(observed.clone())
        .build();
    gated
        .held
        .go_down(Failure::unavailable("the plug was pulled"));
    gated.let_pass(1);
    resolver.get_variable("a").await.unwrap_err();
    clock.pass(Duration::from_secs(60));
    observed.take();
    let mut asking = Box::pin(resolver.get_variable("a"));
    assert!(asking.as_mut().poll(&mut awake_never()).is_pending());
    drop(asking);
    assert_eq!(
        observed.take(),
        [
            "variable a: began",
            "mine: open to trial",
            "mine: trial to open",
            "variable a: ended given_up",
        ]
    );
}

#[tokio::test]
async fn a_resolver_from_settings_tells_its_observers_too() {
    let observed = Observed::default();
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW_VAR_COLOUR", "m4rk3r"),
    ]);
    let resolver = Resolver::from_environment(environment)
        .observer(observed.clone())
        .build()
        .await
        .unwrap();
    resolver.get_variable("colour").await.unwrap();
    assert_eq!(
        observed.take(),
        [
            "variable colour: began",
            "variable colour: environment_variables (AIRFLOW_VAR_COLOUR) found",
            "variable colour: ended found environment_variables: AIRFLOW_VAR_COLOUR",
        ]
    );
}
