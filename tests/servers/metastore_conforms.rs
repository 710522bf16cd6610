//! The conformance suite, on a real PostgreSQL and a real MariaDB.

// A test may panic: so it fails.
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/servers.rs"]
mod servers;

use airflow_secrets::{backends::metastore::MetastoreBackend, testing::Conformance};
use mariadb::MariaDb;
use ports::free_port;
use postgres::Postgres;

const ROWS: &str = "INSERT INTO variable (KEY, val, team_name)
    VALUES ('colour', 'a-blue-marker', NULL), ('shape', 'a-round-marker', 'red');";

async fn assert_conforms(url: &str, unreachable: &str) {
    let backend = |url: &str| MetastoreBackend::builder().url(url).build().unwrap();
    Conformance::of(backend(url))
        .connection("pg", "postgres://db.example.com")
        .variable("colour", "a-blue-marker")
        .team_variable("red", "shape", "a-round-marker")
        .unreachable(backend(unreachable))
        .run()
        .await
        .unwrap();
}

#[tokio::test]
async fn postgresql_conforms() {
    let postgres = Postgres::shared();
    let rows = ROWS.replace("KEY", "key");
    let tables = format!("{}{rows}", postgres::TABLES);
    let database = postgres.database(&tables).await;
    let nobody = format!("postgresql://me@127.0.0.1:{}/db", free_port());
    assert_conforms(&postgres.url(&database), &nobody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_conforms() {
    let mariadb = MariaDb::shared();
    let rows = ROWS.replace("KEY", "`key`");
    let tables = format!("{}{rows}", mariadb::TABLES);
    let database = mariadb.database("utf8mb4_bin", &tables);
    let nobody = format!("mysql://me@127.0.0.1:{}/db", free_port());
    assert_conforms(&mariadb.url(&database), &nobody).await;
}
