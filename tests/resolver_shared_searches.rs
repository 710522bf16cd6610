//! Callers who ask the same at the same time share one search; nobody loses by it.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/gated.rs"]
mod gated;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use airflow_secrets::{
    Error, Failure, Lookup, Resolved, Resolver, Secret, SecretsBackend,
    backend::{LookupOptions, async_trait},
    backends::memory::MemoryBackend,
    report::Asked,
};
use gated::Gated;
use tokio::{runtime::Builder, task::JoinSet, task::yield_now};

type Asking = Pin<Box<dyn Future<Output = Result<Resolved<Secret>, Error>> + Send>>;

fn colour() -> (Arc<Gated>, Resolver) {
    let gated = Gated::closed(MemoryBackend::new("mine").with_variable("colour", "blue"));
    let gated = Arc::new(gated);
    let resolver = Resolver::builder().backend(Arc::clone(&gated)).build();
    (gated, resolver)
}

/// A caller who has asked for variable `key`.
fn asking(resolver: &Resolver, key: &'static str) -> Asking {
    let resolver = resolver.clone();
    let mut asking: Asking = Box::pin(async move { resolver.get_variable(key).await });
    assert!(has_no_answer(&mut asking));
    asking
}

fn has_no_answer(asking: &mut Asking) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(asking.as_mut().poll(&mut context), Poll::Pending)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_of_one_id_are_one_request() {
    let (source, resolver) = colour();
    let callers: Vec<_> = (0..10_000).map(|_| asking(&resolver, "colour")).collect();
    let mut callers = callers.into_iter().collect::<JoinSet<_>>();
    source.open();
    let mut answers = 0;
    while let Some(answer) = callers.join_next().await {
        assert_eq!(answer.unwrap().unwrap().expose(), "blue");
        answers += 1;
    }
    assert_eq!((answers, source.held.lookups()), (10_000, 1));
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_end_it_for_the_others() {
    let (source, resolver) = colour();
    let first = asking(&resolver, "colour");
    let second = asking(&resolver, "colour");
    drop(first);
    let third = asking(&resolver, "colour");
    drop(second);
    source.open();
    assert_eq!(third.await.unwrap().expose(), "blue");
    assert_eq!(source.held.lookups(), 1);
}

#[tokio::test]
async fn when_all_have_given_up_the_next_asks_anew() {
    let (source, resolver) = colour();
    drop((asking(&resolver, "colour"), asking(&resolver, "colour")));
    source.open();
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    assert_eq!(source.held.lookups(), 2);
}

/// Stops several times in each lookup.
#[derive(Debug)]
struct Halting(MemoryBackend);

const HALTS: usize = 5;

#[async_trait]
impl SecretsBackend for Halting {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let answer = self.0.get_variable(key, options).await;
        for _ in 0..HALTS {
            yield_now().await;
        }
        answer
    }
}

#[tokio::test]
async fn a_caller_may_give_up_at_any_await() {
    for polls in 1..=HALTS {
        let source = Arc::new(Halting(
            MemoryBackend::new("mine").with_variable("colour", "blue"),
        ));
        let resolver = Resolver::builder().backend(Arc::clone(&source)).build();
        let mut first = asking(&resolver, "colour");
        let other = asking(&resolver, "colour");
        for _ in 2..polls {
            assert!(has_no_answer(&mut first));
        }
        drop(first);
        assert_eq!(other.await.unwrap().expose(), "blue");
        assert_eq!(source.0.lookups(), 1, "given up after {polls} polls");
    }
}

#[tokio::test]
async fn an_error_reaches_all_and_is_not_remembered() {
    let (source, resolver) = colour();
    source
        .held
        .go_down(Failure::unavailable("the plug was pulled"));
    let callers = [asking(&resolver, "colour"), asking(&resolver, "colour")];
    source.open();
    for caller in callers {
        assert_eq!(
            caller.await.unwrap_err().to_string(),
            "variable \"colour\" could not be looked up, and it may exist: \
             mine (variable colour) unavailable: the plug was pulled"
        );
    }
    source.held.come_back();
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    assert_eq!(source.held.lookups(), 2);
}

/// Panics at the first request, after the gate; and with every batch.
#[derive(Debug)]
struct Panicking(Gated);

#[async_trait]
impl SecretsBackend for Panicking {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let answer = self.0.get_variable(key, options).await;
        assert_ne!(self.0.held.lookups(), 1, "the first request panics");
        answer
    }

    async fn get_variables(
        &self,
        _: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        panic!("a batch panics")
    }
}

#[tokio::test]
async fn a_panic_of_a_backend_is_an_outage_for_each_caller_and_is_not_remembered() {
    let held = MemoryBackend::new("mine").with_variable("colour", "blue");
    let source = Arc::new(Panicking(Gated::closed(held)));
    let resolver = Resolver::builder().backend(Arc::clone(&source)).build();
    let callers = [asking(&resolver, "colour"), asking(&resolver, "colour")];
    source.0.open();
    for caller in callers {
        assert_eq!(
            caller.await.unwrap_err().to_string(),
            "variable \"colour\" could not be looked up, and it may exist: \
             mine unavailable: backend mine panicked; this is a defect of the backend"
        );
    }
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    assert_eq!(source.0.held.lookups(), 2);
}

#[tokio::test]
async fn after_a_panic_the_next_source_is_asked() {
    let held = MemoryBackend::new("mine");
    let source = Panicking(Gated::closed(held));
    source.0.open();
    let resolver = Resolver::builder()
        .backend(source)
        .backend(MemoryBackend::new("next").with_variable("colour", "red"))
        .build();
    let single = resolver.get_variable("colour").await.unwrap();
    let batch = resolver.get_variables(["colour", "other"]).await;
    let [colour, other] = batch.try_into().unwrap();
    for answer in [single, colour.unwrap()] {
        assert_eq!(answer.expose(), "red");
        let first = answer.report().attempts().first().unwrap();
        assert_eq!(first.outcome().as_str(), "unavailable");
    }
    assert_eq!(other.unwrap_err().kind().as_str(), "unavailable");
}

#[tokio::test]
async fn other_questions_are_searches_of_their_own() {
    let held = MemoryBackend::new("mine")
        .with_variable("colour", "blue")
        .with_team_variable("sales", "colour", "red")
        .with_config("colour", "green")
        .with_conn_value("colour", "http://yellow");
    let source = Arc::new(Gated::closed(held));
    let resolver = Resolver::builder()
        .custom_backend(Arc::clone(&source))
        .multi_team(true)
        .build();
    let sales = resolver.for_team("sales").unwrap();
    let strict = resolver.strict();
    let asked = async {
        tokio::join!(
            resolver.get_variable("colour"),
            sales.get_variable("colour"),
            strict.get_variable("colour"),
            resolver.get_config("colour"),
            resolver.get_connection("colour"),
            resolver.get_variable("other"),
        )
    };
    source.open();
    let (variable, of_team, strictly, config, connection, other) = asked.await;
    assert_eq!(variable.unwrap().expose(), "blue");
    assert_eq!(of_team.unwrap().expose(), "red");
    assert_eq!(strictly.unwrap().expose(), "blue");
    assert_eq!(config.unwrap().expose(), "green");
    assert_eq!(connection.unwrap().host(), Some("yellow"));
    assert_eq!(other.unwrap_err().kind().as_str(), "not_found");
    assert_eq!(source.held.lookups(), 6);
}

#[tokio::test]
async fn a_batch_does_not_ask_for_what_is_under_way() {
    let (source, resolver) = colour();
    source.held.set_variable("shape", "round");
    let single = asking(&resolver, "colour");
    let batch = resolver.get_variables(["shape", "colour", "colour"]);
    source.open();
    let batch = batch.await.into_iter().map(Result::unwrap);
    let values: Vec<_> = batch.map(|value| value.expose().to_owned()).collect();
    assert_eq!(values, ["round", "blue", "blue"]);
    assert_eq!(single.await.unwrap().expose(), "blue");
    assert_eq!(source.held.lookups(), 2);
}

#[test]
fn threads_without_a_runtime_share_a_search_too() {
    let (source, resolver) = colour();
    let callers = [asking(&resolver, "colour"), asking(&resolver, "colour")];
    let callers = callers.map(|caller| thread::spawn(|| futures_executor::block_on(caller)));
    source.open();
    for caller in callers {
        assert_eq!(caller.join().unwrap().unwrap().expose(), "blue");
    }
    assert_eq!(source.held.lookups(), 1);
}

#[test]
fn a_runtime_that_has_ended_takes_no_search_with_it() {
    let (source, resolver) = colour();
    let runtime = || Builder::new_current_thread().build().unwrap();
    let (ended, other) = (runtime(), runtime());
    let waiting = asking(&resolver, "colour");
    ended.spawn(asking(&resolver, "colour"));
    ended.block_on(yield_now());
    drop(ended);
    source.open();
    let answer = other.block_on(resolver.get_variable("colour")).unwrap();
    assert_eq!(answer.expose(), "blue");
    let blocking = other.spawn_blocking(move || futures_executor::block_on(waiting));
    let answer = other.block_on(blocking).unwrap().unwrap();
    assert_eq!(answer.source().native_key(), "variable colour");
    let error = other.block_on(resolver.get_variable("other")).unwrap_err();
    assert_eq!(error.asked(), Some(&Asked::Variable("other".into())));
}
