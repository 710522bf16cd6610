//! A hit in the resolver's cache, beside one in bare `moka` and one in AWS's own cache for Secrets
//! Manager, in turns: on one thread, and on two that ask for the same. Fails if a hit allocates.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

use std::{
    hint::black_box,
    io::{Read, Write},
    net::TcpListener,
    num::NonZeroUsize,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use airflow_secrets::{CacheOptions, Resolver, Secret, backends::memory::MemoryBackend};
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_secretsmanager_caching::SecretsManagerCachingClient;
use aws_smithy_http_client::Builder;
use tokio::runtime::Runtime;

const KEY: &str = "colour";
const TTL: Duration = Duration::from_secs(900);

fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, hits) = if is_measured {
        (101, 20_000)
    } else {
        (1, 1_000)
    };
    let caches: [(&str, Arc<dyn Cache>); 3] = [
        ("the resolver", Arc::new(ours())),
        ("bare moka", Arc::new(moka())),
        ("AWS's cache", Arc::new(aws())),
    ];
    for (name, cache) in &caches {
        let allocations = |hits| allocation_counter::measure(|| cache.hit(hits)).count_total;
        cache.hit(1);
        // The runtime that each call makes is no part of a hit.
        let counted = allocations(1_001) - allocations(1);
        println!("{name:12} {counted} allocations in 1,000 hits");
        assert!(*name != "the resolver" || counted == 0, "a hit allocates");
    }
    let mut measured = [const { [const { Vec::new() }; 2] }; 3];
    for round in 0..rounds {
        for turn in 0..caches.len() {
            // None is always the one that comes first.
            let index = (round + turn) % caches.len();
            for (threads, times) in (1..).zip(&mut measured[index]) {
                times.push(nanoseconds_a_hit(&caches[index].1, threads, hits));
            }
        }
    }
    let [ours, ..] = measured.each_ref().map(|[one, _]| median(one.clone()));
    for ((name, _), [one, two]) in caches.iter().zip(measured) {
        let slower = two.iter().zip(&one).map(|(two, one)| two / one).collect();
        let (one, two) = (median(one), median(two));
        println!(
            "{name:12} {one:7.1} ns a hit on one thread ({:.2} of the resolver's), {two:7.1} ns on each of two ({:.2} times as long)",
            one / ours,
            median(slower),
        );
    }
}

/// Gives one value that it holds, so many times.
trait Cache: Send + Sync {
    fn hit(&self, times: u32);
}

/// How long a hit takes where each of `threads` asks `hits` times.
fn nanoseconds_a_hit(cache: &Arc<dyn Cache>, threads: usize, hits: u32) -> f64 {
    let start = Arc::new(Barrier::new(threads));
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (cache, start) = (Arc::clone(cache), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let started = Instant::now();
                cache.hit(hits);
                started.elapsed().as_secs_f64() * 1e9 / f64::from(hits)
            })
        })
        .collect();
    let times: Vec<f64> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    times.iter().sum::<f64>() / times.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A runtime for each thread that asks.
fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn ours() -> impl Cache {
    struct Ours(Resolver);

    impl Cache for Ours {
        fn hit(&self, times: u32) {
            runtime().block_on(async {
                for _ in 0..times {
                    black_box(self.0.get_variable(black_box(KEY)).await.unwrap());
                }
            });
        }
    }

    let resolver = Resolver::builder()
        .backend(MemoryBackend::new("mine").with_variable(KEY, "blue"))
        .cache(CacheOptions::new().with_ttl(TTL))
        .build();
    Ours(resolver)
}

fn moka() -> impl Cache {
    struct Moka(moka::future::Cache<String, Arc<Secret>>);

    impl Cache for Moka {
        fn hit(&self, times: u32) {
            runtime().block_on(async {
                for _ in 0..times {
                    black_box(self.0.get(black_box(KEY)).await.unwrap());
                }
            });
        }
    }

    let cache = moka::future::Cache::builder()
        .time_to_live(TTL)
        .max_capacity(1_000)
        .build();
    runtime().block_on(cache.insert(KEY.to_owned(), Arc::new(Secret::from("blue".to_owned()))));
    Moka(cache)
}

fn aws() -> impl Cache {
    struct Aws(SecretsManagerCachingClient);

    impl Cache for Aws {
        fn hit(&self, times: u32) {
            runtime().block_on(async {
                for _ in 0..times {
                    let answer = self.0.get_secret_value(black_box(KEY), None, None, false);
                    black_box(answer.await.unwrap());
                }
            });
        }
    }

    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
        .region(Region::new("us-east-1"))
        .http_client(Builder::new().build_http())
        .endpoint_url(a_server_that_answers_once());
    let client = Client::from_conf(config.build());
    let size = NonZeroUsize::new(1_000).unwrap();
    let cache = Aws(SecretsManagerCachingClient::new(client, size, TTL, false).unwrap());
    cache.hit(1);
    cache
}

fn a_server_that_answers_once() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut seen, mut buffer) = (Vec::new(), [0; 8192]);
        // The body ends with the only brace.
        while !seen.ends_with(b"}") {
            let length = client.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..length]);
        }
        let body = format!(
            r#"{{"ARN":"arn","Name":"{KEY}","SecretString":"blue","VersionId":"1","VersionStages":["AWSCURRENT"]}}"#
        );
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length";
        write!(client, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    url
}
