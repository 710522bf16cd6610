//! What the resolver adds to a source that answers at once: an environment variable, read through
//! the whole chain, beside the same value parsed by itself.

#![allow(missing_docs)]

use std::hint::black_box;

use airflow_secrets::{Connection, Dialect, Environment, Resolver};
use criterion::{Criterion, criterion_group, criterion_main};

const URI: &str =
    "postgres://user:p%2Fw%40rd@db.example.com:5432/schema?sslmode=require&connect_timeout=10";

fn environment_hit(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW_CONN_PG_DEFAULT", URI),
        ("AIRFLOW_VAR_COLOUR", "blue"),
    ]);
    let resolver = runtime
        .block_on(Resolver::from_environment(environment).build())
        .unwrap();

    let mut group = criterion.benchmark_group("environment hit");
    group.bench_function("variable, through the resolver", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(resolver.get_variable(black_box("colour")))
                .unwrap()
        });
    });
    group.bench_function("connection, through the resolver", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(resolver.get_connection(black_box("pg_default")))
                .unwrap()
        });
    });
    group.bench_function("connection, the codec by itself", |bencher| {
        bencher
            .iter(|| Connection::from_value("pg_default", black_box(URI), Dialect::Core).unwrap());
    });
    group.finish();
}

criterion_group!(benches, environment_hit);
criterion_main!(benches);
