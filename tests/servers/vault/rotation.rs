//! A secret is changed in the store: who watches it is told, and who was refused gets the new one.

use std::time::{Duration, Instant};

use airflow_secrets::{
    Connection, Error, Refused, Resolved, Resolver, Watch,
    backends::{RetryOptions, vault::VaultCredential},
};
use futures_util::{StreamExt, future::join_all};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    support::{openbao::OpenBao, wire::CountingProxy},
    vault,
};

const OFTEN: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

struct Store {
    server: OpenBao,
    key: String,
    proxy: CountingProxy,
    resolver: Resolver,
}

async fn store(clock: Option<Instant>) -> Store {
    let mut server = OpenBao::on_disk().await;
    let key = server.initialize().await;
    server.mount_kv("airflow", 2).await;
    let proxy = CountingProxy::before(&server.url).await;
    let backend = vault(&proxy.url, VaultCredential::token(server.root.as_str()))
        .retries(RetryOptions::new().with_max_retries(0))
        .build()
        .unwrap();
    let resolver = Resolver::builder().backend(backend);
    let store = Store {
        server,
        key,
        proxy,
        resolver: match clock {
            Some(now) => resolver.clock(move || now).build(),
            None => resolver.build(),
        },
    };
    store.rotate("first").await;
    store
}

impl Store {
    async fn rotate(&self, password: &str) {
        let document = json!({"conn_type": "postgres", "host": "db", "password": password});
        self.server.put("airflow", "connections/pg", document).await;
    }

    /// How often the connection was read.
    fn reads(&self) -> usize {
        self.proxy
            .seen
            .count(|line| line.contains("connections/pg"))
    }

    /// Waits until it was read so many times more, while nothing is told.
    async fn assert_quiet(&self, changes: &mut Watch<Connection>, reads: usize) {
        let enough = self.reads() + reads;
        while self.reads() < enough {
            if let Ok(told) = timeout(OFTEN, changes.next()).await {
                panic!("{told:?}");
            }
        }
    }
}

fn password(told: Option<Result<Resolved<Connection>, Error>>) -> String {
    let connection = told.unwrap().unwrap();
    connection.password().unwrap().expose().to_owned()
}

#[tokio::test]
async fn all_who_watch_are_told_a_new_password_by_one_poll_and_a_sealed_server_is_no_change() {
    let store = store(None).await;
    let watch = |every| -> Vec<_> {
        let watch = |_| store.resolver.watch_connection("pg", every);
        (0..100).map(watch).collect()
    };
    let mut seldom = watch(HOUR);
    for told in join_all(seldom.iter_mut().map(StreamExt::next)).await {
        assert_eq!(password(told), "first");
    }
    assert_eq!(store.reads(), 1);
    let mut watching = watch(OFTEN);
    for told in join_all(watching.iter_mut().map(StreamExt::next)).await {
        assert_eq!(password(told), "first");
    }
    store.rotate("second").await;
    for told in join_all(watching.iter_mut().map(StreamExt::next)).await {
        assert_eq!(password(told), "second");
    }
    let mut last = watching.pop().unwrap();
    drop(watching);
    store.server.seal().await;
    store.assert_quiet(&mut last, 3).await;
    store.server.unseal(&store.key).await;
    store.assert_quiet(&mut last, 3).await;
    store.rotate("third").await;
    assert_eq!(password(last.next().await), "third");
}

#[tokio::test]
async fn a_refused_password_is_asked_for_once_more_however_many_are_refused() {
    // The pause after a question does not end.
    let store = store(Some(Instant::now())).await;
    let old = store.resolver.get_connection("pg").await.unwrap();
    store.rotate("second").await;
    for refused in join_all((0..1_000).map(|_| old.refused())).await {
        let new = refused.unwrap().changed().unwrap();
        assert_eq!(new.password().unwrap().expose(), "second");
    }
    assert_eq!(store.reads(), 2);
    let new = store.resolver.get_connection("pg").await.unwrap();
    for _ in 0..1_000 {
        assert!(matches!(new.refused().await.unwrap(), Refused::TooSoon(_)));
    }
    assert_eq!(store.reads(), 3);
}
