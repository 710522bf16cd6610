//! The connection codec beside `url::Url`, which does less: it decodes no part but the query.

// `criterion_group!` writes a function without documentation; a bench may panic.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use airflow_secrets::{Connection, Dialect};
use criterion::{Criterion, criterion_group, criterion_main};
use url::Url;

const URI: &str = "postgres://user:p%2Fw%40rd@db.example.com:5432/schema\
                   ?sslmode=require&connect_timeout=10";

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.bench_function("url::Url::parse with query pairs", |bencher| {
        bencher.iter(|| {
            let url = Url::parse(black_box(URI)).expect("a URL");
            let pairs = url.query_pairs().into_owned().collect::<Vec<_>>();
            (url, pairs)
        });
    });
    for (name, dialect) in [("core", Dialect::Core), ("task-sdk", Dialect::TaskSdk)] {
        group.bench_function(format!("Connection::from_uri, {name}"), |bencher| {
            bencher.iter(|| Connection::from_uri("id", black_box(URI), dialect).expect("a URI"));
        });
        let connection = Connection::from_uri("id", URI, dialect).expect("a URI");
        group.bench_function(format!("Connection::get_uri, {name}"), |bencher| {
            bencher.iter(|| black_box(&connection).get_uri());
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
