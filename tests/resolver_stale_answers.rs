//! While a source is unavailable, its last answer is given, where the owner allows it: marked, for a
//! time, and before any lower source's.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/clock.rs"]
mod clock;

use std::{sync::Arc, time::Duration};

use airflow_secrets::{
    CacheOptions, Error, Failure, Resolved, Resolver, Secret,
    backend::{FailureKind, Freshness},
    backends::memory::MemoryBackend,
    report::Asked,
};
use clock::Clock;

const SECOND: Duration = Duration::from_secs(1);

struct Kept {
    clock: Clock,
    first: Arc<MemoryBackend>,
    second: Arc<MemoryBackend>,
    resolver: Resolver,
}

/// Two sources, of the same name, behind a cache of 100 s that gives answers for 1000 s more. The first
/// one's answer was kept and has expired.
async fn expired() -> Kept {
    let clock = Clock::now();
    let [first, second] = ["mine", "mine"].map(|name| Arc::new(MemoryBackend::new(name)));
    let options = CacheOptions::new()
        .with_ttl(100 * SECOND)
        .with_stale_for(1000 * SECOND);
    let resolver = Resolver::builder()
        .clock(clock.hands())
        .backend(Arc::clone(&first))
        .backend(Arc::clone(&second))
        .cache(options)
        .build();
    first.set_variable("colour", "blue");
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    clock.pass(200 * SECOND);
    Kept {
        clock,
        first,
        second,
        resolver,
    }
}

fn down() -> Failure {
    Failure::unavailable("the plug was pulled")
}

fn stale(seconds: u32) -> Freshness {
    Freshness::stale(seconds * SECOND, down().at("variable colour"))
}

fn seen(answer: Result<Resolved<Secret>, Error>) -> (String, Freshness, String) {
    let answer = answer.unwrap();
    (
        answer.expose().to_owned(),
        answer.freshness().clone(),
        answer.report().to_string(),
    )
}

#[tokio::test]
async fn the_last_answer_is_given_and_the_report_says_why() {
    let Kept {
        first,
        second,
        resolver,
        ..
    } = expired().await;
    first.go_down(down());
    second.set_variable("colour", "red");
    let expected = (
        "blue".to_owned(),
        stale(200),
        "mine (variable colour) found: stale, 200 s old: the plug was pulled".to_owned(),
    );
    assert_eq!(seen(resolver.get_variable("colour").await), expected);
    let batch = resolver.get_variables(["colour"]).await;
    assert_eq!(seen(batch.into_iter().next().unwrap()), expected);
    assert_eq!((first.lookups(), second.lookups()), (3, 0));
    let source = resolver
        .get_variable("colour")
        .await
        .unwrap()
        .source()
        .to_string();
    assert_eq!(source, "mine: variable colour");
}

#[tokio::test]
async fn it_is_given_for_its_time_and_no_longer() {
    let Kept {
        clock,
        first,
        resolver,
        ..
    } = expired().await;
    first.go_down(down());
    // It expired after 90 s to 100 s.
    clock.pass(889 * SECOND);
    let (value, freshness, _) = seen(resolver.get_variable("colour").await);
    assert_eq!((value.as_str(), freshness), ("blue", stale(1089)));
    clock.pass(11 * SECOND);
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
    first.come_back();
    first.set_variable("colour", "green");
    let (value, freshness, _) = seen(resolver.get_variable("colour").await);
    assert_eq!((value.as_str(), freshness), ("green", Freshness::Live));
}

#[tokio::test]
async fn what_the_source_says_counts_and_its_last_answer_is_gone_for_good() {
    let others = [
        FailureKind::AccessDenied,
        FailureKind::FinalDenial,
        FailureKind::InvalidValue,
        FailureKind::Configuration,
    ];
    for kind in others {
        let Kept {
            first, resolver, ..
        } = expired().await;
        for failure in [Failure::new(kind, "no"), down()] {
            first.go_down(failure.clone());
            let error = resolver.get_variable("colour").await.unwrap_err();
            let decided = error.failure().map(Failure::message);
            assert_eq!(decided, Some(failure.message()), "{kind:?}");
        }
    }
    let Kept {
        first,
        second,
        resolver,
        ..
    } = expired().await;
    first.remove(&Asked::Variable("colour".into()));
    second.go_down(down());
    assert!(resolver.get_variable("colour").await.is_err());
    first.go_down(down());
    assert!(resolver.get_variable("colour").await.is_err());
}

#[tokio::test]
async fn the_last_answer_of_a_lower_source_is_given_only_when_that_is_unavailable() {
    let Kept {
        clock,
        first,
        second,
        resolver,
    } = expired().await;
    second.set_variable("shape", "round");
    assert_eq!(seen(resolver.get_variable("shape").await).0, "round");
    clock.pass(200 * SECOND);
    first.go_down(down());
    second.set_variable("shape", "square");
    let (value, freshness, _) = seen(resolver.get_variable("shape").await);
    assert_eq!((value.as_str(), freshness), ("square", Freshness::Live));
    second.go_down(down());
    let (value, _, report) = seen(resolver.get_variable("shape").await);
    assert_eq!(value, "round");
    assert_eq!(
        report,
        "mine (variable shape) unavailable: the plug was pulled; \
         mine (variable shape) found: stale, 200 s old: the plug was pulled"
    );
}

#[tokio::test]
async fn a_deadline_that_passes_is_an_outage_too() {
    let Kept {
        first, resolver, ..
    } = expired().await;
    let answer = resolver.within(Duration::ZERO).get_variable("colour").await;
    let (value, freshness, report) = seen(answer);
    assert_eq!(value, "blue");
    assert_eq!(freshness.age(), Some(200 * SECOND));
    let why = "not asked: the lookup's time limit of 0 s had passed before";
    assert_eq!(report, format!("mine found: stale, 200 s old: {why}"));
    assert_eq!(first.lookups(), 1);
}

#[tokio::test]
async fn who_asks_strictly_or_anew_gets_the_error() {
    let Kept {
        first, resolver, ..
    } = expired().await;
    first.go_down(down());
    for handle in [resolver.strict(), resolver.refreshed()] {
        let error = handle.get_variable("colour").await.unwrap_err();
        assert_eq!(error.kind().as_str(), "unavailable");
    }
    resolver.invalidate_all();
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
}

#[tokio::test]
async fn without_the_option_no_answer_is_given_after_its_time() {
    let clock = Clock::now();
    let source = Arc::new(MemoryBackend::new("mine").with_variable("colour", "blue"));
    let resolver = Resolver::builder()
        .clock(clock.hands())
        .backend(Arc::clone(&source))
        .cache(CacheOptions::new())
        .build();
    resolver.get_variable("colour").await.unwrap();
    clock.pass(900 * SECOND);
    source.go_down(down());
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
}
