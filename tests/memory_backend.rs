//! The memory backend gives what it was given, and fails when it is told to.

// The lint's exception for tests does not reach what they call.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use airflow_secrets::{
    Connection, Dialect, Failure, Lookup, SecretsBackend, backend::LookupOptions,
    backends::memory::MemoryBackend, report::Asked,
};

#[tokio::test]
async fn it_gives_what_it_was_given() {
    let backend = MemoryBackend::new("tests")
        .with_conn_value("pg", "postgres://h")
        .with_variable("v", "")
        .with_config("c", "x");
    let connection = Connection::from_uri("pg", "postgres://h", Dialect::Core).expect("a URI");
    let found = Lookup::found(connection, "connection pg");
    assert_eq!(
        backend
            .get_connection("pg", &LookupOptions::new().with_team("team"))
            .await,
        Ok(found)
    );
    let found = Lookup::found("".into(), "variable v");
    assert_eq!(
        backend.get_variable("v", &LookupOptions::new()).await,
        Ok(found)
    );
    let found = Lookup::found("x".into(), "config c");
    assert_eq!(
        backend.get_config("c", &LookupOptions::new()).await,
        Ok(found)
    );
    let missing = Lookup::missing("variable pg");
    assert_eq!(
        backend.get_variable("pg", &LookupOptions::new()).await,
        Ok(missing)
    );
    assert_eq!((backend.name(), backend.lookups()), ("tests", 4));
}

#[tokio::test]
async fn it_fails_for_one_id_or_for_all() {
    let denied = Failure::access_denied("no");
    let down = Failure::unavailable("down");
    let backend = MemoryBackend::new("tests")
        .with_variable("good", "1")
        .with_failure(Asked::Variable("bad".to_owned()), denied.clone());
    let found = Ok(Lookup::found("1".into(), "variable good"));
    assert_eq!(
        backend.get_variable("good", &LookupOptions::new()).await,
        found
    );
    let bad = backend.get_variable("bad", &LookupOptions::new()).await;
    assert_eq!(bad, Err(denied.at("variable bad")));

    backend.go_down(down.clone());
    let good = backend.get_variable("good", &LookupOptions::new()).await;
    assert_eq!(good, Err(down.at("variable good")));
    backend.come_back();
    assert_eq!(
        backend.get_variable("good", &LookupOptions::new()).await,
        found
    );
}

#[test]
fn debug_shows_no_values() {
    let backend = MemoryBackend::new("tests")
        .with_conn_value("pg", "hunter2")
        .with_variable("v", "hunter2");
    assert!(!format!("{backend:?}").contains("hunter2"));
}
