//! What a client takes, from the connection to the text that a driver reads, beside the lookup of a connection
//! in the environment.

// `criterion_group!` writes a function without documentation; a bench may panic.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use airflow_secrets::{
    Connection, Dialect, Environment, Resolver, backends::environment::EnvironmentVariablesBackend,
};
use criterion::{Criterion, criterion_group, criterion_main};

const POSTGRES: &str = "postgres://app:p%2Fw%40rd@db.example.com:5432/orders\
                        ?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&connect_timeout=10";

/// A name, and what makes a client or a form of a connection.
type Made = (&'static str, fn(&Connection));

/// The client, or one of its forms with the client that it is made from.
macro_rules! made {
    ($client:ident $(. $form:ident)?) => {
        (
            concat!(stringify!($client) $(, ", ", stringify!($form))?),
            |connection| {
                let made = connection.$client()$(.and_then(|client| client.$form()))?;
                assert!(black_box(made).is_ok());
            },
        )
    };
}

/// A connection of each kind, as people have them, and what is made of it.
const CASES: &[(&str, &[Made])] = &[
    (
        POSTGRES,
        &[
            made!(postgres),
            made!(postgres.libpq),
            made!(postgres.url),
            made!(postgres.sqlx_url),
            made!(postgres.tokio_postgres_and_tls),
        ],
    ),
    (
        "mysql://app:p%2Fw@db:3306/orders?charset=utf8mb4&ssl_mode=REQUIRED",
        &[made!(mysql), made!(mysql.sqlx_url)],
    ),
    (
        "http://u:p@api.example.com:8443/https?timeout=10&X-Tenant=a&Accept=application%2Fjson",
        &[made!(http), made!(http.headers)],
    ),
    (
        "aws://AKIA:secret%2Fkey@/?region_name=eu-west-1&endpoint_url=http%3A%2F%2Fs3.local%3A9000",
        &[made!(aws_s3), made!(aws_s3.object_store)],
    ),
    (
        "google-cloud-platform://?key_path=%2Fetc%2Fkey.json&project=p&scope=a%2Cb&num_retries=3",
        &[made!(google), made!(google.object_store)],
    ),
    (
        "wasb://account@account.blob.core.windows.net/?account_key=a2V5",
        &[made!(azure_blob), made!(azure_blob.object_store)],
    ),
    (
        "redis://u:p%2Fw@cache:6379/?db=3&ssl=true&ssl_cert_reqs=required",
        &[made!(redis), made!(redis.url)],
    ),
    (
        "kafka://?bootstrap.servers=a%3A9092%2Cb%3A9092&group.id=g&security.protocol=SASL_SSL",
        &[made!(kafka), made!(kafka.options)],
    ),
    (
        "ssh://etl:p%2Fw@host:22/?conn_timeout=10&no_host_key_check=true",
        &[made!(ssh)],
    ),
    (
        "snowflake://u:p@/schema?account=a&warehouse=w&database=d&role=r",
        &[made!(snowflake)],
    ),
];

fn clients(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("clients");
    let environment = Environment::from_iter([("AIRFLOW_CONN_WAREHOUSE", POSTGRES)]);
    let environment = EnvironmentVariablesBackend::new(environment, false);
    let resolver = Resolver::builder().backend(environment).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    group.bench_function("the lookup", |bencher| {
        bencher.iter(|| {
            let found = runtime.block_on(resolver.get_connection("warehouse"));
            black_box(found.expect("a connection"))
        });
    });
    for (uri, made) in CASES {
        let connection = Connection::from_uri("id", uri, Dialect::Core).expect("a connection");
        for (name, make) in *made {
            group.bench_function(*name, |bencher| {
                bencher.iter(|| make(black_box(&connection)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, clients);
criterion_main!(benches);
