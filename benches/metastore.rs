//! One lookup over a warm pool beside the bare driver's query of the same row, and many ids at
//! once beside as many lookups one by one; on a real PostgreSQL, on MariaDB and on SQLite.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "../tests/support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../tests/support/ports.rs"]
mod ports;
#[path = "../tests/support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../tests/support/servers.rs"]
mod servers;

use std::{fmt::Write as _, hint::black_box, time::Instant};

use airflow_secrets::{
    Lookup, Secret, SecretsBackend, backend::LookupOptions, backends::metastore::MetastoreBackend,
};
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
struct Work<'a> {
    runtime: &'a Runtime,
    backend: &'a MetastoreBackend,
    ids: Vec<String>,
}

impl<'a> Work<'a> {
    fn new(runtime: &'a Runtime, backend: &'a MetastoreBackend) -> Self {
        let ids = (0..MANY).map(|number| format!("c{number}")).collect();
        Self {
            runtime,
            backend,
            ids,
        }
    }

    fn one(&self) {
        let options = LookupOptions::new();
        let lookup = self.backend.get_connection("c7", &options);
        assert!(matches!(
            self.runtime.block_on(lookup),
            Ok(Lookup::Found { .. })
        ));
    }

    fn together(&self) {
        let ids = self.ids.iter().map(String::as_str).collect::<Vec<_>>();
        let options = LookupOptions::new();
        let lookups = self.backend.get_connections(&ids, &options);
        let answers = self.runtime.block_on(lookups);
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Ok(Lookup::Found { .. })))
        );
    }

    fn one_by_one(&self) {
        self.runtime.block_on(async {
            for id in &self.ids {
                let answer = self.backend.get_connection(id, &LookupOptions::new()).await;
                assert!(matches!(answer, Ok(Lookup::Found { .. })));
            }
        });
    }
}

fn lookups(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    backend: &MetastoreBackend,
    name: &str,
) {
    let work = Work::new(runtime, backend);
    group.bench_function(format!("{name}/one lookup"), |bencher| {
        bencher.iter(|| work.one());
    });
    group.bench_function(format!("{name}/100 at once"), |bencher| {
        bencher.iter(|| work.together());
    });
    group.bench_function(format!("{name}/100 one by one"), |bencher| {
        bencher.iter(|| work.one_by_one());
    });
}

/// Prints how many times as long `second` takes as `first`. The two take turns, so that whatever
/// else the machine does meets both; the median of the turns counts.
fn ratio(name: &str, times: u32, first: impl Fn(), second: impl Fn()) {
    let time = |work: &dyn Fn()| {
        let start = Instant::now();
        (0..times).for_each(|_| work());
        start.elapsed().as_secs_f64()
    };
    let mut ratios = (0..101)
        .map(|_| {
            let first = time(&first);
            time(&second) / first
        })
        .collect::<Vec<_>>();
    ratios.sort_by(f64::total_cmp);
    println!("metastore/ratio/{name}: {:.2}", ratios[ratios.len() / 2]);
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
    let bare = || {
        let sql = "SELECT conn_id, conn_type, description, host, schema, login, password, port, is_encrypted, \
                   is_extra_encrypted, extra FROM connection WHERE conn_id = $1 AND team_name IS NULL LIMIT 1";
        let rows = runtime.block_on(client.query_typed(sql, &[(&"c7", Type::TEXT)]));
        let [row] = rows.unwrap().try_into().unwrap();
        for column in [0, 1, 2, 3, 4, 5, 6, 10] {
            black_box(row.get::<_, Option<String>>(column));
        }
        black_box(row.get::<_, Option<i32>>(7));
    };
    group.bench_function("postgres/bare driver", |bencher| bencher.iter(bare));
    let url = format!("{}?sslmode=disable", postgres.url(&database));
    let backend = MetastoreBackend::builder().url(url).build().unwrap();
    lookups(&mut group, &runtime, &backend, "postgres");
    let work = Work::new(&runtime, &backend);
    ratio(
        "postgres: one lookup beside the bare driver (at most 1.1)",
        50,
        bare,
        || work.one(),
    );
    ratio(
        "postgres: 100 one by one beside 100 at once (at least 20)",
        1,
        || work.together(),
        || work.one_by_one(),
    );

    let mariadb = MariaDb::shared();
    let sql = format!("{}{}", mariadb::TABLES, rows());
    let database = mariadb.database("utf8mb4_general_ci", &sql);
    let backend = MetastoreBackend::builder()
        .url(mariadb.url(&database))
        .build()
        .unwrap();
    lookups(&mut group, &runtime, &backend, "mariadb");
    let work = Work::new(&runtime, &backend);
    ratio(
        "mariadb: 100 one by one beside 100 at once",
        1,
        || work.together(),
        || work.one_by_one(),
    );

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
