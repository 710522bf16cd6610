//! A real PostgreSQL, read under a role that may only `SELECT`.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "support/asking.rs"]
#[allow(dead_code)]
mod asking;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::{fs, time::Duration};

use airflow_secrets::{Lookup, Secret, SecretsBackend, backends::MetastoreBackend};
use asking::{assert_answers, assert_says, backend, host, unavailable};
use futures_util::future::join_all;
use ports::free_port;
use postgres::{PASSWORD_IN_URL, Postgres, TABLES, pgbouncer, url};

/// How many connections the role of `database` has to it.
async fn connections(postgres: &Postgres, database: &str) -> i64 {
    let client = postgres.client("postgres").await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    client.query_one(sql, &[&database]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_role_that_may_only_select_reads_connections_and_variables() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = backend(&postgres.url(&database));
    assert_answers(&backend).await;
    let key = "variable WHERE key = 'plain'";
    let plain = Lookup::found(Secret::from("text"), key);
    assert_eq!(backend.get_variable("plain", None).await, Ok(plain.clone()));
    let absent = Lookup::missing("variable WHERE key = 'it''s not'");
    assert_eq!(
        backend.get_variable("it's not", None).await,
        Ok(absent.clone())
    );
    let together = backend
        .get_variables(&["it's not", "plain", "plain"], None)
        .await;
    assert_eq!(together, [Ok(absent), Ok(plain.clone()), Ok(plain)]);
}

#[tokio::test]
async fn a_team_sees_its_rows_and_those_of_nobody() {
    let postgres = Postgres::shared();
    let rows = "INSERT INTO variable (key, val, team_name) VALUES ('red', '1', 'red'), ('blue', '2', 'blue');";
    let database = postgres.database(&format!("{TABLES}{rows}")).await;
    let backend = backend(&postgres.url(&database));
    for (team, seen) in [
        (None, "plain"),
        (Some("red"), "red plain"),
        (Some("blue"), "blue plain"),
    ] {
        let keys = ["red", "blue", "plain"];
        let answers = backend.get_variables(&keys, team).await;
        for (key, answer) in keys.iter().zip(answers) {
            let is_found = matches!(answer, Ok(Lookup::Found { .. }));
            assert_eq!(
                is_found,
                seen.split(' ').any(|seen| seen == *key),
                "{key} for {team:?}"
            );
            let single = backend.get_variable(key, team).await;
            assert_eq!(single, answer);
        }
    }
}

#[tokio::test]
async fn a_database_of_before_teams_is_read_and_its_migration_noticed_by_the_next_program() {
    let postgres = Postgres::shared();
    let before = TABLES
        .replace(",\n        team_name VARCHAR(50)", "")
        .replace(", team_name VARCHAR(50)", "");
    assert!(!before.contains("team_name"));
    let database = postgres.database(&before).await;
    let url = postgres.url(&database);
    let first = backend(&url);
    assert_answers(&first).await;
    assert_answers(&first).await;
    let migration =
        "ALTER TABLE connection ADD team_name VARCHAR(50); UPDATE connection SET team_name = 'red'";
    postgres.execute(&database, migration).await;
    assert_eq!(host(&backend(&url)).await, Ok(None));
}

#[tokio::test]
async fn nothing_but_select_is_ever_sent() {
    let postgres = Postgres::start(&[
        "logging_collector=on",
        "log_directory=../log",
        "log_filename=all",
        "log_statement=all",
        "log_min_messages=log",
        "log_line_prefix=%u ",
    ]);
    let database = postgres.database(TABLES).await;
    let backend = backend(&postgres.url(&database));
    assert_answers(&backend).await;
    backend.get_variables(&["plain", "absent"], None).await;
    backend.get_conn_value("pg", Some("red")).await.unwrap();
    let log = fs::read_to_string(postgres.folder.join("log/all")).unwrap();
    let sent = log
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{database} LOG:  ")))
        .collect::<Vec<_>>();
    assert_eq!(sent.len(), 3, "{log}");
    for statement in sent {
        assert!(statement.starts_with("statement: SELECT t."), "{statement}");
    }
}

#[tokio::test]
async fn ids_are_read_as_they_are_whatever_a_backslash_means_to_the_server() {
    const KEYS: [&str; 12] = [
        "it's",
        "\\",
        "\\'",
        "back\\slash",
        "\\\\'; SELECT 1 --",
        "\"quoted\"",
        "{a,b}",
        "a,b",
        "NULL",
        " blank ",
        "$1",
        "clé🔑\n",
    ];
    let postgres = Postgres::shared();
    for conforming in ["on", "off"] {
        let rows = KEYS.iter().map(|key| {
            format!("INSERT INTO variable (key, val) VALUES ($q${key}$q$, $q${key}$q$);")
        });
        let sql = format!("{TABLES}{}", rows.collect::<String>());
        let database = postgres.database(&sql).await;
        let setting =
            format!("ALTER DATABASE {database} SET standard_conforming_strings = {conforming}");
        postgres.execute("postgres", &setting).await;
        let backend = backend(&postgres.url(&database));
        let value = |answer: Result<Lookup<Secret>, _>| match answer {
            Ok(Lookup::Found { value, .. }) => value.expose().to_owned(),
            answer => panic!("{answer:?}"),
        };
        for key in KEYS {
            assert_eq!(value(backend.get_variable(key, None).await), key);
        }
        let together = backend.get_variables(&KEYS, None).await;
        assert_eq!(together.into_iter().map(value).collect::<Vec<_>>(), KEYS);
    }
}

#[tokio::test]
async fn many_clients_share_one_server_connection_of_pgbouncer() {
    let postgres = Postgres::shared();
    let rows =
        "INSERT INTO variable (key, val) SELECT 'k' || n, 'v' || n FROM generate_series(0, 49) n";
    let database = postgres.database(&format!("{TABLES}{rows}")).await;
    let pgbouncer = pgbouncer(postgres, &[&database]);
    let backends = (0..10)
        .map(|_| backend(&url(&database, pgbouncer.port)))
        .collect::<Vec<_>>();
    let lookups = (0..1000).map(|number| {
        let backend = &backends[number % backends.len()];
        async move {
            let (key, expected) = (format!("k{}", number % 60), format!("v{}", number % 60));
            let absent = format!("absent{number}");
            let found = match number % 3 {
                0 => backend
                    .get_variables(&[&absent, &key], None)
                    .await
                    .remove(1),
                _ => backend.get_variable(&key, None).await,
            };
            let native_key = format!("variable WHERE key = '{key}'");
            assert_eq!(
                found,
                Ok(match number % 60 {
                    0..50 => Lookup::found(Secret::from(expected), native_key),
                    _ => Lookup::missing(native_key),
                })
            );
        }
    });
    join_all(lookups).await;
    assert_eq!(connections(postgres, &database).await, 1);
}

#[tokio::test]
async fn pgbouncer_never_sees_options_for_a_search_path() {
    let postgres = Postgres::shared();
    let sql = TABLES
        .replace("TABLE ", "TABLE airflow.")
        .replace("INTO ", "INTO airflow.");
    let move_away = "CREATE TABLE connection (); CREATE TABLE variable (); CREATE SCHEMA airflow;";
    let database = postgres.database(&format!("{move_away}{sql}")).await;
    let grant = format!(
        "GRANT USAGE ON SCHEMA airflow TO {database}; GRANT SELECT ON ALL TABLES IN SCHEMA airflow TO {database}"
    );
    postgres.execute(&database, &grant).await;
    let pgbouncer = pgbouncer(postgres, &[&database]);
    for port in [postgres.server.port, pgbouncer.port] {
        let url = url(&database, port);
        assert_answers(&backend(&format!("{url}?options=-csearch_path%3Dairflow"))).await;
        assert_answers(&backend(&format!(
            "{url}?options=-c%20search_path=airflow&application_name=x"
        )))
        .await;
        let schema = MetastoreBackend::builder()
            .url(url)
            .schema("airflow")
            .build()
            .unwrap();
        assert_answers(&schema).await;
    }
    // What is not ours to follow is the server's: PostgreSQL takes it, PgBouncer does not.
    let option = "?options=-csearch_path%3Dnone,airflow";
    assert_answers(&backend(&format!("{}{option}", postgres.url(&database)))).await;
    let message = unavailable(&backend(&format!(
        "{}{option}",
        url(&database, pgbouncer.port)
    )))
    .await;
    assert!(message.contains("refuses the URL's `options`"), "{message}");
}

#[tokio::test]
async fn the_url_forms_of_users_all_connect() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let port = postgres.server.port;
    let user = format!("{database}:{PASSWORD_IN_URL}");
    let socket = postgres.folder.display();
    let dead = free_port();
    for url in [
        format!("postgresql://{user}@127.0.0.1:{port}/{database}"),
        format!("postgres://{user}@localhost:{port}/{database}?sslmode=disable"),
        format!("postgresql+psycopg://{user}@127.0.0.1:{port}/{database}?sslmode=allow"),
        format!("postgresql+asyncpg://{user}@127.0.0.1:{port}/{database}?ssl=prefer"),
        format!("postgres+psycopg2://{user}@127.0.0.1:{port}/{database}?connect_timeout=10"),
        format!("postgresql://{user}@/{database}?host={socket}&port={port}"),
        format!("postgresql://{user}@/{database}?host={socket}&port={port}&sslmode=require"),
        format!("postgresql://{user}@/{database}?host=127.0.0.1:{dead}&host=127.0.0.1:{port}"),
        format!("postgresql://{user}@/{database}?host=127.0.0.1,127.0.0.1&port={dead},{port}"),
        format!("postgresql://{user}@127.0.0.1,localhost:{port}/{database}"),
        format!(
            "postgresql://127.0.0.1:{port}/?user={database}&password={PASSWORD_IN_URL}&dbname={database}"
        ),
        format!(
            "postgresql://{user}@127.0.0.1:{port}/{database}?target_session_attrs=read-write&keepalives=1&keepalives_idle=30"
        ),
    ] {
        let backend = backend(&url);
        assert_answers(&backend).await;
        assert_eq!(backend.warnings(), []);
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
    assert_says(
        &format!("postgresql://{database}:marker-wrong@127.0.0.1:{port}/{database}"),
        "does not accept the user or its password",
    )
    .await;
    assert_says(
        &format!("postgresql://test_nobody:marker@127.0.0.1:{port}/{database}"),
        "does not accept the user or its password",
    )
    .await;
    assert_says(
        &format!("postgresql://{user}@127.0.0.1:{port}/test_none"),
        "has no database of that name",
    )
    .await;
    assert_says(
        &format!("postgresql://{database}@127.0.0.1:{port}/{database}"),
        "cannot log in",
    )
    .await;
    assert_says(
        &format!("postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=require"),
        "no TLS with PostgreSQL at 127.0.0.1",
    )
    .await;
    assert_says(&format!("postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=verify-ca&sslrootcert=/no/ca.pem"), "cannot read the file of certificate authorities /no/ca.pem: No such file").await;
    assert_says(
        &format!("postgresql://{user}@127.0.0.1:{port}/postgres"),
        "has no table `connection` where it was looked for",
    )
    .await;

    let revoke = format!("REVOKE SELECT ON connection FROM {database}");
    postgres.execute(&database, &revoke).await;
    assert_says(
        &postgres.url(&database),
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
        .acquire_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let message = unavailable(&silent).await;
    assert!(
        message.contains("did not take the connection within 100ms"),
        "{message}"
    );
    let hasty = backend(&format!("{}?connect_timeout=0.1", url("test_x", port)));
    let message = unavailable(&hasty).await;
    assert!(
        message.contains("did not take the connection within 100ms"),
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
    assert_eq!(backend.get_variable("plain", None).await, Ok(plain));
}

#[tokio::test]
async fn the_pool_is_lazy_small_and_lets_go() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = MetastoreBackend::builder()
        .url(postgres.url(&database))
        .idle_timeout(Duration::from_millis(50))
        .acquire_timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    assert_eq!(connections(postgres, &database).await, 0);

    let owner = postgres.client(&database).await;
    owner
        .batch_execute("BEGIN; LOCK TABLE connection")
        .await
        .unwrap();
    let lookups = join_all((0..50).map(|_| host(&backend)));
    let watch = async {
        let mut most = 0;
        while most < 4 {
            most = most.max(connections(postgres, &database).await);
        }
        // The other 46 are waiting: no more connections come.
        for _ in 0..5 {
            assert_eq!(connections(postgres, &database).await, 4);
        }
        owner.batch_execute("COMMIT").await.unwrap();
    };
    let (answers, ()) = tokio::join!(lookups, watch);
    for answer in answers {
        assert_eq!(answer, Ok(Some("db.example.com".to_owned())));
    }
    while connections(postgres, &database).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_answers(&backend).await;
    drop(backend);
    while connections(postgres, &database).await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_pool_says_so() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = MetastoreBackend::builder()
        .url(postgres.url(&database))
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(2))
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
async fn connections_that_dropped_are_replaced_unnoticed() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = backend(&postgres.url(&database));
    for _ in 0..5 {
        for answer in join_all((0..8).map(|_| host(&backend))).await {
            assert_eq!(answer, Ok(Some("db.example.com".to_owned())));
        }
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{database}'"
        );
        postgres.execute("postgres", &sql).await;
        assert_answers(&backend).await;
    }
}

#[tokio::test]
async fn a_database_that_goes_down_is_unavailable_and_found_again_when_it_is_back() {
    let folder = Postgres::initialise();
    let port = free_port();
    let mut postgres = Postgres {
        server: Postgres::run(&folder, port, &[], false),
        folder: folder.clone(),
    };
    let database = postgres.database(TABLES).await;
    let backend = backend(&postgres.url(&database));
    for is_last in [false, true] {
        for answer in join_all((0..8).map(|_| host(&backend))).await {
            assert_eq!(answer, Ok(Some("db.example.com".to_owned())));
        }
        postgres.server.stop();
        for _ in 0..3 {
            let message = unavailable(&backend).await;
            assert!(message.contains("connection refused"), "{message}");
        }
        postgres.server = Postgres::run(&folder, port, &[], is_last);
        // It listens before it is ready.
        postgres.client("postgres").await;
        assert_answers(&backend).await;
        assert_eq!(connections(&postgres, &database).await, 1);
    }
}

#[test]
fn a_runtime_that_ends_takes_no_backend_with_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let postgres = Postgres::shared();
    let database = runtime().block_on(postgres.database(TABLES));
    let backend = backend(&postgres.url(&database));
    for _ in 0..3 {
        runtime().block_on(assert_answers(&backend));
    }
    let failure = futures_executor::block_on(host(&backend)).unwrap_err();
    assert!(failure.message().contains("Tokio runtime"), "{failure}");
}
