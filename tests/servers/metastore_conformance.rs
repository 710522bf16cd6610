//! What Airflow answers from its metadata DB, the backend answers too: row by row, one at a time
//! and many at once, whatever the engine.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/metastore.rs"]
mod metastore;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::fs;

use airflow_secrets::{Secret, backends::metastore::MetastoreBackend};
use mariadb::MariaDb;
use metastore::{Corpus, assert_same_answers, conformance, rows_as_sql};
use postgres::Postgres;

fn open(corpus: &Corpus, url: &str, key: &str) -> MetastoreBackend {
    MetastoreBackend::builder()
        .url(url)
        .fernet_key(Some(Secret::from(corpus.keys[key].as_str())))
        .build()
        .unwrap()
}

async fn assert_sqlite_answers_like(release: u8) {
    let corpus = Corpus::read(&format!("metastore-{release}-sqlite.jsonl"));
    let path = conformance(&format!("metastore-{release}.db"));
    let url = format!("sqlite:///{}", path.display());
    assert_same_answers(&corpus, release, |key| open(&corpus, &url, key)).await;
}

/// Into PostgreSQL goes what Airflow wrote there itself.
async fn assert_postgres_answers_like(release: u8) {
    let corpus = Corpus::read(&format!("metastore-{release}-postgres.jsonl"));
    let dump = conformance(&format!("metastore-{release}.postgres.sql"));
    let postgres = Postgres::shared();
    let database = postgres.database(&fs::read_to_string(dump).unwrap()).await;
    let url = postgres.url(&database);
    assert_same_answers(&corpus, release, |key| open(&corpus, &url, key)).await;
}

/// Into MariaDB go the rows that Airflow wrote into SQLite, but for those that only SQLite holds.
async fn assert_mariadb_answers_like(release: u8) {
    let mut corpus = Corpus::read(&format!("metastore-{release}-sqlite.jsonl"));
    corpus
        .cases
        .retain(|case| !case.asked.id().starts_with("dynamic_"));
    let teams = if release < 3 {
        ", team_name VARCHAR(50)"
    } else {
        ""
    };
    let create = mariadb::TABLES
        .split("INSERT")
        .next()
        .unwrap()
        .replace(teams, "");
    let rows = rows_as_sql(&conformance(&format!("metastore-{release}.db")));
    let mariadb = MariaDb::shared();
    let database = mariadb.database("utf8mb4_nopad_bin", &format!("{create}{rows}"));
    let url = mariadb.url(&database);
    assert_same_answers(&corpus, release, |key| open(&corpus, &url, key)).await;
}

#[tokio::test]
async fn a_sqlite_database_of_airflow_3_gives_what_airflow_3_gives() {
    assert_sqlite_answers_like(3).await;
}

#[tokio::test]
async fn a_sqlite_database_of_airflow_2_gives_what_airflow_2_gives() {
    assert_sqlite_answers_like(2).await;
}

#[tokio::test]
async fn a_postgresql_database_of_airflow_3_gives_what_airflow_3_gives() {
    assert_postgres_answers_like(3).await;
}

#[tokio::test]
async fn a_postgresql_database_of_airflow_2_gives_what_airflow_2_gives() {
    assert_postgres_answers_like(2).await;
}

#[tokio::test]
async fn mariadb_gives_what_airflow_3_gives_for_the_same_rows() {
    assert_mariadb_answers_like(3).await;
}

#[tokio::test]
async fn mariadb_gives_what_airflow_2_gives_for_the_same_rows() {
    assert_mariadb_answers_like(2).await;
}
