//! Changes of a value are told to all who watch it, by one poll. The clock is Tokio's, paused: it jumps to
//! the next timer.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/gated.rs"]
mod gated;

use std::{sync::Arc, time::Duration};

use airflow_secrets::{
    Error, ErrorKind, Failure, Resolved, Resolver, Secret, Watch, backends::memory::MemoryBackend,
    report::Asked,
};
use futures_util::{FutureExt, StreamExt, future::join_all};
use gated::Gated;
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::timeout,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn colour() -> Asked {
    Asked::Variable("colour".into())
}

fn source() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new("mine").with_variable("colour", "blue"))
}

fn resolver(source: &Arc<MemoryBackend>) -> Resolver {
    Resolver::builder().backend(Arc::clone(source)).build()
}

fn down() -> Failure {
    Failure::unavailable("the plug was pulled")
}

/// The value of an item, or what kind of error it is.
fn told(item: Option<Result<Resolved<Secret>, Error>>) -> String {
    match item.unwrap() {
        Ok(value) => value.expose().to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

/// The next item, which comes within a day.
async fn next(changes: &mut Watch<Secret>) -> String {
    told(timeout(24 * HOUR, changes.next()).await.unwrap())
}

/// Asserts that no change is told for an hour.
async fn assert_quiet(changes: &mut Watch<Secret>) {
    if let Ok(item) = timeout(HOUR, changes.next()).await {
        panic!("{item:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_value_comes_first_and_then_each_other_one_with_its_source_and_report() {
    let source = source();
    let mut changes = resolver(&source).watch_variable("colour", MINUTE);
    assert_eq!(next(&mut changes).await, "blue");
    assert_quiet(&mut changes).await;
    source.set_variable("colour", "red");
    let red = changes.next().await.unwrap().unwrap();
    assert_eq!(red.expose(), "red");
    assert_eq!(red.source().to_string(), "mine: variable colour");
    assert_eq!(red.report().to_string(), "mine (variable colour) found");
    source.set_variable("colour", "red");
    assert_quiet(&mut changes).await;
}

#[tokio::test(start_paused = true)]
async fn connections_and_configuration_entries_can_be_watched() {
    let source = source();
    source.set_conn_value("pg", "postgres://old");
    source.set_config("smtp", "old");
    let resolver = Resolver::builder()
        .custom_backend(Arc::clone(&source))
        .build();
    let mut connections = resolver.watch_connection("pg", MINUTE);
    let mut configs = resolver.watch_config("smtp", MINUTE);
    for expected in ["old", "new"] {
        let pg = connections.next().await.unwrap().unwrap();
        assert_eq!(pg.host(), Some(expected));
        assert_eq!(next(&mut configs).await, expected);
        source.set_conn_value("pg", "postgres://new");
        source.set_config("smtp", "new");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_or_denied_is_told_once_and_what_comes_back_too() {
    let source = source();
    let mut changes = resolver(&source).watch_variable("colour", MINUTE);
    assert_eq!(next(&mut changes).await, "blue");
    source.remove(&colour());
    assert_eq!(next(&mut changes).await, "not_found");
    assert_quiet(&mut changes).await;
    source.go_down(Failure::access_denied("not for you"));
    assert_eq!(next(&mut changes).await, "access_denied");
    assert_quiet(&mut changes).await;
    source.set_variable("colour", "blue");
    source.come_back();
    assert_eq!(next(&mut changes).await, "blue");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_change_also_where_a_lower_source_would_answer() {
    for lower in [
        MemoryBackend::new("lower"),
        MemoryBackend::new("lower").with_variable("colour", "grey"),
    ] {
        let source = source();
        let resolver = Resolver::builder()
            .backend(Arc::clone(&source))
            .backend(lower)
            .build();
        let mut changes = resolver.watch_variable("colour", MINUTE);
        assert_eq!(next(&mut changes).await, "blue");
        source.go_down(down());
        assert_quiet(&mut changes).await;
        source.come_back();
        assert_quiet(&mut changes).await;
        source.go_down(down());
        assert_quiet(&mut changes).await;
        source.set_variable("colour", "red");
        source.come_back();
        assert_eq!(next(&mut changes).await, "red");
    }
}

#[tokio::test(start_paused = true)]
async fn who_begins_in_an_outage_is_told_so_and_then_the_value() {
    let source = source();
    source.go_down(down());
    let mut changes = resolver(&source).watch_variable("colour", MINUTE);
    assert_eq!(next(&mut changes).await, "unavailable");
    assert_quiet(&mut changes).await;
    source.come_back();
    assert_eq!(next(&mut changes).await, "blue");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_watch_the_same_are_one_poll_at_its_interval_less_a_tenth_at_most() {
    let source = source();
    let resolver = resolver(&source);
    let mut watching: Vec<_> = (0..1_000)
        .map(|_| resolver.clone().watch_variable("colour", MINUTE))
        .collect();
    for told in join_all(watching.iter_mut().map(next)).await {
        assert_eq!(told, "blue");
    }
    assert_eq!(source.lookups(), 1);
    assert_quiet(watching.first_mut().unwrap()).await;
    let polls = source.lookups() - 1;
    // Each pause is 54 to 60 s.
    assert!((60..=66).contains(&polls), "{polls}");
    source.set_variable("colour", "red");
    for told in join_all(watching.iter_mut().map(next)).await {
        assert_eq!(told, "red");
    }
    assert_eq!(source.lookups(), polls + 2);
    // One who comes late is told at once.
    let mut late = resolver.watch_variable("colour", MINUTE);
    assert_eq!(late.next().now_or_never().map(told).unwrap(), "red");
}

#[tokio::test(start_paused = true)]
async fn other_questions_are_polls_of_their_own() {
    let source = Arc::new(
        MemoryBackend::new("mine")
            .with_variable("colour", "blue")
            .with_variable("shape", "round")
            .with_team_variable("sales", "colour", "red"),
    );
    let resolver = Resolver::builder()
        .custom_backend(Arc::clone(&source))
        .multi_team(true)
        .build();
    let sales = resolver.for_team("sales").unwrap();
    let watching = [
        (resolver.watch_variable("colour", MINUTE), "blue"),
        (resolver.watch_variable("colour", HOUR), "blue"),
        (resolver.watch_variable("shape", MINUTE), "round"),
        (resolver.watch_config("colour", MINUTE), "not_found"),
        (resolver.strict().watch_variable("colour", MINUTE), "blue"),
        (
            resolver.within(HOUR).watch_variable("colour", MINUTE),
            "blue",
        ),
        (sales.watch_variable("colour", MINUTE), "red"),
    ];
    for (index, (mut changes, expected)) in watching.into_iter().enumerate() {
        assert_eq!(next(&mut changes).await, expected);
        assert_eq!(source.lookups(), index + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_the_first_item_nor_after_the_last_watcher_is_gone() {
    let source = source();
    let resolver = resolver(&source);
    let mut first = resolver.watch_variable("colour", MINUTE);
    let mut second = resolver.watch_variable("colour", MINUTE);
    yield_now().await;
    assert_eq!(source.lookups(), 0);
    next(&mut first).await;
    next(&mut second).await;
    drop(first);
    assert_quiet(&mut second).await;
    let asked = source.lookups();
    assert!(asked > 60, "{asked}");
    drop(second);
    tokio::time::sleep(HOUR).await;
    assert_eq!(source.lookups(), asked);
    let mut again = resolver.watch_variable("colour", MINUTE);
    assert_eq!(next(&mut again).await, "blue");
    assert_eq!(source.lookups(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_under_way_ends_with_its_watchers_and_holds_nothing() {
    let source = Arc::new(Gated::closed(MemoryBackend::new("mine")));
    let resolver = Resolver::builder().backend(Arc::clone(&source)).build();
    let mut changes = resolver.watch_variable("colour", MINUTE);
    assert!(
        timeout(Duration::from_secs(5), changes.next())
            .await
            .is_err()
    );
    assert_eq!(source.held.lookups(), 1);
    drop((changes, resolver));
    yield_now().await;
    assert_eq!(Arc::strong_count(&source), 1);
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_nothing_is_a_tenth_of_a_second() {
    let source = source();
    let mut changes = resolver(&source).watch_variable("colour", Duration::ZERO);
    next(&mut changes).await;
    assert!(timeout(MINUTE, changes.next()).await.is_err());
    let polls = source.lookups() - 1;
    assert!((550..=667).contains(&polls), "{polls}");
    let mut never = resolver(&source).watch_variable("colour", Duration::MAX);
    assert_eq!(next(&mut never).await, "blue");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

const NO_RUNTIME: &str = "the Tokio runtime (a watch of variable \"colour\"): changes are asked for in the \
                          background: watch inside a Tokio runtime that was built with `enable_all()`, and \
                          has not ended";

#[test]
fn outside_a_runtime_it_says_so_and_ends() {
    let mut changes = resolver(&source()).watch_variable("colour", MINUTE);
    let error = changes.next().now_or_never().unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.to_string(), NO_RUNTIME);
    for _ in 0..2 {
        assert!(changes.next().now_or_never().unwrap().is_none());
    }
}

#[test]
fn a_runtime_that_has_ended_is_told_and_another_polls_anew() {
    let resolver = resolver(&source());
    let mut changes = resolver.watch_variable("colour", MINUTE);
    assert_eq!(runtime().block_on(next(&mut changes)), "blue");
    let second = runtime();
    second.block_on(async {
        let error = changes.next().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), NO_RUNTIME);
        assert!(changes.next().await.is_none());
        let mut changes = resolver.watch_variable("colour", MINUTE);
        assert_eq!(next(&mut changes).await, "blue");
    });
}
