//! What Airflow answers from its metadata DB, the backend answers too: row by row, one at a time
//! and many at once.

#[path = "support/metastore.rs"]
mod metastore;

use airflow_secrets::{Secret, backends::MetastoreBackend};
use metastore::{Corpus, assert_same_answers, conformance};

fn open(corpus: &Corpus, database: &str, key: &str) -> MetastoreBackend {
    MetastoreBackend::builder()
        .url(format!("sqlite:///{}", conformance(database).display()))
        .fernet_key(Some(Secret::from(corpus.keys[key].as_str())))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_database_of_airflow_3_gives_what_airflow_3_gives() {
    let corpus = Corpus::read("metastore-3-sqlite.jsonl");
    let open = |key: &str| open(&corpus, "metastore-3.db", key);
    assert_same_answers(&corpus, 3, open).await;
}

#[tokio::test]
async fn a_database_of_airflow_2_gives_what_airflow_2_gives() {
    let corpus = Corpus::read("metastore-2-sqlite.jsonl");
    let open = |key: &str| open(&corpus, "metastore-2.db", key);
    assert_same_answers(&corpus, 2, open).await;
}
