//! A real MariaDB, read as a user who may only `SELECT`.

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
#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::{fs, time::Duration};

use airflow_secrets::{
    Lookup, Secret, SecretsBackend, backend::LookupOptions, backends::metastore::MetastoreBackend,
};
use asking::{assert_answers, backend, host, unavailable};
use futures_util::future::join_all;
use mariadb::{MariaDb, PASSWORD_IN_URL, TABLES};
use ports::free_port;

/// As Airflow's databases mostly are: case and accents make no difference.
const LOOSE: &str = "utf8mb4_general_ci";

fn found(key: &str, value: &str) -> Lookup<Secret> {
    Lookup::found(Secret::from(value), format!("variable WHERE key = '{key}'"))
}

fn missing(key: &str) -> Lookup<Secret> {
    Lookup::missing(format!(
        "variable WHERE key = '{}'",
        key.replace('\'', "''")
    ))
}

/// How many connections the user of `database` has.
fn connections(server: &MariaDb, database: &str) -> u32 {
    let sql =
        format!("SELECT count(*) FROM information_schema.processlist WHERE user = '{database}'");
    server.execute("mysql", &sql).trim().parse().unwrap()
}

#[tokio::test]
async fn a_user_that_may_only_select_reads_connections_and_variables() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let backend = backend(&server.url(&database));
    assert_answers(&backend).await;
    assert_eq!(
        backend.get_variable("plain", &LookupOptions::new()).await,
        Ok(found("plain", "text"))
    );
    let together = backend
        .get_variables(&["it's \\ not", "plain", "plain"], &LookupOptions::new())
        .await;
    let expected = [
        Ok(missing("it's \\ not")),
        Ok(found("plain", "text")),
        Ok(found("plain", "text")),
    ];
    assert_eq!(together, expected);
}

#[tokio::test]
async fn the_collation_of_the_database_decides_which_ids_are_equal() {
    let server = MariaDb::shared();
    let rows = "INSERT INTO variable (`key`, val) VALUES ('Case', '1'), ('accént', '2'), ('🔑', '3'), ('back\\\\slash''', '4');";
    for (collation, is_loose) in [
        (LOOSE, true),
        ("utf8mb4_bin", false),
        ("utf8mb3_bin", false),
    ] {
        let rows = if collation == "utf8mb3_bin" {
            &rows.replace("🔑", "key")
        } else {
            rows
        };
        let database = server.database(collation, &format!("{TABLES}{rows}"));
        let backend = backend(&server.url(&database));
        let loosely = |key: &str, value: &str| {
            if is_loose {
                found(key, value)
            } else {
                missing(key)
            }
        };
        let expected = [
            ("Case", found("Case", "1")),
            ("case", loosely("case", "1")),
            ("CASE", loosely("CASE", "1")),
            // Neither collation looks at blanks at the end.
            ("Case ", found("Case ", "1")),
            (" Case", missing(" Case")),
            ("accent", loosely("accent", "2")),
            ("ACCÉNT", loosely("ACCÉNT", "2")),
            (
                "🔑",
                if collation == "utf8mb3_bin" {
                    missing("🔑")
                } else {
                    found("🔑", "3")
                },
            ),
            ("plain", found("plain", "text")),
            ("plains", missing("plains")),
            ("", missing("")),
        ];
        let keys = expected.iter().map(|(key, _)| *key).collect::<Vec<_>>();
        let together = backend.get_variables(&keys, &LookupOptions::new()).await;
        for ((key, expected), together) in expected.iter().zip(together) {
            assert_eq!(
                together.as_ref(),
                Ok(expected),
                "{key} among others, {collation}"
            );
            let alone = backend.get_variable(key, &LookupOptions::new()).await;
            assert_eq!(alone.as_ref(), Ok(expected), "{key} alone, {collation}");
        }
        let quoted = backend
            .get_variable("back\\slash'", &LookupOptions::new())
            .await
            .unwrap();
        assert!(matches!(quoted, Lookup::Found { value, .. } if value.expose() == "4"));
    }
}

#[tokio::test]
async fn every_sql_mode_reads_the_same_ids() {
    let server = MariaDb::start(&["--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT"]);
    let database = server.database(LOOSE, &TABLES.replace('`', "\""));
    let backend = backend(&server.url(&database));
    assert_answers(&backend).await;
    for hostile in [
        "' OR 1=1 -- ",
        "\\' OR 1=1 -- ",
        "\" OR 1=1 -- ",
        "pg'",
        "%",
    ] {
        assert_eq!(
            backend
                .get_variable(hostile, &LookupOptions::new().with_team(hostile))
                .await,
            Ok(missing(hostile))
        );
    }
}

#[tokio::test]
async fn a_team_sees_its_rows_and_those_of_nobody() {
    let server = MariaDb::shared();
    let rows = "INSERT INTO variable (`key`, val, team_name) VALUES ('red', '1', 'red'), ('blue', '2', 'blue');";
    let database = server.database(LOOSE, &format!("{TABLES}{rows}"));
    let backend = backend(&server.url(&database));
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
            assert_eq!(
                backend
                    .get_variable(key, &LookupOptions::new().with_team(team))
                    .await,
                answer
            );
        }
    }
}

#[tokio::test]
async fn a_database_of_before_teams_is_read() {
    let server = MariaDb::shared();
    let before = TABLES.replace(", team_name VARCHAR(50)", "");
    assert!(!before.contains("team_name"));
    let database = server.database(LOOSE, &before);
    let backend = backend(&server.url(&database));
    assert_answers(&backend).await;
    assert_answers(&backend).await;
}

#[tokio::test]
async fn nothing_but_select_is_ever_sent() {
    let server = MariaDb::start(&["--general-log=1", "--general-log-file=all.log"]);
    let database = server.database(LOOSE, TABLES);
    let log = || fs::read_to_string(server.folder.join("data/all.log")).unwrap();
    let before = log().len();
    let backend = backend(&server.url(&database));
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
    let log = log()[before..].to_owned();
    let sent = log
        .lines()
        .filter(|line| line.contains("Query"))
        .collect::<Vec<_>>();
    assert_eq!(sent.len(), 4, "{log}");
    for statement in sent {
        assert!(statement.contains("Query\tSELECT t."), "{statement}");
    }
}

#[tokio::test]
async fn the_url_forms_of_users_all_connect() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let port = server.server.port;
    let user = format!("{database}:{PASSWORD_IN_URL}");
    let socket = server.folder.join("socket").display().to_string();
    for url in [
        format!("mysql://{user}@127.0.0.1:{port}/{database}"),
        format!("mysql+mysqldb://{user}@127.0.0.1:{port}/{database}?charset=utf8mb4"),
        format!("mysql+pymysql://{user}@localhost:{port}/{database}?connect_timeout=10"),
        format!("mysql+mysqlconnector://{user}@127.0.0.1:{port}/{database}?ssl_disabled=true"),
        format!("mariadb+mysqldb://{user}@127.0.0.1:{port}/{database}?ssl_mode=DISABLED"),
        format!("mysql+mysqldb://{user}@localhost/{database}?unix_socket={socket}"),
        format!("mysql+pymysql://{user}@/{database}?unix_socket={socket}"),
        // The client library reads the socket's path for this machine alone.
        format!("mysql+mysqldb://{user}@127.0.0.1:{port}/{database}?unix_socket=/nowhere"),
        format!(
            "mysql+pymysql://127.0.0.1:{port}/?user={database}&password={PASSWORD_IN_URL}&database={database}"
        ),
    ] {
        let backend = backend(&url);
        assert_answers(&backend).await;
        assert_eq!(backend.warnings(), []);
    }
    let other = server.database(
        LOOSE,
        "CREATE TABLE connection (x INT); CREATE TABLE variable (x INT)",
    );
    server.execute(
        "mysql",
        &format!("GRANT SELECT ON {database}.* TO {other}@'%'"),
    );
    let elsewhere = MetastoreBackend::builder()
        .url(server.url(&other))
        .schema(&database)
        .build()
        .unwrap();
    assert_answers(&elsewhere).await;
}

#[tokio::test]
async fn a_character_beyond_the_urls_charset_is_read_whole() {
    let server = MariaDb::shared();
    let rows = "INSERT INTO variable (`key`, val) VALUES ('smile', 'a😀b');";
    let database = server.database(LOOSE, &format!("{TABLES}{rows}"));
    for charset in ["utf8", "latin1"] {
        let backend = backend(&format!("{}?charset={charset}", server.url(&database)));
        assert_eq!(
            backend.get_variable("smile", &LookupOptions::new()).await,
            Ok(found("smile", "a😀b"))
        );
    }
}

#[tokio::test]
async fn the_pool_is_lazy_small_and_lets_go() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let backend = MetastoreBackend::builder()
        .url(server.url(&database))
        .idle_timeout(Duration::from_millis(50))
        .connect_timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    assert_eq!(connections(server, &database), 0);
    for answer in join_all((0..50).map(|_| host(&backend))).await {
        assert_eq!(answer, Ok(Some("db.example.com".to_owned())));
    }
    while connections(server, &database) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_answers(&backend).await;
    assert_eq!(connections(server, &database), 1);
}

#[tokio::test]
async fn connections_that_dropped_are_replaced_unnoticed() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let backend = backend(&server.url(&database));
    for _ in 0..5 {
        for answer in join_all((0..8).map(|_| host(&backend))).await {
            assert_eq!(answer, Ok(Some("db.example.com".to_owned())));
        }
        server.execute("mysql", &format!("KILL USER {database}"));
        assert_answers(&backend).await;
    }
}

#[tokio::test]
async fn a_transaction_that_the_server_opens_shows_no_past() {
    let server = MariaDb::start(&["--autocommit=0"]);
    let database = server.database(LOOSE, &format!("{TABLES} COMMIT;"));
    let backend = backend(&server.url(&database));
    for number in 0..3 {
        let value = format!("v{number}");
        server.execute(
            &database,
            &format!("UPDATE variable SET val = '{value}'; COMMIT;"),
        );
        assert_eq!(
            backend.get_variable("plain", &LookupOptions::new()).await,
            Ok(found("plain", &value))
        );
    }
}

#[tokio::test]
async fn a_database_that_goes_down_is_unavailable_and_found_again_when_it_is_back() {
    let folder = MariaDb::initialise();
    let port = free_port();
    let mut mariadb = MariaDb {
        server: MariaDb::run(&folder, port, &[], false),
        folder: folder.clone(),
    };
    let database = mariadb.database(LOOSE, TABLES);
    let backend = backend(&mariadb.url(&database));
    for is_last in [false, true] {
        for answer in join_all((0..8).map(|_| host(&backend))).await {
            assert_eq!(answer, Ok(Some("db.example.com".to_owned())));
        }
        mariadb.server.stop();
        for _ in 0..3 {
            let message = unavailable(&backend).await;
            assert!(message.contains("connection refused"), "{message}");
        }
        mariadb.server = MariaDb::run(&folder, port, &[], is_last);
        assert_answers(&backend).await;
        assert_eq!(connections(&mariadb, &database), 1);
    }
}

#[tokio::test]
async fn a_large_value_arrives_whole() {
    let server = MariaDb::shared();
    let rows =
        "INSERT INTO variable (`key`, val) VALUES ('large', REPEAT('0123456789abcdef', 1048575));";
    let settings = "SET SESSION sql_mode = ''; ";
    let database = server.database(LOOSE, &format!("{settings}{TABLES}{rows}"));
    let answer = backend(&server.url(&database))
        .get_variable("large", &LookupOptions::new())
        .await
        .unwrap();
    let Lookup::Found { value, .. } = answer else {
        panic!("{answer:?}");
    };
    assert!(value.expose() == "0123456789abcdef".repeat(1_048_575));
}
