//! What a lookup says where a real PostgreSQL does not answer it, and whose fault that is.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../support/asking.rs"]
#[allow(dead_code)]
mod asking;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::{
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use airflow_secrets::{
    Failure, Lookup, Resolver, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::metastore::MetastoreBackend,
};
use asking::{assert_answers, assert_fails, assert_says, backend, fails, host, unavailable};
use ports::free_port;
use postgres::{PASSWORD, PASSWORD_IN_URL, Postgres, TABLES, pgbouncer, url};

#[tokio::test]
async fn each_new_connection_asks_the_program_for_its_password() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let url = postgres.url(&database).replace(PASSWORD_IN_URL, "marker");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(Mutex::new(vec![
        Err(Failure::configuration("no token is configured")),
        Err(Failure::unavailable("the token service is down")
            .with_retry_after(Duration::from_secs(7))),
        Err(Failure::access_denied("the role is not allowed")),
        Ok(Secret::from("marker-wrong")),
        Ok(Secret::from(PASSWORD)),
        Ok(Secret::from(PASSWORD)),
    ]));
    let (noted, given) = (Arc::clone(&asked), Arc::clone(&answers));
    let backend = MetastoreBackend::builder()
        .url(url)
        .password_from(move |login| {
            noted.lock().unwrap().push(login);
            let answer = given.lock().unwrap().remove(0);
            async move { answer }
        })
        .build()
        .unwrap();
    for (kind, problem) in [
        (FailureKind::Configuration, "no token is configured"),
        (FailureKind::Unavailable, "the token service is down"),
        (FailureKind::AccessDenied, "the role is not allowed"),
    ] {
        let failure = host(&backend).await.unwrap_err();
        assert_eq!(failure.kind(), kind);
        let place = format!("PostgreSQL at 127.0.0.1:{}", postgres.server.port);
        assert_eq!(
            failure.message(),
            format!("no password for {place}: {problem}")
        );
        let pause = (kind == FailureKind::Unavailable).then_some(Duration::from_secs(7));
        assert_eq!(failure.retry_after(), pause);
        assert_eq!(failure.source().unwrap().to_string(), problem);
    }
    let message = fails(&backend, FailureKind::AccessDenied).await;
    assert!(
        message.contains("refused the user or its password"),
        "{message}"
    );
    assert_answers(&backend).await;
    assert_answers(&backend).await;
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{database}'"
    );
    postgres.execute("postgres", &sql).await;
    assert_answers(&backend).await;
    assert_eq!(answers.lock().unwrap().len(), 0);
    for login in asked.lock().unwrap().iter() {
        assert_eq!(login.host, "127.0.0.1");
        assert_eq!(login.port, postgres.server.port);
        assert_eq!(login.user, database);
    }
}

#[tokio::test]
async fn what_pgbouncer_refuses_is_no_outage() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let pgbouncer = pgbouncer(postgres, &[&database]);
    let right = url(&database, pgbouncer.port);
    assert_answers(&backend(&right)).await;
    assert_fails(
        &right.replace(PASSWORD_IN_URL, "marker"),
        FailureKind::AccessDenied,
        "refused the user or its password",
    )
    .await;
}

#[tokio::test]
async fn where_one_of_two_servers_is_down_the_other_ones_refusal_is_an_outage() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let port = postgres.server.port;
    let hosts = |dead| format!("host=127.0.0.1:{port}&host=127.0.0.1:{dead}");
    let url = format!("postgresql://{database}:marker@/{database}");
    let message = unavailable(&backend(&format!("{url}?{}", hosts(free_port())))).await;
    assert!(
        message.contains("refused the user or its password"),
        "{message}"
    );
    assert!(message.contains("connection refused"), "{message}");
    fails(
        &backend(&format!("{url}?{}", hosts(port))),
        FailureKind::AccessDenied,
    )
    .await;
}

#[tokio::test]
async fn a_host_that_may_be_part_of_a_password_is_not_shown() {
    let message = unavailable(&backend(
        "postgresql://test_x:p@marker.invalid?x=marker@127.0.0.1/x",
    ))
    .await;
    assert!(
        message.starts_with("cannot connect to PostgreSQL at the URL's host: "),
        "{message}"
    );
}

#[tokio::test]
async fn only_a_regular_file_is_read_as_an_authority() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    for file in ["/dev/zero", "/"] {
        let options = format!("?sslmode=verify-ca&sslrootcert={file}");
        let what = format!("cannot read the file of certificate authorities {file}: it is ");
        let url = postgres.url(&database);
        assert_fails(
            &format!("{url}{options}"),
            FailureKind::Configuration,
            &what,
        )
        .await;
    }
}

#[tokio::test]
async fn every_fault_has_its_own_message() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let port = postgres.server.port;
    let user = format!("{database}:{PASSWORD_IN_URL}");
    let dead = free_port();
    assert_says(
        &format!("postgresql://{user}@127.0.0.1:{dead}/{database}"),
        "connection refused; check host and port",
    )
    .await;
    assert_says(
        &format!("postgresql://{user}@no-such-host.invalid/{database}"),
        "cannot connect to PostgreSQL at no-such-host.invalid:5432: ",
    )
    .await;
    assert_says(
        &format!("postgresql://{user}@/{database}?host=/nowhere"),
        "PostgreSQL at /nowhere/.s.PGSQL.5432: no such socket",
    )
    .await;
    assert_fails(
        &format!("postgresql://{database}:marker-wrong@127.0.0.1:{port}/{database}"),
        FailureKind::AccessDenied,
        "refused the user or its password",
    )
    .await;
    assert_fails(
        &format!("postgresql://test_nobody:marker@127.0.0.1:{port}/{database}"),
        FailureKind::AccessDenied,
        "refused the user or its password",
    )
    .await;
    assert_fails(
        &format!("postgresql://{user}@127.0.0.1:{port}/test_none"),
        FailureKind::Configuration,
        "has no database of the name",
    )
    .await;
    assert_fails(
        &format!("postgresql://{database}@127.0.0.1:{port}/{database}"),
        FailureKind::Configuration,
        "cannot log in",
    )
    .await;
    assert_says(
        &format!("postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=require"),
        "no TLS connection to PostgreSQL at 127.0.0.1",
    )
    .await;
    assert_fails(&format!("postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=verify-ca&sslrootcert=/no/ca.pem"), FailureKind::Configuration, "cannot read the file of certificate authorities /no/ca.pem: No such file").await;
    assert_fails(
        &format!("postgresql://{user}@127.0.0.1:{port}/postgres"),
        FailureKind::Configuration,
        "has no table `connection` where it was looked for",
    )
    .await;

    let revoke = format!("REVOKE SELECT ON connection FROM {database}");
    postgres.execute(&database, &revoke).await;
    assert_fails(
        &postgres.url(&database),
        FailureKind::AccessDenied,
        "does not let this user read the table `connection`; GRANT SELECT",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_speaks_something_else_or_nothing_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = MetastoreBackend::builder()
        .url(url("test_x", port))
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let message = unavailable(&silent).await;
    assert!(
        message.contains("did not accept the connection within 100ms"),
        "{message}"
    );
    let hasty = backend(&format!("{}?connect_timeout=0.1", url("test_x", port)));
    let message = unavailable(&hasty).await;
    assert!(
        message.contains("did not accept the connection within 100ms"),
        "{message}"
    );
    drop(listener);
}

#[tokio::test]
async fn a_query_that_takes_too_long_spoils_nothing() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = MetastoreBackend::builder()
        .url(postgres.url(&database))
        .statement_timeout(Duration::from_secs(1))
        .max_connections(1)
        .build()
        .unwrap();
    let owner = postgres.client(&database).await;
    owner
        .batch_execute("BEGIN; LOCK TABLE connection")
        .await
        .unwrap();
    for _ in 0..3 {
        let message = unavailable(&backend).await;
        assert!(message.contains("did not answer within 1s"), "{message}");
    }
    // The caller gives up before we do.
    let given_up = tokio::time::timeout(Duration::from_millis(20), host(&backend)).await;
    assert!(given_up.is_err());
    owner.batch_execute("COMMIT").await.unwrap();
    assert_answers(&backend).await;
    let key = "variable WHERE key = 'plain'";
    let plain = Lookup::found(Secret::from("text"), key);
    assert_eq!(
        backend.get_variable("plain", &LookupOptions::new()).await,
        Ok(plain)
    );
}

#[tokio::test]
async fn a_full_pool_says_so() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = MetastoreBackend::builder()
        .url(postgres.url(&database))
        .max_connections(1)
        .connect_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    assert_answers(&backend).await;
    let owner = postgres.client(&database).await;
    owner
        .batch_execute("BEGIN; LOCK TABLE connection")
        .await
        .unwrap();
    let second = async {
        let message = unavailable(&backend).await;
        owner.batch_execute("COMMIT").await.unwrap();
        message
    };
    let (first, message) = tokio::join!(host(&backend), second);
    assert_eq!(first, Ok(Some("db.example.com".to_owned())));
    assert!(
        message.contains("all 1 connections to PostgreSQL at 127.0.0.1"),
        "{message}"
    );
    assert!(message.contains("were busy for 2s"), "{message}");
}

#[tokio::test]
async fn what_one_statement_gave_by_the_deadline_is_kept_when_the_next_is_silent() {
    let slow = "
        ALTER TABLE variable RENAME TO held;
        INSERT INTO held (key, val) VALUES ('slow', 'text');
        CREATE FUNCTION slowly(key TEXT, val TEXT) RETURNS TEXT LANGUAGE plpgsql VOLATILE AS $$
            BEGIN
                IF key = 'slow' THEN PERFORM pg_sleep(600); END IF;
                RETURN val;
            END $$;
        CREATE VIEW variable AS SELECT key, slowly(key, val) AS val, is_encrypted, team_name FROM held;";
    let postgres = Postgres::shared();
    let database = postgres.database(&format!("{TABLES}{slow}")).await;
    let backend = backend(&postgres.url(&database));
    let resolver = Resolver::builder().backend(backend).build();
    let resolver = resolver.within(Duration::from_secs(1));
    // One statement asks for 5,000.
    let mut keys: Vec<String> = (1..5_000).map(|index| format!("key-{index}")).collect();
    keys.extend(["plain".to_owned(), "slow".to_owned()]);
    let mut answers = resolver.get_variables(&keys).await;
    let slow = answers.pop().unwrap().unwrap_err();
    assert_eq!(
        slow.report().unwrap().to_string(),
        "metastore (variable WHERE key = 'slow') unavailable: no answer before the lookup's deadline passed"
    );
    assert_eq!(answers.pop().unwrap().unwrap().expose(), "text");
    assert_eq!(answers.len(), 4_999);
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind().as_str(), "not_found");
    }
}
