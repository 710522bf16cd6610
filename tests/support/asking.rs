//! Asking a metadata DB on a server for its one connection, and what may come of it.

use airflow_secrets::{
    Dialect, Failure, FailureKind, Lookup, SecretsBackend, backends::MetastoreBackend,
};

pub(crate) fn backend(url: &str) -> MetastoreBackend {
    MetastoreBackend::builder().url(url).build().unwrap()
}

/// The host of connection `pg`, or `None` where it is missing.
pub(crate) async fn host(backend: &MetastoreBackend) -> Result<Option<String>, Failure> {
    let answer = backend.get_connection("pg", None, Dialect::Core).await?;
    Ok(match answer {
        Lookup::Found { value, .. } => value.host().map(str::to_owned),
        _ => None,
    })
}

pub(crate) async fn assert_answers(backend: &MetastoreBackend) {
    assert_eq!(host(backend).await, Ok(Some("db.example.com".to_owned())));
}

/// What the one failure says, which must be that the database is unavailable. Passwords (with
/// `marker` in them) and users (`test_…`) are in nothing that is shown.
pub(crate) async fn unavailable(backend: &MetastoreBackend) -> String {
    let failure = host(backend).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    let shown = format!("{failure} {failure:?} {backend:?}");
    for secret in ["p@ss", "p%40ss", "marker", "test_"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    failure.message().to_owned()
}

/// Asserts that asking at `url` fails as `what` says.
pub(crate) async fn assert_says(url: &str, what: &str) {
    let message = unavailable(&backend(url)).await;
    assert!(message.contains(what), "{what:?} is not in {message:?}");
}
