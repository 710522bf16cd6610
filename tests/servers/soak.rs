//! 200 callers over 5,000 ids of a real OpenBao behind a bad network, through revoked tokens and a restart:
//! no wrong value, no "not found", no growth. 20 s, or `SOAK_SECONDS`. The only test of its binary, since it
//! measures the process.

// A test may panic: so it fails.
#![allow(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../support"]
mod support {
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod toxiproxy;
}

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use airflow_secrets::{
    CacheOptions, ErrorKind, Resolver,
    backends::{
        HttpOptions, RetryOptions,
        breaker::BreakerOptions,
        vault::{VaultBackend, VaultCredential},
    },
};
use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use support::{
    openbao::OpenBao,
    process::until,
    toxiproxy::{Proxy, Toxiproxy},
};
use tokio::time::{Instant, sleep, sleep_until};

const IDS: usize = 5000;
/// On each of two resolvers.
const CALLERS: usize = 100;
const SEED: u32 = 13;
const REQUESTS_AT_ONCE: usize = 32;
const MIB: usize = 1024 * 1024;

/// Numbers that look random, the same in each run (the generator of Numerical Recipes).
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(self.0 >> 8).unwrap() % end
    }
}

fn value(id: usize) -> String {
    format!("value of {id}")
}

/// What came of the lookups of one resolver.
#[derive(Default)]
struct Tally {
    right: AtomicUsize,
    unavailable: AtomicUsize,
}

/// Asks for one id after another until `is_over`.
async fn call(resolver: Resolver, seed: usize, tally: Arc<Tally>, is_over: Arc<AtomicBool>) {
    let mut random = Random(u32::try_from(seed).unwrap());
    while !is_over.load(Ordering::Relaxed) {
        let id = random.below(IDS);
        match resolver.get_variable(&format!("id{id}")).await {
            Ok(found) => {
                assert_eq!(found.expose(), value(id));
                tally.right.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                tally.unavailable.fetch_add(1, Ordering::Relaxed);
                // Refused at once, callers would do nothing but ask.
                sleep(Duration::from_millis(10)).await;
            }
        }
        // A hit never waits: without a pause, a caller of the cache would let nobody else run.
        sleep(Duration::from_millis(1)).await;
    }
}

/// One fault after another, each for part of a second, until `is_over`.
async fn spoil(proxy: Proxy, is_over: Arc<AtomicBool>) {
    let mut random = Random(SEED);
    while !is_over.load(Ordering::Relaxed) {
        let (kind, part, attributes) = match random.below(6) {
            0 => ("reset_peer", 0.2, json!({"timeout": 0})),
            1 => ("limit_data", 0.3, json!({"bytes": 500})),
            2 => ("latency", 1.0, json!({"latency": 100, "jitter": 50})),
            3 => ("timeout", 0.1, json!({"timeout": 300})),
            4 => ("slicer", 0.3, json!({"average_size": 64, "delay": 2000})),
            _ => ("", 0.0, json!({})),
        };
        match kind {
            "" => proxy.disable().await,
            kind => proxy.toxic(kind, part, attributes).await,
        }
        sleep(Duration::from_millis(
            200 + 50 * u64::try_from(random.below(8)).unwrap(),
        ))
        .await;
        proxy.recover().await;
        sleep(Duration::from_millis(200)).await;
    }
}

/// What the process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    bytes: usize,
    sockets: usize,
}

impl Held {
    fn now() -> Self {
        let pages = fs::read_to_string("/proc/self/statm").unwrap();
        let pages = pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let links = open.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
        Self {
            bytes: pages * 4096,
            sockets: sockets.count(),
        }
    }

    /// The most of each until `end`.
    async fn most_until(end: Instant) -> Self {
        let mut most = Self::now();
        while Instant::now() < end {
            sleep(Duration::from_millis(100)).await;
            let now = Self::now();
            most.bytes = most.bytes.max(now.bytes);
            most.sockets = most.sockets.max(now.sockets);
        }
        most
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_revoked_tokens_and_a_restart_never_make_a_wrong_answer_nor_a_leak() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(20, |seconds| seconds.parse().unwrap());
    let mut vault = OpenBao::on_disk().await;
    let key = vault.initialize().await;
    vault.mount_kv("airflow", 2).await;
    let written = (0..IDS).map(|id| {
        let (vault, path) = (&vault, format!("variables/id{id}"));
        async move {
            let document = json!({"value": value(id)});
            vault.put("airflow", &path, document).await;
        }
    });
    stream::iter(written)
        .buffer_unordered(64)
        .collect::<()>()
        .await;
    vault.policy("reader", &["airflow/data/*"]).await;
    vault.enable_login("approle").await;
    let role = json!({"token_policies": ["reader"]});
    let (role_id, secret_id) = vault.approle("worker", role).await;
    let toxiproxy = Toxiproxy::start(SEED).await;
    let proxy = toxiproxy
        .before(vault.url.strip_prefix("http://").unwrap())
        .await;
    let source = || {
        let login = VaultCredential::approle(role_id.as_str(), Some(secret_id.clone()));
        let vault = VaultBackend::builder()
            .url(format!("http://{}", proxy.address))
            .mount_point("airflow")
            .credential(login)
            .http(HttpOptions::new().with_max_concurrent_requests(REQUESTS_AT_ONCE))
            .retries(RetryOptions::new().with_first_pause(Duration::from_millis(10)));
        Resolver::builder().backend(vault.build().unwrap())
    };
    let plain = source().build().within(Duration::from_secs(2));
    let cache = CacheOptions::new()
        .with_ttl(Duration::from_secs(2))
        .with_stale_for(Duration::from_secs(3600))
        .with_max_entries(4 * IDS);
    let cached = source()
        .cache(cache)
        .breakers(BreakerOptions::new())
        .build();
    // From here on it has a last answer for every id.
    let all = (0..IDS).map(|id| {
        let cached = &cached;
        async move {
            assert_eq!(
                cached
                    .get_variable(&format!("id{id}"))
                    .await
                    .unwrap()
                    .expose(),
                value(id)
            );
        }
    });
    stream::iter(all)
        .buffer_unordered(REQUESTS_AT_ONCE)
        .collect::<()>()
        .await;
    let cached = cached.within(Duration::from_secs(2));

    let is_over = Arc::<AtomicBool>::default();
    let tallies = [Arc::<Tally>::default(), Arc::<Tally>::default()];
    let mut callers = Vec::new();
    for (resolver, tally) in [&plain, &cached].into_iter().zip(&tallies) {
        for seed in 0..CALLERS {
            let (tally, is_over) = (Arc::clone(tally), Arc::clone(&is_over));
            callers.push(tokio::spawn(call(resolver.clone(), seed, tally, is_over)));
        }
    }
    let spoiler = tokio::spawn(spoil(proxy.clone(), Arc::clone(&is_over)));

    let start = Instant::now();
    let after = |part: f64| start + Duration::from_secs(seconds).mul_f64(part);
    sleep_until(after(0.2)).await;
    vault.revoke_tokens_of("approle/login").await;
    let first = Held::most_until(after(0.4)).await;
    let vault = vault.stop().start().await;
    vault.unseal(&key).await;
    sleep_until(after(0.7)).await;
    vault.revoke_tokens_of("approle/login").await;
    sleep_until(after(0.8)).await;
    let last = Held::most_until(after(1.0)).await;
    is_over.store(true, Ordering::Relaxed);
    for ended in join_all(callers).await {
        ended.unwrap();
    }
    spoiler.await.unwrap();

    let counts = tallies.map(|tally| {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (count(&tally.right), count(&tally.unavailable))
    });
    println!("right and unavailable, plain and cached: {counts:?}; {first:?}, then {last:?}");
    let [(right, unavailable), (from_cache, not_from_cache)] = counts;
    // How many depends on the machine.
    assert!(right > 0, "{counts:?}");
    // The restart alone is an outage.
    assert!(unavailable > 0, "{counts:?}");
    assert!(from_cache > right, "{counts:?}");
    assert_eq!(not_from_cache, 0, "{counts:?}");
    assert!(
        last.bytes <= first.bytes + first.bytes / 10 + 8 * MIB,
        "{first:?}, then {last:?}"
    );

    // Thousands were made: two for each request that may be under way, and the test's own, may be left.
    let closed = async || Held::now().sockets <= 4 * REQUESTS_AT_ONCE;
    until("all but the kept connections are closed", closed).await;
    // The last login may have failed, and is not repeated at once.
    until("the plain resolver answers", async || {
        plain.get_variable("id0").await.is_ok()
    })
    .await;
    for id in (0..IDS).step_by(50) {
        for resolver in [&plain, &cached] {
            let found = resolver.get_variable(&format!("id{id}")).await;
            assert_eq!(found.unwrap().expose(), value(id));
        }
    }
}
