//! Asking a metadata DB on a server for its one connection, and what may come of it.

use airflow_secrets::{
    Failure, Lookup, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::metastore::MetastoreBackend,
};

pub(crate) fn backend(url: &str) -> MetastoreBackend {
    MetastoreBackend::builder().url(url).build().unwrap()
}

/// The host of connection `pg`, or `None` where it is missing.
pub(crate) async fn host(backend: &MetastoreBackend) -> Result<Option<String>, Failure> {
    let answer = backend.get_connection("pg", &LookupOptions::new()).await?;
    Ok(match answer {
        Lookup::Found { value, .. } => value.host().map(str::to_owned),
        _ => None,
    })
}

pub(crate) async fn assert_answers(backend: &MetastoreBackend) {
    assert_eq!(host(backend).await, Ok(Some("db.example.com".to_owned())));
}

/// What the one failure says, which must be that the database is unavailable.
pub(crate) async fn unavailable(backend: &MetastoreBackend) -> String {
    fails(backend, FailureKind::Unavailable).await
}

/// What the one failure says, which must be of `kind`. Passwords (with `marker` in them) and users
/// (`test_…`) are in nothing that is shown.
pub(crate) async fn fails(backend: &MetastoreBackend, kind: FailureKind) -> String {
    let failure = host(backend).await.unwrap_err();
    assert_eq!(failure.kind(), kind, "{failure}");
    assert_eq!(failure.is_transient(), kind == FailureKind::Unavailable);
    let shown = format!("{failure} {failure:?} {backend:?}");
    for secret in ["p@ss", "p%40ss", "marker", "test_"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    failure.message().to_owned()
}

/// Asserts that `url` is unavailable, as `what` says.
pub(crate) async fn assert_says(url: &str, what: &str) {
    assert_fails(url, FailureKind::Unavailable, what).await;
}

/// Asserts that asking at `url` fails with `kind`, as `what` says.
pub(crate) async fn assert_fails(url: &str, kind: FailureKind, what: &str) {
    let message = fails(&backend(url), kind).await;
    assert!(message.contains(what), "{what:?} is not in {message:?}");
}
