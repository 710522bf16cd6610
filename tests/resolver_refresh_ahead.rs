//! In the last part of its life an answer is asked for anew, by one, while all get the old one.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/gated.rs"]
mod gated;

use std::{sync::Arc, time::Duration};

use airflow_secrets::{
    CacheOptions, Failure, Resolver, backend::Freshness, backends::memory::MemoryBackend,
    report::Asked,
};
use clock::Clock;
use gated::Gated;
use tokio::task::yield_now;

const SECOND: Duration = Duration::from_secs(1);

struct Kept {
    clock: Clock,
    source: Arc<Gated>,
    resolver: Resolver,
}

/// An answer that is kept for 100 s, and asked for anew in the last 50 s.
async fn kept() -> Kept {
    let clock = Clock::now();
    let source = MemoryBackend::new("mine").with_variable("colour", "old");
    let source = Arc::new(Gated::closed(source));
    let options = CacheOptions::new()
        .with_ttl(100 * SECOND)
        .with_refresh_ahead(50 * SECOND);
    let resolver = Resolver::builder()
        .clock(clock.hands())
        .backend(Arc::clone(&source))
        .cache(options)
        .build();
    source.let_pass(1);
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "old"
    );
    source.held.set_variable("colour", "new");
    Kept {
        clock,
        source,
        resolver,
    }
}

async fn variable(resolver: &Resolver) -> (String, Freshness) {
    let answer = resolver.get_variable("colour").await.unwrap();
    (answer.expose().to_owned(), answer.freshness().clone())
}

fn cached(value: &str, seconds: u32) -> (String, Freshness) {
    (value.to_owned(), Freshness::cached(seconds * SECOND))
}

/// Lets what runs in the background go as far as it can.
async fn rest() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test]
async fn one_asks_anew_while_all_get_the_old_answer() {
    let Kept {
        clock,
        source,
        resolver,
    } = kept().await;
    clock.pass(39 * SECOND);
    assert_eq!(variable(&resolver).await, cached("old", 39));
    rest().await;
    assert_eq!(source.held.lookups(), 1, "it is not time yet");
    clock.pass(12 * SECOND);
    for _ in 0..100 {
        assert_eq!(variable(&resolver).await, cached("old", 51));
        rest().await;
    }
    assert_eq!(source.held.lookups(), 2);
    source.let_pass(1);
    rest().await;
    assert_eq!(variable(&resolver).await, cached("new", 0));
    clock.pass(30 * SECOND);
    assert_eq!(variable(&resolver).await, cached("new", 30));
    assert_eq!(source.held.lookups(), 2);
}

#[tokio::test]
async fn where_that_fails_the_old_answer_stays_for_its_time_and_is_not_asked_for_again() {
    let Kept {
        clock,
        source,
        resolver,
    } = kept().await;
    source.open();
    source
        .held
        .go_down(Failure::unavailable("the plug was pulled"));
    clock.pass(51 * SECOND);
    for _ in 0..3 {
        assert_eq!(variable(&resolver).await, cached("old", 51));
        rest().await;
    }
    assert_eq!(source.held.lookups(), 2);
    clock.pass(49 * SECOND);
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
}

#[tokio::test]
async fn what_is_gone_by_then_is_not_found_afterwards() {
    let Kept {
        clock,
        source,
        resolver,
    } = kept().await;
    source.open();
    source.held.remove(&Asked::Variable("colour".into()));
    clock.pass(51 * SECOND);
    assert_eq!(variable(&resolver).await, cached("old", 51));
    rest().await;
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "not_found");
}

#[tokio::test]
async fn what_is_invalidated_meanwhile_is_not_kept() {
    let Kept {
        clock,
        source,
        resolver,
    } = kept().await;
    clock.pass(51 * SECOND);
    assert_eq!(variable(&resolver).await, cached("old", 51));
    rest().await;
    resolver.invalidate_all();
    source.held.set_variable("colour", "newest");
    source.open();
    rest().await;
    assert_eq!(
        variable(&resolver).await,
        ("newest".to_owned(), Freshness::Live)
    );
}

#[test]
fn outside_a_runtime_the_old_answer_is_given_until_its_end() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let Kept {
        clock,
        source,
        resolver,
    } = runtime.block_on(kept());
    source.open();
    clock.pass(51 * SECOND);
    let ask = || futures_executor::block_on(variable(&resolver));
    assert_eq!(ask(), cached("old", 51));
    assert_eq!(source.held.lookups(), 1);
    clock.pass(49 * SECOND);
    assert_eq!(ask(), ("new".to_owned(), Freshness::Live));
}
