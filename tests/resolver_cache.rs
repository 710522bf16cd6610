//! Answers are kept, for a time, and only those that may be.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/gated.rs"]
mod gated;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use airflow_secrets::{
    CacheOptions, Connection, Environment, Failure, Resolver, ResolverBuilder,
    backend::{FailureKind, Freshness},
    backends::memory::MemoryBackend,
    report::Asked,
};
use clock::Clock;
use gated::Gated;

const SECOND: Duration = Duration::from_secs(1);

struct Kept {
    clock: Clock,
    first: Arc<MemoryBackend>,
    second: Arc<MemoryBackend>,
    resolver: Resolver,
}

fn builder(clock: &Clock) -> ResolverBuilder {
    Resolver::builder().clock(clock.hands())
}

/// Two sources behind a cache of 100 s, 10 s for *not found*.
fn kept() -> Kept {
    let options = CacheOptions::new()
        .with_ttl(100 * SECOND)
        .with_not_found_ttl(10 * SECOND);
    let clock = Clock::now();
    let [first, second] = ["first", "second"].map(|name| Arc::new(MemoryBackend::new(name)));
    let resolver = builder(&clock)
        .custom_backend(Arc::clone(&first))
        .backend(Arc::clone(&second))
        .multi_team(true)
        .cache(options)
        .build();
    Kept {
        clock,
        first,
        second,
        resolver,
    }
}

fn colour() -> Asked {
    Asked::Variable("colour".into())
}

async fn variable(resolver: &Resolver, key: &str) -> (String, Freshness) {
    let answer = resolver.get_variable(key).await.unwrap();
    (answer.expose().to_owned(), answer.freshness().clone())
}

fn live(value: &str) -> (String, Freshness) {
    (value.to_owned(), Freshness::Live)
}

fn cached(value: &str, seconds: u32) -> (String, Freshness) {
    (value.to_owned(), Freshness::cached(seconds * SECOND))
}

#[tokio::test]
async fn ten_thousand_lookups_of_one_id_are_one_request() {
    let Kept {
        first, resolver, ..
    } = kept();
    first.set_variable("colour", "blue");
    assert_eq!(variable(&resolver, "colour").await, live("blue"));
    for _ in 1..10_000 {
        assert_eq!(variable(&resolver, "colour").await, cached("blue", 0));
    }
    assert_eq!(first.lookups(), 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_with_its_report_and_says_its_age() {
    let Kept {
        clock,
        second,
        resolver,
        ..
    } = kept();
    second.set_conn_value("pg", "postgres://db");
    let asked = resolver.get_connection("pg").await.unwrap();
    second.set_conn_value("pg", "postgres://other");
    // Each is kept for 90 s at least, and 100 s at most.
    for (age, pause) in [(0, 30), (30, 59), (89, 11)] {
        let kept = resolver.get_connection("pg").await.unwrap();
        assert_eq!(*kept, *asked);
        assert_eq!(kept.report(), asked.report());
        assert_eq!(kept.source(), asked.source());
        assert_eq!(*kept.freshness(), Freshness::cached(age * SECOND));
        clock.pass(pause * SECOND);
    }
    let new = resolver.get_connection("pg").await.unwrap();
    assert_eq!(
        (new.host(), new.freshness()),
        (Some("other"), &Freshness::Live)
    );
    assert_eq!(second.lookups(), 2);
}

#[tokio::test]
async fn not_found_is_kept_for_a_shorter_time() {
    let Kept {
        clock,
        first,
        resolver,
        ..
    } = kept();
    let missing = || async { resolver.get_variable("colour").await.unwrap_err() };
    let asked = missing().await;
    assert_eq!(*asked.freshness(), Freshness::Live);
    first.set_variable("colour", "blue");
    clock.pass(8 * SECOND);
    let kept = missing().await;
    assert_eq!(*kept.freshness(), Freshness::cached(8 * SECOND));
    assert_eq!(kept.report(), asked.report());
    assert_eq!(
        kept.to_string(),
        r#"variable "colour" is not defined (cached 8 s ago): first (variable colour) missing; second (variable colour) missing"#
    );
    assert_eq!(first.lookups(), 1);
    clock.pass(2 * SECOND);
    assert_eq!(variable(&resolver, "colour").await, live("blue"));
}

#[tokio::test]
async fn no_failure_is_kept_nor_an_answer_that_came_after_one() {
    let kinds = [
        FailureKind::Unavailable,
        FailureKind::AccessDenied,
        FailureKind::FinalDenial,
        FailureKind::InvalidValue,
        FailureKind::Configuration,
    ];
    for kind in kinds {
        let Kept {
            first,
            second,
            resolver,
            ..
        } = kept();
        first.go_down(Failure::new(kind, "no"));
        assert!(resolver.get_variable("colour").await.is_err());
        second.set_variable("colour", "red");
        if kind != FailureKind::FinalDenial {
            assert_eq!(variable(&resolver, "colour").await, live("red"), "{kind:?}");
        }
        first.come_back();
        first.set_variable("colour", "blue");
        assert_eq!(
            variable(&resolver, "colour").await,
            live("blue"),
            "{kind:?}"
        );
        first.go_down(Failure::new(kind, "no"));
        assert_eq!(
            variable(&resolver, "colour").await,
            cached("blue", 0),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn kind_and_team_have_entries_of_their_own() {
    let source = MemoryBackend::new("mine")
        .with_variable("colour", "blue")
        .with_team_variable("sales", "colour", "red")
        .with_config("colour", "green")
        .with_conn_value("colour", "http://yellow");
    let resolver = builder(&Clock::now())
        .custom_backend(source)
        .multi_team(true)
        .cache(CacheOptions::new())
        .build();
    let of_team = resolver.for_team("sales").unwrap();
    for fresh in [live, |value: &str| cached(value, 0)] {
        assert_eq!(variable(&resolver, "colour").await, fresh("blue"));
        assert_eq!(variable(&of_team, "colour").await, fresh("red"));
        let config = resolver.get_config("colour").await.unwrap();
        let config = (config.expose().to_owned(), config.freshness().clone());
        assert_eq!(config, fresh("green"));
        let connection = resolver.get_connection("colour").await.unwrap();
        assert_eq!(connection.host(), Some("yellow"));
    }
    let strict = resolver.strict();
    assert_eq!(variable(&strict, "colour").await, cached("blue", 0));
}

#[tokio::test]
async fn what_is_invalidated_is_asked_for_again() {
    let Kept {
        first, resolver, ..
    } = kept();
    for key in ["colour", "shape"] {
        first.set_variable(key, "old");
        assert_eq!(variable(&resolver, key).await, live("old"));
        first.set_variable(key, "new");
    }
    let of_team = resolver.for_team("sales").unwrap();
    assert_eq!(variable(&of_team, "colour").await, live("new"));
    resolver.invalidate(&colour());
    assert_eq!(variable(&of_team, "colour").await, live("new"));
    assert_eq!(variable(&resolver, "colour").await, live("new"));
    assert_eq!(variable(&resolver, "shape").await, cached("old", 0));
    resolver.invalidate_all();
    assert_eq!(variable(&resolver, "shape").await, live("new"));
}

#[tokio::test]
async fn a_search_that_began_before_is_no_answer_after_an_invalidation() {
    let source = MemoryBackend::new("mine").with_variable("colour", "old");
    let source = Arc::new(Gated::closed(source));
    let resolver = builder(&Clock::now())
        .backend(Arc::clone(&source))
        .cache(CacheOptions::new())
        .build();
    let mut context = Context::from_waker(Waker::noop());
    let mut before = pin!(resolver.get_variable("colour"));
    assert!(before.as_mut().poll(&mut context).is_pending());
    source.held.set_variable("colour", "new");
    resolver.invalidate(&colour());
    let mut after = pin!(resolver.get_variable("colour"));
    assert!(after.as_mut().poll(&mut context).is_pending());
    source.open();
    assert_eq!(after.await.unwrap().expose(), "new");
    assert_eq!(before.await.unwrap().expose(), "old");
    assert_eq!(variable(&resolver, "colour").await, cached("new", 0));
}

#[tokio::test]
async fn a_forced_refresh_asks_and_its_answer_is_kept() {
    let Kept {
        first, resolver, ..
    } = kept();
    first.set_variable("colour", "old");
    assert_eq!(variable(&resolver, "colour").await, live("old"));
    first.set_variable("colour", "new");
    assert_eq!(variable(&resolver.refreshed(), "colour").await, live("new"));
    assert_eq!(variable(&resolver, "colour").await, cached("new", 0));
    first.go_down(Failure::unavailable("down"));
    let error = resolver
        .refreshed()
        .get_variable("colour")
        .await
        .unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
    assert_eq!(variable(&resolver, "colour").await, cached("new", 0));
    first.come_back();
    first.remove(&colour());
    assert!(resolver.refreshed().get_variable("colour").await.is_err());
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "not_found");
}

#[tokio::test]
async fn a_batch_asks_only_for_what_is_not_kept_and_keeps_its_answers() {
    let Kept {
        first,
        second,
        resolver,
        ..
    } = kept();
    first.set_variable("a", "1");
    second.set_variable("b", "2");
    let ids = ["a", "b", "missing"];
    assert_eq!(variable(&resolver, "a").await, live("1"));
    for requests in [3, 3] {
        let answers = resolver.get_variables(ids).await;
        let [a, b, missing] = answers.try_into().unwrap();
        assert_eq!(a.unwrap().expose(), "1");
        assert_eq!(b.unwrap().expose(), "2");
        assert_eq!(missing.unwrap_err().kind().as_str(), "not_found");
        assert_eq!(first.lookups(), requests);
    }
    assert_eq!(variable(&resolver, "b").await, cached("2", 0));
}

#[tokio::test]
async fn no_more_is_kept_than_the_bound() {
    let clock = Clock::now();
    let source = Arc::new(MemoryBackend::new("mine"));
    let resolver = builder(&clock)
        .backend(Arc::clone(&source))
        .cache(CacheOptions::new().with_max_entries(10))
        .build();
    let ids: Vec<String> = (0..1000).map(|index| format!("id-{index}")).collect();
    for id in &ids {
        source.set_connection(Connection::builder(id.as_str()).build().unwrap());
        assert_eq!(resolver.get_connection(id).await.unwrap().conn_id(), id);
    }
    for answer in resolver.get_connections(&ids).await {
        answer.unwrap();
    }
    assert!(source.lookups() >= 1990, "{}", source.lookups());
}

#[tokio::test]
async fn nothing_is_kept_for_no_time_or_without_the_option() {
    let source = Arc::new(MemoryBackend::new("mine").with_variable("colour", "blue"));
    let none = CacheOptions::new().with_ttl(Duration::ZERO);
    let no_room = CacheOptions::new().with_max_entries(0);
    for options in [Some(none), Some(no_room), None] {
        let asked = source.lookups();
        let builder = Resolver::builder().backend(Arc::clone(&source));
        let resolver = match options {
            Some(options) => builder.cache(options),
            None => builder,
        };
        let resolver = resolver.build();
        resolver.invalidate_all();
        for _ in 0..2 {
            assert_eq!(variable(&resolver, "colour").await, live("blue"));
        }
        assert_eq!(source.lookups() - asked, 2);
    }
}

async fn from_settings(settings: &[(&str, &str)]) -> (Arc<MemoryBackend>, Resolver) {
    let source = Arc::new(MemoryBackend::new("acme").with_variable("colour", "blue"));
    let settings = settings.iter().copied();
    let home = [("AIRFLOW_HOME", "/nowhere")];
    let further = Arc::clone(&source);
    let environment: Environment = settings.chain(home).collect();
    let resolver = Resolver::from_environment(environment)
        .then(further)
        .build()
        .await
        .unwrap();
    (source, resolver)
}

#[tokio::test]
async fn airflows_settings_turn_it_on() {
    const USE: &str = "AIRFLOW__SECRETS__USE_CACHE";
    const TTL: &str = "AIRFLOW__SECRETS__CACHE_TTL_SECONDS";
    for (settings, requests) in [
        (vec![], 2),
        (vec![(USE, "False")], 2),
        (vec![(USE, "True")], 1),
        (vec![(USE, "t"), (TTL, "60")], 1),
        (vec![(USE, "True"), (TTL, "0")], 2),
        (vec![(USE, "True"), (TTL, "-1")], 2),
        (vec![(USE, "False"), (TTL, "soon")], 2),
    ] {
        let (source, resolver) = from_settings(&settings).await;
        for _ in 0..2 {
            assert_eq!(
                resolver.get_variable("colour").await.unwrap().expose(),
                "blue"
            );
        }
        assert_eq!(source.lookups(), requests, "{settings:?}");
        assert!(resolver.warnings().is_empty(), "{settings:?}");
    }
}

#[tokio::test]
async fn a_setting_of_the_cache_that_is_invalid_is_an_error_at_the_start() {
    let refused = |name, value| async move {
        let home = ("AIRFLOW_HOME", "/nowhere");
        let settings = [home, ("AIRFLOW__SECRETS__USE_CACHE", "True"), (name, value)];
        let resolver = Resolver::from_environment(Environment::from_iter(settings));
        resolver.build().await.unwrap_err().to_string()
    };
    assert_eq!(
        refused("AIRFLOW__SECRETS__USE_CACHE", "maybe").await,
        "[secrets] use_cache (AIRFLOW__SECRETS__USE_CACHE): must be True or False"
    );
    assert_eq!(
        refused("AIRFLOW__SECRETS__CACHE_TTL_SECONDS", "soon").await,
        "[secrets] cache_ttl_seconds (AIRFLOW__SECRETS__CACHE_TTL_SECONDS): must be a whole number of seconds"
    );
}

#[tokio::test]
async fn debug_shows_no_value_and_no_id_that_is_kept() {
    let Kept { resolver, .. } = kept();
    assert!(resolver.get_variable("marker").await.is_err());
    let debug = format!("{resolver:?}");
    let (_, cache) = debug.split_once("cache: Some(Cache").unwrap();
    assert!(cache.contains("entries"), "{cache}");
    assert!(!debug.contains("marker"), "{debug}");
}
