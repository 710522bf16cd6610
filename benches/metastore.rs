//! One lookup over a warm pool beside the bare driver's query of the same row, and many ids at
//! once beside as many lookups one by one; on a real PostgreSQL, on MariaDB and on SQLite.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../tests/support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../tests/support/servers.rs"]
mod servers;

use std::fmt::Write as _;

use airflow_secrets::{Dialect, Lookup, Secret, SecretsBackend, backends::MetastoreBackend};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use mariadb::MariaDb;
use postgres::Postgres;
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, types::Type};

/// How many ids are asked for at once.
const MANY: usize = 100;

/// A connection for each id, of the usual size.
fn rows() -> String {
    (0..MANY).fold(String::new(), |mut sql, number| {
        let extra = r#"{"sslmode": "require", "connect_timeout": 10}"#;
        let _ = write!(
            sql,
            "INSERT INTO connection (conn_id, conn_type, description, host, login, password, port, extra) VALUES \
             ('c{number}', 'postgres', 'the warehouse', 'db.example.com', 'loader', 'secret', 5432, '{extra}');"
        );
        sql
    })
}

/// One lookup, many at once, and many one by one.
fn lookups(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    backend: &MetastoreBackend,
    name: &str,
) {
    let ids = (0..MANY)
        .map(|number| format!("c{number}"))
        .collect::<Vec<_>>();
    let ids = ids.iter().map(String::as_str).collect::<Vec<_>>();
    group.bench_function(format!("{name}/one lookup"), |bencher| {
        bencher.iter(|| {
            let answer = runtime.block_on(backend.get_connection("c7", None, Dialect::Core));
            assert!(matches!(answer, Ok(Lookup::Found { .. })));
        });
    });
    group.bench_function(format!("{name}/100 at once"), |bencher| {
        bencher.iter(|| {
            let answers = runtime.block_on(backend.get_connections(&ids, None, Dialect::Core));
            assert!(
                answers
                    .iter()
                    .all(|answer| matches!(answer, Ok(Lookup::Found { .. })))
            );
        });
    });
    group.bench_function(format!("{name}/100 one by one"), |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for id in &ids {
                    let answer = backend.get_connection(id, None, Dialect::Core).await;
                    assert!(matches!(answer, Ok(Lookup::Found { .. })));
                }
            });
        });
    });
}

fn metastore(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = criterion.benchmark_group("metastore");

    let postgres = Postgres::shared();
    let sql = format!("{}{}ANALYZE;", postgres::TABLES, rows());
    let database = runtime.block_on(postgres.database(&sql));
    let client = runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(postgres.server.port)
            .user(&database);
        config.password(postgres::PASSWORD).dbname(&database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    });
    group.bench_function("postgres/bare driver", |bencher| {
        bencher.iter(|| {
            let sql = "SELECT conn_id, conn_type, description, host, schema, login, password, port, is_encrypted, \
                       is_extra_encrypted, extra FROM connection WHERE conn_id = $1 AND team_name IS NULL LIMIT 1";
            let rows = runtime.block_on(client.query_typed(sql, &[(&"c7", Type::TEXT)]));
            let [row] = rows.unwrap().try_into().unwrap();
            for column in [0, 1, 2, 3, 4, 5, 6, 10] {
                std::hint::black_box(row.get::<_, Option<String>>(column));
            }
            std::hint::black_box(row.get::<_, Option<i32>>(7));
        });
    });
    let url = format!("{}?sslmode=disable", postgres.url(&database));
    let backend = MetastoreBackend::builder().url(url).build().unwrap();
    lookups(&mut group, &runtime, &backend, "postgres");

    let mariadb = MariaDb::shared();
    let sql = format!("{}{}", mariadb::TABLES, rows());
    let database = mariadb.database("utf8mb4_general_ci", &sql);
    let backend = MetastoreBackend::builder()
        .url(mariadb.url(&database))
        .build()
        .unwrap();
    lookups(&mut group, &runtime, &backend, "mariadb");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("airflow.db");
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    let sql = format!("{}{}", postgres::TABLES, rows()).replace("SERIAL", "INTEGER");
    sqlite.execute_batch(&sql).unwrap();
    let backend = MetastoreBackend::builder()
        .url(format!("sqlite:///{}", path.display()))
        .fernet_key(Some(Secret::from("")))
        .build()
        .unwrap();
    lookups(&mut group, &runtime, &backend, "sqlite");
    group.finish();
}

criterion_group!(benches, metastore);
criterion_main!(benches);
