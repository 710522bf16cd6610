//! The resolver for programs without an async runtime: the same answers, and nothing hangs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use airflow_secrets::{
    CacheOptions, Environment, Error, ErrorKind, Failure, Lookup, Refused, Secret, SecretsBackend,
    backend::{LookupOptions, async_trait},
    backends::memory::MemoryBackend,
    blocking::Resolver,
    report::Asked,
};

const SECOND: Duration = Duration::from_secs(1);

fn source() -> Arc<MemoryBackend> {
    let source = MemoryBackend::new("mine")
        .with_conn_value("pg", "postgres://db")
        .with_variable("colour", "blue")
        .with_config("smtp", "smtp://mail")
        .with_team_variable("sales", "colour", "red");
    Arc::new(source)
}

/// One that is asked from a thread of its own, behind a cache.
fn resolver(source: &Arc<MemoryBackend>) -> Resolver {
    let resolver = airflow_secrets::Resolver::builder()
        .custom_backend(Arc::clone(source))
        .multi_team(true)
        .cache(CacheOptions::new())
        .build();
    Resolver::new(resolver).unwrap()
}

fn colour() -> Asked {
    Asked::Variable("colour".into())
}

#[test]
fn every_question_is_answered_as_the_async_resolver_does() {
    let source = source();
    let resolver = resolver(&source);
    assert_eq!(resolver.sources().to_string(), "mine");
    assert!(resolver.warnings().is_empty());
    assert_eq!(resolver.get_connection("pg").unwrap().host(), Some("db"));
    assert_eq!(resolver.get_variable("colour").unwrap().expose(), "blue");
    assert_eq!(resolver.get_config("smtp").unwrap().expose(), "smtp://mail");
    let defaulted = |key| resolver.get_variable_or(key, "green").unwrap();
    assert_eq!(defaulted("colour").expose(), "blue");
    assert_eq!(defaulted("absent").expose(), "green");
    assert!(resolver.find_connection("pg").unwrap().is_some());
    assert!(resolver.find_connection("absent").unwrap().is_none());
    assert!(resolver.find_variable("absent").unwrap().is_none());
    assert!(resolver.find_config("absent").unwrap().is_none());
    let kinds = |answers: Vec<Result<_, Error>>| -> Vec<_> {
        let kinds = answers
            .into_iter()
            .map(|answer| answer.err().map(|error| error.kind()));
        kinds.collect()
    };
    let found_and_not = [None, Some(ErrorKind::NotFound)];
    assert_eq!(
        kinds(resolver.get_variables(["colour", "absent"])),
        found_and_not
    );
    assert_eq!(
        kinds(resolver.get_configs(["smtp", "absent"])),
        found_and_not
    );
    let connections = resolver.get_connections(["absent", "pg"]);
    assert_eq!(
        connections.last().unwrap().as_ref().unwrap().host(),
        Some("db")
    );
    let sales = resolver.for_team("sales").unwrap();
    assert_eq!(sales.get_variable("colour").unwrap().expose(), "red");
    let error = resolver.get_variable("absent").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"variable "absent" is not defined (cached 0 s ago): mine (variable absent) missing"#
    );
    let checks = |resolver: &Resolver| {
        let checks = resolver.check().unwrap().into_iter();
        checks.map(|check| check.is_well()).collect::<Vec<_>>()
    };
    assert_eq!(checks(&resolver), [true]);
    source.go_down(Failure::unavailable("the plug was pulled"));
    assert_eq!(checks(&resolver), [false]);
    let error = resolver.strict().get_variable("other").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn the_cache_is_warmed_and_emptied_as_the_async_resolvers() {
    let source = source();
    let resolver = resolver(&source);
    let failed = resolver.prefetch([colour(), Asked::Connection("absent".into())]);
    let failed: Vec<_> = failed.iter().map(Error::kind).collect();
    assert_eq!(failed, [ErrorKind::NotFound]);
    source.set_variable("colour", "green");
    let value = |resolver: &Resolver| resolver.get_variable("colour").unwrap().expose().to_owned();
    assert_eq!(value(&resolver), "blue");
    assert_eq!(value(&resolver.refreshed()), "green");
    source.set_variable("colour", "grey");
    resolver.invalidate(&colour());
    assert_eq!(value(&resolver), "grey");
    source.set_variable("colour", "white");
    resolver.invalidate_all();
    assert_eq!(value(&resolver), "white");
}

#[test]
fn settings_make_one_with_all_their_options() {
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW_VAR_COLOUR", "blue"),
        (
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
            "sqlite:////nowhere/airflow.db",
        ),
    ]);
    let server = Resolver::from_environment(environment.clone()).unwrap();
    let names = |resolver: &Resolver| {
        resolver
            .sources()
            .names()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&server), ["environment_variables", "metastore"]);
    assert_eq!(server.get_variable("colour").unwrap().expose(), "blue");
    let worker = airflow_secrets::Resolver::from_environment(environment).worker();
    let worker = Resolver::from_environment(worker).unwrap();
    assert_eq!(names(&worker), ["environment_variables", "execution_api"]);
    let broken = Environment::from_iter([("AIRFLOW__CORE__MULTI_TEAM", "perhaps")]);
    let error = Resolver::from_environment(broken).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[test]
fn many_threads_may_ask_at_once() {
    let source = source();
    let resolver = resolver(&source);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let colour = resolver.clone().refreshed().get_variable("colour").unwrap();
                    assert_eq!(colour.expose(), "blue");
                }
            });
        }
    });
}

#[test]
fn changes_come_one_by_one() {
    let source = source();
    let resolver = resolver(&source);
    let mut colours = resolver.watch_variable("colour", SECOND / 10);
    let mut connections = resolver.watch_connection("pg", SECOND / 10);
    let mut configs = resolver.watch_config("smtp", SECOND / 10);
    assert_eq!(colours.next().unwrap().unwrap().expose(), "blue");
    assert_eq!(connections.next().unwrap().unwrap().host(), Some("db"));
    assert_eq!(configs.next().unwrap().unwrap().expose(), "smtp://mail");
    source.set_variable("colour", "red");
    assert_eq!(colours.next().unwrap().unwrap().expose(), "red");
    let kept = resolver.get_variable("colour").unwrap();
    assert_eq!(kept.expose(), "red");
    assert!(kept.freshness().age().is_some(), "the cache has it too");
    drop(resolver);
    source.remove(&colour());
    assert_eq!(
        colours.next().unwrap().unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_refused_value_is_asked_for_once_more() {
    let source = source();
    let resolver = resolver(&source);
    let old = resolver.get_variable("colour").unwrap();
    source.set_variable("colour", "red");
    let new = resolver.refused(&old).unwrap().changed().unwrap();
    assert_eq!(new.expose(), "red");
    assert!(matches!(
        resolver.refused(&new).unwrap(),
        Refused::TooSoon(_)
    ));
}

/// Never answers. Keeps a task on the runtime that asks it, and tells when that is dropped.
#[derive(Debug)]
struct Silent(Sender<()>);

#[derive(Debug)]
struct TellsWhenDropped(Sender<()>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

#[async_trait]
impl SecretsBackend for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    async fn get_variable(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        let resident = TellsWhenDropped(self.0.clone());
        tokio::spawn(async move {
            pending::<()>().await;
            drop(resident);
        });
        pending().await
    }
}

#[test]
fn a_lookup_keeps_its_time_limit_and_the_thread_ends_with_the_last_handle() {
    let (sender, ended) = channel();
    let resolver = airflow_secrets::Resolver::builder()
        .backend(Silent(sender))
        .build();
    let resolver = Resolver::new(resolver).unwrap();
    let hasty = resolver.within(SECOND / 10);
    let started = Instant::now();
    let error = hasty.get_variable("colour").unwrap_err();
    let late = started.elapsed().checked_sub(SECOND / 10).unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(late < SECOND, "{late:?}");
    drop(resolver);
    assert!(ended.try_recv().is_err(), "a handle is left");
    drop(hasty);
    // What lives on the thread's runtime is dropped with it.
    assert_eq!(ended.recv_timeout(60 * SECOND), Ok(()));
}

#[test]
fn a_panic_of_the_programs_own_code_comes_out_where_the_caller_waits() {
    let resolver = airflow_secrets::Resolver::builder()
        .backend(source())
        .clock(|| panic!("the clock has stopped"))
        .build();
    let resolver = Resolver::new(resolver).unwrap();
    for _ in 0..2 {
        let asking = AssertUnwindSafe(|| resolver.get_variable("colour").is_ok());
        let panic = catch_unwind(asking).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "the clock has stopped");
    }
}

const INSIDE: &str = "airflow_secrets::blocking (called inside a Tokio runtime): to wait would stop the runtime's \
                      other work: use the async resolver here, in `spawn_blocking` with `Handle::block_on`";

/// Asks everything, to no avail.
fn assert_refuses(resolver: &Resolver) {
    let refuses = |error: Option<Error>| {
        let error = error.unwrap();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Configuration, INSIDE.to_owned())
        );
    };
    refuses(resolver.get_connection("pg").err());
    refuses(resolver.find_variable("colour").err());
    refuses(resolver.check().err());
    let answers = resolver.get_variables(["colour", "colour"]);
    assert_eq!(answers.len(), 2);
    for answer in answers {
        refuses(answer.err());
    }
    refuses(resolver.prefetch([colour()]).pop());
    let mut colours = resolver.watch_variable("colour", SECOND);
    refuses(colours.next().unwrap().err());
    assert!(colours.next().is_none());
    refuses(Resolver::from_env().err());
    // To go out of use inside a runtime is no harm.
    drop(resolver.clone());
}

#[tokio::test]
async fn inside_a_runtime_each_question_is_an_error_and_none_a_panic() {
    let resolver = resolver(&source());
    assert_refuses(&resolver);
    let in_a_blocking_task = tokio::task::spawn_blocking(move || {
        assert_refuses(&resolver);
        resolver
    });
    let resolver = in_a_blocking_task.await.unwrap();
    let outside =
        thread::spawn(move || resolver.get_variable("colour").unwrap().expose().to_owned());
    assert_eq!(outside.join().unwrap(), "blue");
}
