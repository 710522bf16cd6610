//! What goes to `tracing`: news at `warn`, the rest at `debug`, with fields and spans.

#![allow(clippy::unwrap_used)]

#[path = "support/log.rs"]
mod log;

use std::sync::Arc;

use airflow_secrets::{
    Failure, Resolver, ResolverBuilder, backend::FailureKind, backends::memory::MemoryBackend,
    report::Asked,
};
use log::Log;
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::format::FmtSpan;

/// All that is logged on this thread from `level` on, until the guard is dropped.
fn logged(level: Level) -> (Log, DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .without_time()
        .with_ansi(false)
        .with_span_events(FmtSpan::NEW)
        .with_writer(log.clone())
        .finish();
    (log, log::of_this_thread(subscriber))
}

fn resolver(source: &Arc<MemoryBackend>) -> Resolver {
    Resolver::builder().backend(Arc::clone(source)).build()
}

/// The level and the message of each line.
fn news(log: &Log, since: &mut usize) -> Vec<String> {
    let text = log.text();
    let new = text.lines().skip(*since);
    let lines = new.map(|line| {
        let (level, rest) = line.trim_start().split_once(' ').unwrap();
        let (_, message) = rest.split_once("observer::tracing: ").unwrap();
        let (message, _) = message.split_once(" kind=").unwrap_or((message, ""));
        format!("{level} {message}")
    });
    let lines: Vec<_> = lines.collect();
    *since += lines.len();
    lines
}

#[tokio::test]
async fn an_outage_is_a_warning_once_until_the_source_answers() {
    let (log, _guard) = logged(Level::INFO);
    let source = Arc::new(MemoryBackend::new("mine"));
    let resolver = resolver(&source);
    let mut since = 0;
    source.go_down(Failure::unavailable("the plug was pulled"));
    for key in ["a", "b", "a"] {
        resolver.get_variable(key).await.unwrap_err();
    }
    assert_eq!(
        news(&log, &mut since),
        ["WARN mine unavailable: the plug was pulled"]
    );
    source.come_back();
    resolver.get_variable("a").await.unwrap_err();
    resolver.get_variable("b").await.unwrap_err();
    assert_eq!(
        news(&log, &mut since),
        ["INFO mine answers again backend=\"mine\""]
    );
    source.go_down(Failure::unavailable("again"));
    resolver.get_variable("a").await.unwrap_err();
    assert_eq!(news(&log, &mut since), ["WARN mine unavailable: again"]);
}

#[tokio::test]
async fn a_failure_of_another_kind_is_a_warning_again() {
    let (log, _guard) = logged(Level::INFO);
    let source = Arc::new(MemoryBackend::new("mine"));
    let resolver = resolver(&source);
    for (kind, why) in [
        (FailureKind::Configuration, "no url"),
        (FailureKind::Configuration, "no url"),
        (FailureKind::Unavailable, "no answer"),
        (FailureKind::Configuration, "no url"),
    ] {
        source.go_down(Failure::new(kind, why));
        resolver.get_variable("a").await.unwrap_err();
    }
    assert_eq!(
        news(&log, &mut 0),
        [
            "WARN mine configuration: no url",
            "WARN mine unavailable: no answer",
            "WARN mine configuration: no url",
        ]
    );
}

#[tokio::test]
async fn a_denial_is_a_warning_once_for_each_id() {
    let (log, _guard) = logged(Level::INFO);
    let denied = |source: MemoryBackend, key: &str| {
        source.with_failure(Asked::Variable(key.into()), Failure::access_denied("no"))
    };
    let source = Arc::new(denied(denied(MemoryBackend::new("mine"), "a"), "b"));
    let resolver = resolver(&source);
    let mut since = 0;
    for key in ["a", "b", "a", "c", "b"] {
        resolver.get_variable(key).await.unwrap_err();
    }
    assert_eq!(news(&log, &mut since), ["WARN mine access_denied: no"; 2]);
    source.set_variable("a", "1");
    resolver.get_variable("a").await.unwrap();
    assert_eq!(news(&log, &mut since), [""; 0]);
}

#[tokio::test]
async fn more_failures_than_are_remembered_are_warnings_again() {
    let (log, _guard) = logged(Level::INFO);
    let keys: Vec<String> = (0..1025).map(|key| key.to_string()).collect();
    let source = keys.iter().fold(MemoryBackend::new("mine"), |source, key| {
        source.with_failure(Asked::Variable(key.clone()), Failure::access_denied("no"))
    });
    let resolver = resolver(&Arc::new(source));
    let mut since = 0;
    resolver.get_variables(&keys).await;
    assert_eq!(news(&log, &mut since).len(), 1025);
    resolver.get_variables(["1024"]).await;
    assert_eq!(news(&log, &mut since).len(), 0);
    resolver.get_variables(["0"]).await;
    assert_eq!(news(&log, &mut since).len(), 1);
}

#[tokio::test]
async fn each_resolver_has_news_of_its_own() {
    let (log, _guard) = logged(Level::INFO);
    let source = Arc::new(MemoryBackend::new("mine"));
    source.go_down(Failure::unavailable("the plug was pulled"));
    for _ in 0..2 {
        resolver(&source).get_variable("a").await.unwrap_err();
    }
    assert_eq!(news(&log, &mut 0).len(), 2);
}

#[tokio::test]
async fn fields_and_spans_say_what_was_asked_of_whom() {
    let (log, _guard) = logged(Level::DEBUG);
    let source = MemoryBackend::new("mine").with_variable("colour", "m4rk3r");
    resolver(&Arc::new(source))
        .get_variable("colour")
        .await
        .unwrap();
    let text = log.text();
    let place = "airflow_secrets::observer::tracing:";
    let lookup = "lookup{kind=\"variable\" id=\"colour\"}";
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.trim_start().split(" elapsed=").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            format!("DEBUG {lookup}: {place} new"),
            format!("DEBUG {lookup}:attempt{{backend=\"mine\"}}: {place} new"),
            format!(
                "DEBUG {lookup}: {place} mine found kind=\"variable\" id=\"colour\" \
                 backend=\"mine\" outcome=\"found\" native_key=\"variable colour\""
            ),
            format!(
                "DEBUG {lookup}: {place} lookup ended kind=\"variable\" id=\"colour\" \
                 backend=\"mine\" outcome=\"found\""
            ),
        ]
    );
    assert_eq!(text.matches(" elapsed=").count(), 2, "{text}");
}

#[tokio::test]
async fn a_warning_has_no_native_key_unless_debug_is_on() {
    for (level, keys) in [(Level::WARN, 0), (Level::DEBUG, 1)] {
        let (log, _guard) = logged(level);
        let source = Arc::new(MemoryBackend::new("mine"));
        source.go_down(Failure::unavailable("the plug was pulled"));
        resolver(&source).get_variable("a").await.unwrap_err();
        let text = log.text();
        let warning = text.lines().find(|line| line.contains("WARN")).unwrap();
        assert_eq!(warning.matches("native_key").count(), keys, "{warning}");
    }
}

#[tokio::test]
async fn an_id_cannot_forge_a_line() {
    let (log, _guard) = logged(Level::DEBUG);
    let source = Arc::new(MemoryBackend::new("mine"));
    resolver(&source)
        .get_variable("a\nWARN b\u{1b}[0m")
        .await
        .unwrap_err();
    let text = log.text();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_resolver_without_tracing_is_silent() {
    let (log, _guard) = logged(Level::TRACE);
    let source = Arc::new(MemoryBackend::new("mine"));
    source.go_down(Failure::unavailable("the plug was pulled"));
    let builder: ResolverBuilder = Resolver::builder().backend(source);
    let resolver = builder.without_tracing().build();
    resolver.get_variable("a").await.unwrap_err();
    resolver.get_variables(["a"]).await;
    assert_eq!(log.text(), "");
}
