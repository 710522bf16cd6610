//! What is asked for ahead is there when it is needed.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use airflow_secrets::{
    CacheOptions, Error, ErrorKind, Failure, Resolver, backends::memory::MemoryBackend,
    report::Asked,
};

fn connection(id: &str) -> Asked {
    Asked::Connection(id.into())
}

fn variable(key: &str) -> Asked {
    Asked::Variable(key.into())
}

fn config(key: &str) -> Asked {
    Asked::Config(key.into())
}

fn source() -> Arc<MemoryBackend> {
    let source = MemoryBackend::new("mine")
        .with_conn_value("pg", "postgres://db")
        .with_variable("colour", "blue")
        .with_config("smtp", "smtp://mail");
    Arc::new(source)
}

fn kept(source: &Arc<MemoryBackend>) -> Resolver {
    Resolver::builder()
        .custom_backend(Arc::clone(source))
        .cache(CacheOptions::new())
        .build()
}

#[tokio::test]
async fn what_was_asked_for_ahead_is_kept_by_its_kind() {
    let source = source();
    let resolver = kept(&source);
    let wanted = [connection("pg"), config("smtp"), variable("colour")];
    assert_eq!(texts(&resolver.prefetch(wanted.clone()).await), [""; 0]);
    assert_eq!(source.lookups(), 3);
    let pg = resolver.get_connection("pg").await.unwrap();
    let colour = resolver.get_variable("colour").await.unwrap();
    let smtp = resolver.get_config("smtp").await.unwrap();
    assert_eq!(
        (pg.host(), colour.expose(), smtp.expose()),
        (Some("db"), "blue", "smtp://mail")
    );
    assert_eq!(texts(&resolver.prefetch(wanted.clone()).await), [""; 0]);
    assert_eq!(source.lookups(), 3, "what is kept is not asked for");
    resolver.refreshed().prefetch(wanted).await;
    assert_eq!(source.lookups(), 6);
}

#[tokio::test]
async fn it_says_what_has_no_answer_and_why_and_the_rest_is_kept() {
    let source = source();
    source.set_variable("colour", "blue");
    let broken = MemoryBackend::new("broken")
        .with_failure(variable("size"), Failure::access_denied("not for you"));
    let resolver = Resolver::builder()
        .backend(Arc::clone(&source))
        .backend(broken)
        .cache(CacheOptions::new())
        .build();
    let wanted = [
        variable("size"),
        variable("colour"),
        connection("absent"),
        variable(""),
    ];
    let failed = resolver.prefetch(wanted).await;
    let told = failed
        .iter()
        .map(|error| (error.asked().unwrap().clone(), error.kind()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (connection("absent"), ErrorKind::NotFound),
            (variable("size"), ErrorKind::AccessDenied),
            (variable(""), ErrorKind::InvalidId),
        ]
    );
    let asked = source.lookups();
    assert_eq!(
        resolver.get_variable("colour").await.unwrap().expose(),
        "blue"
    );
    assert_eq!(
        resolver
            .get_connection("absent")
            .await
            .unwrap_err()
            .to_string(),
        r#"connection "absent" is not defined (cached 0 s ago): mine (connection absent) missing; broken (connection absent) missing"#
    );
    assert_eq!(source.lookups(), asked);
    resolver.get_variable("size").await.unwrap_err();
    assert_eq!(source.lookups(), asked + 1, "a denial is not kept");
}

fn texts(errors: &[Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
