//! A value that turned out to be wrong is asked for once more, and not again and again.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/clock.rs"]
mod clock;
#[path = "support/gated.rs"]
mod gated;

use std::{sync::Arc, time::Duration};

use airflow_secrets::{
    CacheOptions, ErrorKind, Failure, Refused, Resolved, Resolver, ResolverBuilder, Secret,
    backends::memory::MemoryBackend, report::Asked,
};
use clock::Clock;
use futures_util::future::join_all;
use gated::Gated;

const SECOND: Duration = Duration::from_secs(1);

/// What came of it, as text.
fn told<T>(refused: &Refused<T>, shown: impl Fn(&T) -> String) -> String {
    match refused {
        Refused::Changed(answer) => format!("changed to {}", shown(answer)),
        Refused::Unchanged(answer) => format!("still {}", shown(answer)),
        Refused::TooSoon(left) => format!("too soon by {left:?}"),
        _ => panic!("an outcome that is new"),
    }
}

async fn refuse(answer: &Resolved<Secret>) -> String {
    let refused = answer.refused().await.unwrap();
    told(&refused, |secret| secret.expose().to_owned())
}

struct Chain {
    clock: Clock,
    source: Arc<MemoryBackend>,
    builder: ResolverBuilder,
}

fn chain() -> Chain {
    let clock = Clock::now();
    let source = Arc::new(MemoryBackend::new("mine").with_variable("token", "old"));
    let builder = Resolver::builder()
        .clock(clock.hands())
        .custom_backend(Arc::clone(&source));
    Chain {
        clock,
        source,
        builder,
    }
}

#[tokio::test]
async fn another_value_is_given_and_one_request_made() {
    let Chain {
        source, builder, ..
    } = chain();
    let resolver = builder.build();
    let old = resolver.get_variable("token").await.unwrap();
    source.set_variable("token", "new");
    let new = old.refused().await.unwrap().changed().unwrap();
    assert_eq!((old.expose(), new.expose()), ("old", "new"));
    assert_eq!(new.report().to_string(), "mine (variable token) found");
    assert_eq!(source.lookups(), 2);
}

#[tokio::test]
async fn the_same_value_is_asked_for_after_a_second_then_two_four_and_so_on_up_to_five_minutes() {
    let Chain {
        clock,
        source,
        builder,
    } = chain();
    let resolver = builder.build();
    let token = resolver.get_variable("token").await.unwrap();
    let pauses = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
    for (index, pause) in pauses.into_iter().enumerate() {
        assert_eq!(refuse(&token).await, "still old");
        assert_eq!(refuse(&token).await, format!("too soon by {pause}s"));
        clock.pass((pause - 1) * SECOND);
        assert_eq!(refuse(&token).await, "too soon by 1s");
        assert_eq!(source.lookups(), index + 2);
        clock.pass(SECOND);
    }
    clock.pass(301 * SECOND);
    assert_eq!(refuse(&token).await, "still old");
    assert_eq!(
        refuse(&token).await,
        "too soon by 1s",
        "it was calm for five minutes"
    );
}

#[tokio::test]
async fn another_value_makes_the_next_pause_short_again() {
    let Chain {
        clock,
        source,
        builder,
    } = chain();
    let resolver = builder.build();
    let old = resolver.get_variable("token").await.unwrap();
    for pause in [1, 2, 4] {
        assert_eq!(refuse(&old).await, "still old");
        clock.pass(pause * SECOND);
    }
    source.set_variable("token", "new");
    assert_eq!(refuse(&old).await, "changed to new");
    assert_eq!(refuse(&old).await, "too soon by 8s");
    clock.pass(8 * SECOND);
    let new = resolver.get_variable("token").await.unwrap();
    assert_eq!(refuse(&new).await, "still new");
    assert_eq!(refuse(&new).await, "too soon by 1s");
}

#[tokio::test]
async fn each_question_has_pauses_of_its_own() {
    let source = MemoryBackend::new("mine")
        .with_variable("token", "variable")
        .with_config("token", "config")
        .with_conn_value("token", "http://connection")
        .with_team_variable("sales", "token", "sales");
    let source = Arc::new(source);
    let resolver = Resolver::builder()
        .custom_backend(Arc::clone(&source))
        .clock(Clock::now().hands())
        .multi_team(true)
        .build();
    let sales = resolver.for_team("sales").unwrap();
    let variable = resolver.get_variable("token").await.unwrap();
    let config = resolver.get_config("token").await.unwrap();
    let of_sales = sales.get_variable("token").await.unwrap();
    let connection = resolver.get_connection("token").await.unwrap();
    assert_eq!(refuse(&variable).await, "still variable");
    assert_eq!(refuse(&config).await, "still config");
    assert_eq!(refuse(&of_sales).await, "still sales");
    let refused = connection.refused().await.unwrap();
    let host = told(&refused, |connection| connection.host().unwrap().to_owned());
    assert_eq!(host, "still connection");
    assert_eq!(refuse(&config).await, "too soon by 1s");
    assert_eq!(source.lookups(), 8);
}

#[tokio::test]
async fn all_who_report_the_same_at_once_share_one_search() {
    let source = MemoryBackend::new("mine").with_variable("token", "old");
    let source = Arc::new(Gated::closed(source));
    let resolver = Resolver::builder().backend(Arc::clone(&source)).build();
    source.let_pass(1);
    let old = resolver.get_variable("token").await.unwrap();
    source.held.set_variable("token", "new");
    let reports = join_all((0..1_000).map(|_| refuse(&old)));
    let opens = async {
        tokio::task::yield_now().await;
        source.open();
    };
    let (reports, ()) = tokio::join!(reports, opens);
    assert_eq!(reports, vec!["changed to new"; 1_000]);
    assert_eq!(source.held.lookups(), 2);
}

#[tokio::test]
async fn a_cache_gives_the_newer_value_it_has_and_keeps_the_one_that_is_found() {
    let Chain {
        source, builder, ..
    } = chain();
    let resolver = builder.cache(CacheOptions::new()).build();
    let old = resolver.get_variable("token").await.unwrap();
    source.set_variable("token", "new");
    assert_eq!(
        resolver.get_variable("token").await.unwrap().expose(),
        "old"
    );
    for _ in 0..1_000 {
        assert_eq!(refuse(&old).await, "changed to new");
    }
    let new = resolver.get_variable("token").await.unwrap();
    assert_eq!(new.expose(), "new");
    assert_eq!(source.lookups(), 2);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_an_error_and_costs_a_pause_too() {
    let Chain {
        clock,
        source,
        builder,
    } = chain();
    let resolver = builder.build();
    let old = resolver.get_variable("token").await.unwrap();
    source.go_down(Failure::unavailable("the plug was pulled"));
    let error = old.refused().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(refuse(&old).await, "too soon by 1s");
    clock.pass(SECOND);
    source.come_back();
    source.remove(&Asked::Variable("token".into()));
    let error = old.refused().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(refuse(&old).await, "too soon by 2s");
}

#[tokio::test]
async fn it_is_asked_for_as_it_was() {
    let Chain {
        source, builder, ..
    } = chain();
    let lower = MemoryBackend::new("lower").with_variable("token", "of the lower source");
    let resolver = builder.backend(lower).build();
    let strictly = resolver.strict().get_variable("token").await.unwrap();
    source.go_down(Failure::unavailable("the plug was pulled"));
    let error = strictly.refused().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_answer_keeps_no_resolver_alive_and_says_when_it_is_gone() {
    let Chain {
        source, builder, ..
    } = chain();
    let resolver = builder.cache(CacheOptions::new()).build();
    let token = resolver.get_variable("token").await.unwrap();
    drop(resolver);
    assert_eq!(Arc::strong_count(&source), 1);
    let error = token.refused().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(
        error.to_string(),
        "the resolver (an answer that was refused): every handle on it is gone: keep one as long as its \
         answers are used"
    );
}
