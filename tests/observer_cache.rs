//! What the cache does is told: hits, misses, refreshes, stale answers.

#![allow(clippy::unwrap_used)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/observed.rs"]
mod observed;

use std::{sync::Arc, time::Duration};

use airflow_secrets::{CacheOptions, Failure, Resolver, backends::memory::MemoryBackend};
use clock::Clock;
use observed::Observed;

const SECOND: Duration = Duration::from_secs(1);

struct Kept {
    clock: Clock,
    source: Arc<MemoryBackend>,
    observed: Observed,
    resolver: Resolver,
}

fn kept() -> Kept {
    let (clock, observed) = (Clock::now(), Observed::default());
    let source = Arc::new(MemoryBackend::new("mine").with_variable("a", "m4rk3r"));
    let options = CacheOptions::new()
        .with_ttl(100 * SECOND)
        .with_stale_for(100 * SECOND);
    let resolver = Resolver::builder()
        .backend(Arc::clone(&source))
        .cache(options)
        .clock(clock.hands())
        .observer(observed.clone())
        .build();
    Kept {
        clock,
        source,
        observed,
        resolver,
    }
}

#[tokio::test]
async fn a_miss_and_a_hit_are_told() {
    let Kept {
        observed, resolver, ..
    } = kept();
    resolver.get_variable("a").await.unwrap();
    assert_eq!(
        observed.take(),
        [
            "variable a: cache miss",
            "variable a: began",
            "variable a: mine (variable a) found",
            "variable a: ended found mine: variable a",
        ]
    );
    resolver.get_variable("a").await.unwrap();
    assert_eq!(resolver.get_variables(["a"]).await.len(), 1);
    assert_eq!(observed.take(), ["variable a: cache hit"; 2]);
}

#[tokio::test]
async fn a_stale_answer_is_told_with_the_outage() {
    let Kept {
        clock,
        source,
        observed,
        resolver,
    } = kept();
    resolver.get_variable("a").await.unwrap();
    observed.take();
    clock.pass(150 * SECOND);
    source.go_down(Failure::unavailable("the plug was pulled"));
    resolver.get_variable("a").await.unwrap();
    assert_eq!(
        observed.take(),
        [
            "variable a: cache miss",
            "variable a: began",
            "variable a: cache stale",
            "variable a: mine (variable a) found: stale, 150 s old: the plug was pulled",
            "variable a: ended stale mine: variable a",
        ]
    );
}

#[tokio::test]
async fn a_refresh_in_the_background_is_told_once() {
    let Kept {
        clock,
        observed,
        resolver,
        ..
    } = kept();
    resolver.get_variable("a").await.unwrap();
    observed.take();
    // The time to live is up to a tenth shorter, and its last tenth is for the refresh.
    let mut age = 0;
    while !observed
        .take()
        .contains(&"variable a: cache refresh".to_owned())
    {
        assert!(age < 100, "no refresh before the end");
        age += 1;
        clock.pass(SECOND);
        resolver.get_variable("a").await.unwrap();
    }
    while observed
        .take()
        .iter()
        .all(|line| !line.contains("ended found"))
    {
        tokio::task::yield_now().await;
    }
    resolver.get_variable("a").await.unwrap();
    assert_eq!(observed.take(), ["variable a: cache hit"]);
}
