//! One resolver in several Tokio runtimes, after the end of one, in blocking code, and with lookups that
//! are given up at every point: each answer is right or says why not, nothing hangs, nothing is lost. Each
//! backend has room for one request at a time: a slot or connection that is lost is missed at once.

// A test may panic: so it fails.
#![allow(
    clippy::duplicate_mod,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../support"]
mod support {
    pub(crate) mod moto;
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
}
#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::Poll,
    thread,
    time::Duration,
};

use airflow_secrets::{
    Environment, Error, ErrorKind, Resolver, SecretsBackend,
    backends::{
        HttpOptions,
        aws::SecretsManagerBackend,
        metastore::MetastoreBackend,
        vault::{VaultBackend, VaultCredential},
    },
};
use futures_util::future::join_all;
use mariadb::MariaDb;
use postgres::Postgres;
use serde_json::json;
use support::{
    moto::{Moto, REGION, moto},
    openbao::OpenBao,
    ports,
};
use tokio::runtime::{Builder, Runtime};

/// The variable that all servers have, and its value.
const KEY: &str = "plain";
const VALUE: &str = "text";

/// Far longer than any lookup takes: what is not over then hangs.
const HANGS: Duration = Duration::from_secs(60);

type Answer = Result<String, Error>;

/// The servers run as long as the tests do, in a runtime of their own.
struct Servers {
    _runtime: Runtime,
    vault: OpenBao,
    login: (String, String),
    moto: &'static Moto,
    postgres_url: String,
    mariadb_url: String,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let (vault, login, moto, postgres_url) = runtime.block_on(async {
        let vault = OpenBao::dev().await;
        vault.mount_kv("airflow", 2).await;
        let path = format!("variables/{KEY}");
        vault.put("airflow", &path, json!({"value": VALUE})).await;
        vault.policy("reader", &["airflow/data/*"]).await;
        vault.enable_login("approle").await;
        let role = json!({"token_policies": ["reader"]});
        let login = vault.approle("worker", role).await;
        let moto = moto().await;
        moto.secret(&format!("airflow/variables/{KEY}"), VALUE)
            .await;
        let postgres = Postgres::shared();
        let database = postgres.database(postgres::TABLES).await;
        (vault, login, moto, postgres.url(&database))
    });
    let mariadb = MariaDb::shared();
    let database = mariadb.database("utf8mb4_general_ci", mariadb::TABLES);
    Servers {
        _runtime: runtime,
        vault,
        login,
        moto,
        postgres_url,
        mariadb_url: mariadb.url(&database),
    }
});

/// A way to ask each server, none of which has been asked yet.
fn backends() -> [Arc<dyn SecretsBackend>; 4] {
    let servers = &*SERVERS;
    let one_at_a_time = HttpOptions::new().with_max_concurrent_requests(1);
    let (role_id, secret_id) = servers.login.clone();
    let vault = VaultBackend::builder()
        .url(servers.vault.url.as_str())
        .mount_point("airflow")
        .credential(VaultCredential::approle(role_id, Some(secret_id)))
        .http(one_at_a_time.clone());
    let environment = Environment::from_iter([
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "marker"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    let aws = SecretsManagerBackend::builder()
        .environment(&environment)
        .endpoint_url(servers.moto.url.as_str())
        .http(one_at_a_time);
    let database = |url: &str| MetastoreBackend::builder().url(url).max_connections(1);
    [
        Arc::new(vault.build().unwrap()),
        Arc::new(aws.build().unwrap()),
        Arc::new(database(&servers.postgres_url).build().unwrap()),
        Arc::new(database(&servers.mariadb_url).build().unwrap()),
    ]
}

fn resolvers() -> [Resolver; 4] {
    backends().map(|backend| Resolver::builder().backend(backend).build())
}

fn several_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a lookup gives; fails if it hangs.
async fn ask(resolver: &Resolver) -> Answer {
    let answer = tokio::time::timeout(HANGS, resolver.get_variable(KEY)).await;
    let answer = answer.unwrap_or_else(|_| panic!("hangs: {resolver:?}"));
    answer.map(|value| value.expose().to_owned())
}

async fn assert_right(resolver: &Resolver, when: &str) {
    match ask(resolver).await {
        Ok(value) => assert_eq!(value, VALUE),
        Err(error) => panic!("{when}: {error}"),
    }
}

/// The right value, or a failure that says why there is none.
fn assert_right_or_clear(answer: &Answer) {
    match answer {
        Ok(value) => assert_eq!(value, VALUE),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
    }
}

type Lookup = Pin<Box<dyn Future<Output = Answer> + Send>>;

fn lookup(resolver: &Resolver) -> Lookup {
    let resolver = resolver.clone();
    Box::pin(async move { ask(&resolver).await })
}

/// Polls a lookup so often at most, each time when it may go on; the answer, if that was enough.
async fn poll_times(lookup: &mut Lookup, times: usize) -> Option<Answer> {
    let mut polled = 0;
    poll_fn(|context| {
        if polled == times {
            return Poll::Ready(None);
        }
        polled += 1;
        match lookup.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polled == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn several_runtimes_may_ask_at_the_same_time() {
    for resolver in resolvers() {
        thread::scope(|scope| {
            for runtime in [
                several_threads(),
                several_threads(),
                one_thread(),
                one_thread(),
            ] {
                let resolver = &resolver;
                scope.spawn(move || {
                    for _ in 0..10 {
                        runtime.block_on(async {
                            let lookups = (0..8).map(|_| tokio::spawn(lookup(resolver)));
                            for answer in join_all(lookups).await {
                                assert_eq!(answer.unwrap().unwrap(), VALUE);
                            }
                        });
                    }
                });
            }
        });
    }
}

#[test]
fn a_runtime_may_end_between_lookups() {
    for resolver in resolvers() {
        for round in 0..3 {
            for runtime in [several_threads(), one_thread()] {
                let when = format!("round {round}");
                runtime.block_on(assert_right(&resolver, &when));
            }
        }
    }
}

/// The more polls, the further it is when its runtime ends.
#[test]
fn a_runtime_may_end_during_a_lookup() {
    for backend in backends() {
        let resolver = Resolver::builder().backend(backend).build();
        let resolver = resolver.within(Duration::from_secs(5));
        for polls in 0..8 {
            for runtime in [several_threads(), one_thread()] {
                let mut begun = lookup(&resolver);
                let answer = runtime.block_on(poll_times(&mut begun, polls));
                runtime.shutdown_background();
                let later = one_thread();
                // Who holds on to it gets an answer elsewhere; who does not is missed by nobody.
                if answer.is_none() && polls % 2 == 1 {
                    assert_right_or_clear(&later.block_on(begun));
                } else {
                    drop(begun);
                }
                later.block_on(assert_right(&resolver, &format!("{polls} polls")));
            }
        }
    }
}

#[test]
fn blocking_code_may_ask() {
    let runtime = several_threads();
    for resolver in resolvers() {
        runtime.block_on(async {
            let by_handle = (0..8).map(|_| {
                let lookup = lookup(&resolver);
                let handle = tokio::runtime::Handle::current();
                tokio::task::spawn_blocking(move || handle.block_on(lookup))
            });
            let by_another_executor = (0..8).map(|_| {
                let lookup = lookup(&resolver);
                tokio::task::spawn_blocking(move || futures_executor::block_on(lookup))
            });
            for answer in join_all(by_handle.chain(by_another_executor)).await {
                assert_eq!(answer.unwrap().unwrap(), VALUE);
            }
        });
    }
}

/// Gives up a lookup after each number of polls, until that was enough for an answer. A fast server may
/// save a lookup most of its polls once, so that is tried some more.
async fn give_up_after_each_poll(resolver: impl Fn() -> Resolver) {
    let mut is_over = false;
    let mut polls = 0;
    while !is_over || polls < 16 {
        let resolver = resolver();
        let mut given_up = lookup(&resolver);
        let answer = poll_times(&mut given_up, polls).await;
        drop(given_up);
        let when = format!("after a lookup that was given up after {polls} polls");
        assert_right(&resolver, &when).await;
        if let Some(answer) = answer {
            assert_eq!(answer.unwrap(), VALUE);
            is_over = true;
        }
        polls += 1;
    }
}

#[test]
fn a_lookup_may_be_given_up_at_every_point() {
    for index in 0..backends().len() {
        for runtime in [several_threads(), one_thread()] {
            // From nothing, with login and connection.
            let cold = || resolvers()[index].clone();
            runtime.block_on(give_up_after_each_poll(cold));
            let warm = resolvers()[index].clone();
            runtime.block_on(assert_right(&warm, "first"));
            runtime.block_on(give_up_after_each_poll(|| warm.clone()));
        }
    }
}

#[test]
fn a_lookup_that_is_given_up_leaves_the_answer_to_those_who_wait_with_it() {
    for index in 0..backends().len() {
        for runtime in [several_threads(), one_thread()] {
            for polls in 1..12 {
                let resolver = &resolvers()[index];
                runtime.block_on(async {
                    let mut given_up = lookup(resolver);
                    let first = poll_times(&mut given_up, 1).await;
                    let waits = tokio::spawn(lookup(resolver));
                    if first.is_none() {
                        // It may have ended by now: the other drives it too.
                        let _ = poll_times(&mut given_up, polls - 1).await;
                    }
                    drop(given_up);
                    assert_eq!(waits.await.unwrap().unwrap(), VALUE);
                });
            }
        }
    }
}
