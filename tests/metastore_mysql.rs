//! A real MariaDB, read as a user who may only `SELECT`.

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
#[path = "support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::{fs, time::Duration};

use airflow_secrets::{Lookup, Secret, SecretsBackend, backends::MetastoreBackend};
use asking::{assert_answers, assert_says, backend, host, unavailable};
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
        backend.get_variable("plain", None).await,
        Ok(found("plain", "text"))
    );
    let together = backend
        .get_variables(&["it's \\ not", "plain", "plain"], None)
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
        let together = backend.get_variables(&keys, None).await;
        for ((key, expected), together) in expected.iter().zip(together) {
            assert_eq!(
                together.as_ref(),
                Ok(expected),
                "{key} among others, {collation}"
            );
            let alone = backend.get_variable(key, None).await;
            assert_eq!(alone.as_ref(), Ok(expected), "{key} alone, {collation}");
        }
        let quoted = backend.get_variable("back\\slash'", None).await.unwrap();
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
            backend.get_variable(hostile, Some(hostile)).await,
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
        let answers = backend.get_variables(&keys, team).await;
        for (key, answer) in keys.iter().zip(answers) {
            let is_found = matches!(answer, Ok(Lookup::Found { .. }));
            assert_eq!(
                is_found,
                seen.split(' ').any(|seen| seen == *key),
                "{key} for {team:?}"
            );
            assert_eq!(backend.get_variable(key, team).await, answer);
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
    backend.get_variables(&["plain", "absent"], None).await;
    backend.get_conn_value("pg", Some("red")).await.unwrap();
    let log = log()[before..].to_owned();
    let sent = log
        .lines()
        .filter(|line| line.contains("Query"))
        .collect::<Vec<_>>();
    assert_eq!(sent.len(), 3, "{log}");
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
async fn every_fault_has_its_own_message() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let port = server.server.port;
    let user = format!("{database}:{PASSWORD_IN_URL}");
    let dead = free_port();
    assert_says(
        &format!("mysql://{user}@127.0.0.1:{dead}/{database}"),
        "connection refused; check host and port",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@no-such-host.invalid/{database}"),
        "cannot connect to MySQL at no-such-host.invalid:3306: ",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@/{database}?unix_socket=/nowhere"),
        "MySQL at /nowhere: no such socket",
    )
    .await;
    assert_says(
        &format!("mysql://{database}:marker-wrong@127.0.0.1:{port}/{database}"),
        "does not accept the user or its password",
    )
    .await;
    assert_says(
        &format!("mysql://test_nobody:marker@127.0.0.1:{port}/{database}"),
        "does not accept the user or its password",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@127.0.0.1:{port}/test_none"),
        "does not let this user use that database",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@127.0.0.1:{port}/{database}?ssl_mode=REQUIRED"),
        "no TLS with MySQL at 127.0.0.1",
    )
    .await;
    assert_says(
        &format!("mysql://{user}@127.0.0.1:{port}/{database}?ssl_ca=/no/ca.pem"),
        "cannot read the file of certificate authorities /no/ca.pem: No such file",
    )
    .await;
    let empty = server.database(LOOSE, TABLES);
    server.execute(&empty, "DROP TABLE connection");
    assert_says(
        &server.url(&empty),
        "has no table `connection` where it was looked for",
    )
    .await;
    server.execute(
        "mysql",
        &format!("REVOKE SELECT ON {database}.connection FROM {database}@'%'"),
    );
    assert_says(
        &server.url(&database),
        "does not let this user read the table `connection`; GRANT SELECT",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_or_nonsense_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("mysql://test_x:marker@127.0.0.1:{port}/x");
    let silent = MetastoreBackend::builder()
        .url(url.as_str())
        .acquire_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let message = unavailable(&silent).await;
    assert!(
        message.contains("did not take the connection within 100ms"),
        "{message}"
    );
    drop(listener);
    for nonsense in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x05\0\0\0\x0a12",
        b"\x01\0\0\0\xff",
        b"\0\0\0\0",
        b"",
    ] {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, nonsense)
                .await
                .unwrap();
        };
        let backend = backend(&url);
        let (message, ()) = tokio::join!(unavailable(&backend), serve);
        assert!(message.contains("MySQL at 127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_spoils_nothing() {
    let server = MariaDb::shared();
    // A function in a view, so that a lookup takes as long as it is told to.
    let database = server.database(LOOSE, TABLES);
    let slow =
        "RENAME TABLE connection TO c; CREATE TABLE nap (t DOUBLE); INSERT INTO nap VALUES (3);
        CREATE VIEW connection AS SELECT c.* FROM c, nap WHERE SLEEP(nap.t) = 0;";
    server.execute(&database, slow);
    let backend = MetastoreBackend::builder()
        .url(server.url(&database))
        .statement_timeout(Duration::from_secs(1))
        .max_connections(1)
        .build()
        .unwrap();
    for _ in 0..2 {
        let message = unavailable(&backend).await;
        assert!(message.contains("did not answer within 1s"), "{message}");
    }
    // The caller gives up before we do, in the middle of an answer.
    let given_up = tokio::time::timeout(Duration::from_millis(50), host(&backend)).await;
    assert!(given_up.is_err());
    server.execute(&database, "UPDATE nap SET t = 0");
    assert_answers(&backend).await;
    assert_eq!(
        backend.get_variable("plain", None).await,
        Ok(found("plain", "text"))
    );
}

#[tokio::test]
async fn the_pool_is_lazy_small_and_lets_go() {
    let server = MariaDb::shared();
    let database = server.database(LOOSE, TABLES);
    let backend = MetastoreBackend::builder()
        .url(server.url(&database))
        .idle_timeout(Duration::from_millis(50))
        .acquire_timeout(Duration::from_secs(20))
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
            backend.get_variable("plain", None).await,
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
        .get_variable("large", None)
        .await
        .unwrap();
    let Lookup::Found { value, .. } = answer else {
        panic!("{answer:?}");
    };
    assert!(value.expose() == "0123456789abcdef".repeat(1_048_575));
}
