//! A real PostgreSQL, read under a role that may only `SELECT`.

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

use std::{fs, time::Duration};

use airflow_secrets::{
    Lookup, Secret, SecretsBackend,
    backend::{FailureKind, LookupOptions},
    backends::metastore::MetastoreBackend,
};
use asking::{assert_answers, assert_fails, backend, fails, host, unavailable};
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
    assert_eq!(
        backend.get_variable("plain", &LookupOptions::new()).await,
        Ok(plain.clone())
    );
    let absent = Lookup::missing("variable WHERE key = 'it''s not'");
    assert_eq!(
        backend
            .get_variable("it's not", &LookupOptions::new())
            .await,
        Ok(absent.clone())
    );
    let together = backend
        .get_variables(&["it's not", "plain", "plain"], &LookupOptions::new())
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
        let answers = backend
            .get_variables(&keys, &LookupOptions::new().with_team(team))
            .await;
        for (key, answer) in keys.iter().zip(answers) {
            let is_found = matches!(answer, Ok(Lookup::Found { .. }));
            assert_eq!(
                is_found,
                seen.split(' ').any(|seen| seen == *key),
                "{key} for {team:?}"
            );
            let single = backend
                .get_variable(key, &LookupOptions::new().with_team(team))
                .await;
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
    backend
        .get_variables(&["plain", "absent"], &LookupOptions::new())
        .await;
    backend
        .get_conn_value("pg", &LookupOptions::new().with_team("red"))
        .await
        .unwrap();
    let checked = backend.check(&LookupOptions::new()).await.unwrap();
    assert_eq!(checked.as_str(), "reachable");
    // The server's log is written by a process of its own, a little later.
    let prefix = format!("{database} LOG:  ");
    let mut log = String::new();
    for _ in 0..200 {
        log = fs::read_to_string(postgres.folder.join("log/all")).unwrap();
        if log.matches(&prefix).count() >= 4 && log.ends_with('\n') {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sent = log
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect::<Vec<_>>();
    assert_eq!(sent.len(), 4, "{log}");
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
            assert_eq!(
                value(backend.get_variable(key, &LookupOptions::new()).await),
                key
            );
        }
        let together = backend.get_variables(&KEYS, &LookupOptions::new()).await;
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
                    .get_variables(&[&absent, &key], &LookupOptions::new())
                    .await
                    .remove(1),
                _ => backend.get_variable(&key, &LookupOptions::new()).await,
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
    assert_fails(
        &format!("{}{option}", url(&database, pgbouncer.port)),
        FailureKind::Configuration,
        "refuses the URL's `options`",
    )
    .await;
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
        format!("postgres+psycopg2://{user}@127.0.0.1:{port}/{database}?connect_timeout=10"),
        format!("postgresql://{user}@/{database}?host={socket}&port={port}"),
        format!("postgresql://{user}@/{database}?host={socket}&port={port}&sslmode=require"),
        format!("postgresql://{user}@/{database}?host=127.0.0.1:{dead}&host=127.0.0.1:{port}"),
        format!("postgresql://{user}@/{database}?host=127.0.0.1,127.0.0.1&port={dead},{port}"),
        format!("postgresql://{user}@127.0.0.1,localhost:{port}/{database}"),
        format!("postgresql://{user}@no-such-host.invalid:{port}/{database}?hostaddr=127.0.0.1"),
        format!("postgresql://{user}@/{database}?hostaddr=127.0.0.1&port={port}"),
        format!("postgresql+pg8000://{user}@/{database}?unix_sock={socket}/.s.PGSQL.{port}"),
        format!(
            "postgresql://{user}@/{database}?host={socket}&port={port}&target_session_attrs=primary"
        ),
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
async fn a_server_of_another_kind_than_the_url_asks_for_is_not_read() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let socket = postgres.folder.display().to_string();
    for host in ["127.0.0.1", &socket] {
        let url = postgres.url(&database).replace("127.0.0.1", "");
        let url = format!("{url}?host={host}&target_session_attrs=standby");
        let message = unavailable(&backend(&url)).await;
        let what = "is not of the kind that the URL's `target_session_attrs` asks for";
        assert!(message.ends_with(what), "{message}");
    }
}

#[test]
fn an_option_that_names_another_server_or_schema_is_not_passed_over() {
    for (option, what) in [
        (
            "hostaddr=db.example.com",
            "`hostaddr` must be an IP address for each host",
        ),
        (
            "hostaddr=10.0.0.1,10.0.0.2",
            "`hostaddr` lists a different number of servers",
        ),
        (
            "unix_sock=/cloudsql/instance",
            "`unix_sock` must be the path of a socket",
        ),
        (
            "server_settings=%7B%7D",
            "`server_settings` cannot be honoured",
        ),
    ] {
        let url = format!("postgresql://u:marker@h/x?{option}");
        let error = MetastoreBackend::builder().url(url).build().unwrap_err();
        assert!(error.message().contains(what), "{error}");
        assert!(!error.to_string().contains("marker"), "{error}");
    }
}

#[tokio::test]
async fn an_asynchronous_url_is_read_with_a_warning() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let url = postgres.url(&database).replace("psycopg2", "asyncpg");
    let backend = backend(&format!("{url}?ssl=prefer"));
    assert_answers(&backend).await;
    let warnings: Vec<_> = backend.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "[database] sql_alchemy_conn (set by the program): the URL names the asynchronous \
             driver asyncpg, with which Airflow cannot read the metadata DB; it is read here all \
             the same (DB-18)"
        ]
    );
}

#[tokio::test]
async fn connect_args_take_the_place_of_the_urls_options() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let builder = MetastoreBackend::builder().url(format!(
        "{}?application_name=url&sslmode=require",
        postgres.url(&database)
    ));
    let plain = builder.clone().connect_args([("sslmode", "disable")]);
    assert_answers(&plain.build().unwrap()).await;
    let elsewhere = builder.connect_args([("sslmode", "disable"), ("options", "-csearch_path=af")]);
    let message = fails(&elsewhere.build().unwrap(), FailureKind::Configuration).await;
    assert!(message.contains("has no table `connection`"), "{message}");
}

#[tokio::test]
async fn the_pool_is_lazy_small_and_lets_go() {
    let postgres = Postgres::shared();
    let database = postgres.database(TABLES).await;
    let backend = MetastoreBackend::builder()
        .url(postgres.url(&database))
        .idle_timeout(Duration::from_millis(50))
        .connect_timeout(Duration::from_secs(20))
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

#[tokio::test]
async fn values_that_are_too_long_for_one_answer_come_in_several() {
    let rows =
        "INSERT INTO variable (key, val) SELECT n::text, REPEAT('0123456789abcdef', 655360) \
                FROM generate_series(1, 3) AS n;
                INSERT INTO variable (key, val) VALUES ('longer', REPEAT('x', 18 * 1024 * 1024));";
    let postgres = Postgres::shared();
    let database = postgres.database(&format!("{TABLES}{rows}")).await;
    let backend = backend(&postgres.url(&database));
    let options = LookupOptions::new();
    let keys = ["1", "plain", "2", "absent", "3"];
    let answers = backend.get_variables(&keys, &options).await;
    let lengths = answers.into_iter().map(|answer| match answer {
        Ok(Lookup::Found { value, .. }) => Some(value.expose().len()),
        Ok(Lookup::Missing { .. }) => None,
        answer => panic!("{answer:?}"),
    });
    let long = Some(10 * 1024 * 1024);
    let expected = [long, Some(4), long, None, long];
    assert_eq!(lengths.collect::<Vec<_>>(), expected);

    let failure = backend.get_variable("longer", &options).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    let message = failure.message();
    assert!(
        message.ends_with("is longer than 17825792 bytes (DB-21)"),
        "{message}"
    );
    let plain = backend.get_variable("plain", &options).await;
    let found = Lookup::found(Secret::from("text"), "variable WHERE key = 'plain'");
    assert_eq!(plain, Ok(found));
}
