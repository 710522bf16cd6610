//! Sequential lookups of one variable in a real `moto_server`, and in a server that answers at
//! once: through the resolver and by the bare SDK, in turns, so that they share the machine's
//! moods. Prints lookups a second and the CPU time of each.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../tests/support"]
mod support {
    pub(crate) mod moto;
    pub(crate) mod process;
}

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use airflow_secrets::{Environment, Resolver, backends::aws::SecretsManagerBackend};
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::Builder;
use support::moto::{REGION, moto};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Default)]
struct Measured {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Measured {
    async fn round(&mut self, lookups: usize, mut lookup: impl AsyncFnMut()) {
        let (start, cpu) = (Instant::now(), cpu_time());
        for _ in 0..lookups {
            lookup().await;
        }
        self.wall.push(start.elapsed());
        self.cpu.push(cpu_time().saturating_sub(cpu));
    }

    /// Lookups a second and microseconds of CPU a lookup, each of its median round.
    fn medians(&mut self, lookups: u32) -> (f64, f64) {
        self.wall.sort();
        self.cpu.sort();
        let middle = self.wall.len() / 2;
        (
            f64::from(lookups) / self.wall[middle].as_secs_f64(),
            self.cpu[middle].as_secs_f64() * 1e6 / f64::from(lookups),
        )
    }
}

/// What this thread, which does all the work, has spent so far; only Linux tells.
fn cpu_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// A server on a thread of its own that gives every request the same secret.
fn at_once() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client));
            }
        });
    });
    url
}

async fn serve(mut client: TcpStream) {
    let body = r#"{"ARN":"arn","Name":"airflow/variables/colour","SecretString":"blue"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut seen, mut buffer) = (Vec::new(), [0; 8192]);
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..length]);
        // The body ends with the only brace.
        if seen.ends_with(b"}") {
            seen.clear();
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

async fn compare(name: &str, url: &str, rounds: usize, lookups: u32) {
    let environment = Environment::from_iter([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let backend = SecretsManagerBackend::builder()
        .environment(&environment)
        .region_name(REGION)
        .endpoint_url(url)
        .build()
        .unwrap();
    let resolver = Resolver::builder().backend(backend).build();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
        .region(Region::new(REGION))
        .http_client(Builder::new().build_http())
        .endpoint_url(url);
    let sdk = Client::from_conf(config.build());

    let [mut ours, mut bare] = [(); 2].map(|()| Measured::default());
    for _ in 0..rounds {
        ours.round(lookups as usize, async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        })
        .await;
        bare.round(lookups as usize, async || {
            let call = sdk.get_secret_value().secret_id("airflow/variables/colour");
            black_box(call.send().await.unwrap());
        })
        .await;
    }
    let (ours, bare) = (ours.medians(lookups), bare.medians(lookups));
    for (who, (throughput, cpu)) in [("the resolver", ours), ("the bare SDK", bare)] {
        println!("{name}: {who} {throughput:8.0} lookups/s {cpu:8.1} µs of CPU a lookup");
    }
    println!(
        "{name}: the resolver has {:.2} of the SDK's throughput, with {:.2} of its CPU time",
        ours.0 / bare.0,
        ours.1 / bare.1
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, lookups) = if is_measured { (15, 200) } else { (1, 10) };
    let moto = moto().await;
    moto.secret("airflow/variables/colour", "blue").await;
    compare("moto_server", &moto.url, rounds, lookups).await;
    compare(
        "a server that answers at once",
        &at_once(),
        rounds,
        lookups * 5,
    )
    .await;
}
