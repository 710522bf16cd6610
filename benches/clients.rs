//! What a client takes, from the connection to the text that a driver reads, beside the lookup that gave the
//! connection: from memory, which no source undercuts, and as a URI that has to be read.

// `criterion_group!` writes a function without documentation; a bench may panic.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use airflow_secrets::{
    Connection, Dialect, Environment, Resolver, backends::environment::EnvironmentVariablesBackend,
};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};

const POSTGRES: &str = "postgres://app:p%2Fw%40rd@db.example.com:5432/orders\
                        ?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&connect_timeout=10";

/// A connection of each kind, as people have them.
const CONNECTIONS: &[(&str, &str)] = &[
    ("postgres", POSTGRES),
    (
        "mysql",
        "mysql://app:p%2Fw@db:3306/orders?charset=utf8mb4&ssl_mode=REQUIRED",
    ),
    (
        "http",
        "http://u:p@api.example.com:8443/https?timeout=10&X-Tenant=a&Accept=application%2Fjson",
    ),
    (
        "aws",
        "aws://AKIA:secret%2Fkey@/?region_name=eu-west-1&endpoint_url=http%3A%2F%2Fs3.local%3A9000",
    ),
    (
        "google",
        "google-cloud-platform://?key_path=%2Fetc%2Fkey.json&project=p&scope=a%2Cb&num_retries=3",
    ),
    (
        "azure_blob",
        "wasb://account@account.blob.core.windows.net/?account_key=a2V5",
    ),
    (
        "redis",
        "redis://u:p%2Fw@cache:6379/?db=3&ssl=true&ssl_cert_reqs=required",
    ),
    (
        "kafka",
        "kafka://?bootstrap.servers=a%3A9092%2Cb%3A9092&group.id=g&security.protocol=SASL_SSL",
    ),
    (
        "ssh",
        "ssh://etl:p%2Fw@host:22/?conn_timeout=10&no_host_key_check=true",
    ),
    (
        "snowflake",
        "snowflake://u:p@/schema?account=a&warehouse=w&database=d&role=r",
    ),
];

fn clients(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("clients");
    lookup(&mut group);
    for (kind, uri) in CONNECTIONS {
        let connection = Connection::from_uri(*kind, uri, Dialect::Core).expect("a connection");
        let mut measure = |name: &str, form: fn(&Connection)| {
            group.bench_function(format!("{kind}: {name}"), |bencher| {
                bencher.iter(|| form(black_box(&connection)));
            });
        };
        for (name, form) in forms(kind) {
            measure(name, *form);
        }
    }
    group.finish();
}

/// What comes before every client: one connection of the environment, through the resolver.
fn lookup(group: &mut BenchmarkGroup<'_, WallTime>) {
    let environment = Environment::from_iter([("AIRFLOW_CONN_WAREHOUSE", POSTGRES)]);
    let resolver = Resolver::builder()
        .backend(EnvironmentVariablesBackend::new(environment, false))
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    group.bench_function("the lookup of a connection in the environment", |bencher| {
        bencher.iter(|| {
            let found = runtime.block_on(resolver.get_connection("warehouse"));
            black_box(found.expect("a connection"))
        });
    });
}

type Made = fn(&Connection);

/// The client alone, and each form with the client that it is made from.
fn forms(kind: &str) -> &'static [(&'static str, Made)] {
    match kind {
        "postgres" => &[
            ("client", |it| {
                drop(black_box(it.postgres().expect("a client")))
            }),
            ("libpq", |it| {
                drop(black_box(
                    it.postgres().and_then(|it| it.libpq()).expect("a form"),
                ))
            }),
            ("url", |it| {
                drop(black_box(
                    it.postgres().and_then(|it| it.url()).expect("a form"),
                ))
            }),
            ("sqlx_url", |it| {
                drop(black_box(
                    it.postgres().and_then(|it| it.sqlx_url()).expect("a form"),
                ))
            }),
            ("tokio_postgres_and_tls", |it| {
                drop(black_box(
                    it.postgres()
                        .and_then(|it| it.tokio_postgres_and_tls())
                        .expect("a form"),
                ));
            }),
        ],
        "mysql" => &[
            ("client", |it| {
                drop(black_box(it.mysql().expect("a client")))
            }),
            ("sqlx_url", |it| {
                drop(black_box(
                    it.mysql().and_then(|it| it.sqlx_url()).expect("a form"),
                ))
            }),
        ],
        "http" => &[
            ("client", |it| drop(black_box(it.http().expect("a client")))),
            ("headers", |it| {
                drop(black_box(
                    it.http().and_then(|it| it.headers()).expect("a form"),
                ))
            }),
        ],
        "aws" => &[
            ("client", |it| {
                drop(black_box(it.aws_s3().expect("a client")))
            }),
            ("object_store", |it| {
                drop(black_box(
                    it.aws_s3()
                        .and_then(|it| it.object_store())
                        .expect("a form"),
                ))
            }),
        ],
        "google" => &[
            ("client", |it| {
                drop(black_box(it.google().expect("a client")))
            }),
            ("object_store", |it| {
                drop(black_box(
                    it.google()
                        .and_then(|it| it.object_store())
                        .expect("a form"),
                ))
            }),
        ],
        "azure_blob" => &[
            ("client", |it| {
                drop(black_box(it.azure_blob().expect("a client")))
            }),
            ("object_store", |it| {
                drop(black_box(
                    it.azure_blob()
                        .and_then(|it| it.object_store())
                        .expect("a form"),
                ))
            }),
        ],
        "redis" => &[
            ("client", |it| {
                drop(black_box(it.redis().expect("a client")))
            }),
            ("url", |it| {
                drop(black_box(
                    it.redis().and_then(|it| it.url()).expect("a form"),
                ))
            }),
        ],
        "kafka" => &[
            ("client", |it| {
                drop(black_box(it.kafka().expect("a client")))
            }),
            ("options", |it| {
                drop(black_box(
                    it.kafka().and_then(|it| it.options()).expect("a form"),
                ))
            }),
        ],
        "ssh" => &[("client", |it| drop(black_box(it.ssh().expect("a client"))))],
        _ => &[("client", |it| {
            drop(black_box(it.snowflake().expect("a client")))
        })],
    }
}

criterion_group!(benches, clients);
criterion_main!(benches);
