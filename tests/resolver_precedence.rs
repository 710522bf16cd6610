//! Sources are asked in order, the first answer wins, and no outage looks like "not defined".

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use airflow_secrets::{
    Error, ErrorKind, Failure, Resolver, Secret, backend::FailureKind,
    backends::memory::MemoryBackend, report::Asked,
};

fn failing(name: &str, kind: FailureKind) -> MemoryBackend {
    let backend = MemoryBackend::new(name);
    backend.go_down(Failure::new(kind, format!("{name} said no")));
    backend
}

fn outcomes(error: &Error) -> Vec<(&str, &str)> {
    let attempts = error.report().unwrap().attempts().iter();
    attempts
        .map(|attempt| (attempt.backend(), attempt.outcome().as_str()))
        .collect()
}

#[tokio::test]
async fn the_first_source_that_has_it_answers_and_says_so() {
    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("first").with_variable("other", "1"))
        .backend(MemoryBackend::new("second").with_variable("colour", "blue"))
        .backend(MemoryBackend::new("third").with_variable("colour", "red"))
        .build();
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    assert_eq!(colour.source().backend(), "second");
    assert_eq!(colour.source().native_key(), "variable colour");
    let asked: Vec<_> = colour
        .report()
        .attempts()
        .iter()
        .map(|attempt| (attempt.backend(), attempt.outcome().as_str()))
        .collect();
    assert_eq!(asked, [("first", "missing"), ("second", "found")]);
}

#[tokio::test]
async fn a_failing_source_is_passed_over_when_a_later_one_has_the_answer() {
    let resolver = Resolver::builder()
        .backend(failing("vault", FailureKind::AccessDenied))
        .backend(MemoryBackend::new("environment").with_conn_value("pg", "postgres://db"))
        .build();
    let pg = resolver.get_connection("pg").await.unwrap();
    assert_eq!(pg.host(), Some("db"));
    let first = &pg.report().attempts()[0];
    assert_eq!(first.outcome().as_str(), "access_denied");
    assert_eq!(first.outcome().message().as_deref(), Some("vault said no"));
    assert_eq!(first.native_key(), Some("connection pg"));
}

#[tokio::test]
async fn an_outage_never_looks_like_not_defined() {
    let resolver = Resolver::builder()
        .backend(failing("vault", FailureKind::Unavailable))
        .backend(MemoryBackend::new("environment"))
        .build();
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "unavailable");
    assert_eq!(
        outcomes(&error),
        [("vault", "unavailable"), ("environment", "missing")]
    );
    assert_eq!(
        error.to_string(),
        "variable \"colour\" could not be looked up, and it may exist: \
         vault (variable colour) unavailable: vault said no; environment (variable colour) missing"
    );
}

#[tokio::test]
async fn strict_stops_at_the_first_failure() {
    let resolver = Resolver::builder()
        .backend(failing("vault", FailureKind::AccessDenied))
        .backend(MemoryBackend::new("environment").with_variable("colour", "blue"))
        .build();
    let error = resolver
        .clone()
        .strict()
        .get_variable("colour")
        .await
        .unwrap_err();
    assert_eq!(error.kind().as_str(), "access_denied");
    assert_eq!(outcomes(&error), [("vault", "access_denied")]);
    let answer = resolver.get_variable("colour").await.unwrap();
    assert_eq!(
        answer.expose(),
        "blue",
        "the resolver it was made from is not strict"
    );
}

#[tokio::test]
async fn a_final_denial_stops_even_without_strict() {
    let resolver = Resolver::builder()
        .backend(failing("authority", FailureKind::FinalDenial))
        .backend(MemoryBackend::new("environment").with_variable("colour", "blue"))
        .build();
    let error = resolver.get_variable("colour").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "access_denied");
    assert_eq!(outcomes(&error), [("authority", "access_denied")]);
}

#[tokio::test]
async fn a_value_that_is_no_connection_is_an_invalid_value_unless_a_later_source_has_one() {
    let broken = || MemoryBackend::new("first").with_conn_value("pg", "{not json");
    let error = Resolver::builder()
        .backend(broken())
        .build()
        .get_connection("pg")
        .await
        .unwrap_err();
    assert_eq!(error.kind().as_str(), "invalid_value");
    let answer = Resolver::builder()
        .backend(broken())
        .backend(MemoryBackend::new("second").with_conn_value("pg", "postgres://db"))
        .build()
        .get_connection("pg")
        .await
        .unwrap();
    assert_eq!(answer.source().backend(), "second");
}

#[tokio::test]
async fn an_empty_text_is_a_variable_but_no_connection() {
    let resolver = Resolver::builder()
        .backend(
            MemoryBackend::new("first")
                .with_variable("empty", "")
                .with_conn_value("empty", ""),
        )
        .build();
    assert_eq!(
        *resolver.get_variable("empty").await.unwrap(),
        Secret::from("")
    );
    let error = resolver.get_connection("empty").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "not_found");
}

#[tokio::test]
async fn configuration_is_asked_of_the_custom_backend_alone() {
    let custom = MemoryBackend::new("custom").with_config("sql", "sqlite://");
    let other = MemoryBackend::new("other").with_config("key", "never");
    let resolver = Resolver::builder()
        .custom_backend(std::sync::Arc::new(custom))
        .backend(other)
        .build();
    assert_eq!(
        resolver.get_config("sql").await.unwrap().expose(),
        "sqlite://"
    );
    let error = resolver.get_config("key").await.unwrap_err();
    assert_eq!(error.kind().as_str(), "not_found");
    assert_eq!(outcomes(&error), [("custom", "missing")]);
}

#[tokio::test]
async fn an_id_that_no_source_could_hold_is_refused_before_any_is_asked() {
    let resolver = Resolver::builder()
        .backend(failing("vault", FailureKind::Unavailable))
        .build();
    for id in ["", "a\0b"] {
        let error = resolver.get_connection(id).await.unwrap_err();
        assert_eq!(error.kind().as_str(), "invalid_id");
        assert!(error.report().is_none());
    }
}

#[tokio::test]
async fn what_is_asked_is_named_without_control_characters() {
    let resolver = Resolver::builder().build();
    let error = resolver.get_variable("a\nb\u{1b}[0m").await.unwrap_err();
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let asked = Asked::Variable("a\nb\u{1b}[0m".into());
    assert_eq!(error.asked(), Some(&asked));
}
