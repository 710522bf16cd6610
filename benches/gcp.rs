//! Sequential lookups of one variable: through the resolver and by a bare call of Google's
//! library, in turns, so that they share the machine's moods. The server is one of our own that
//! answers at once, since drongo's forty milliseconds would hide any difference; the token is a
//! service account's. Prints lookups a second and the CPU time of each.

#![allow(
    missing_docs,
    clippy::format_push_string,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../tests/support"]
mod support {
    pub(crate) mod google;
    pub(crate) mod served;
    pub(crate) mod wire;
}

use std::{
    hint::black_box,
    sync::mpsc,
    time::{Duration, Instant},
};

use airflow_secrets::{
    Resolver,
    backends::gcp::{CloudSecretManagerBackend, GcpCredentials},
};
use google_cloud_auth::credentials::service_account;
use google_cloud_secretmanager_v1::client::SecretManagerService;
use support::{
    google::{key_file, payload},
    served::Served,
};

#[derive(Default)]
struct Measured {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Measured {
    async fn round(&mut self, lookups: u32, mut lookup: impl AsyncFnMut()) {
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

/// A server with a thread of its own.
fn server() -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let server = Served::by(|_| payload("blue")).await;
            sender.send(server.url).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, lookups) = if is_measured { (31, 1000) } else { (1, 10) };
    let url = server();

    let backend = CloudSecretManagerBackend::builder()
        .endpoint(&url)
        .project_id("p")
        .credentials(GcpCredentials::key(key_file().to_string()));
    let resolver = Resolver::builder()
        .backend(backend.build().unwrap())
        .build();

    let credentials = service_account::Builder::new(key_file()).build().unwrap();
    let bare = SecretManagerService::builder()
        .with_endpoint(&url)
        .with_credentials(credentials)
        .build()
        .await
        .unwrap();

    let [mut ours, mut theirs] = [(); 2].map(|()| Measured::default());
    for _ in 0..rounds {
        ours.round(lookups, async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        })
        .await;
        theirs
            .round(lookups, async || {
                let name = "projects/p/secrets/airflow-variables-colour/versions/latest";
                let version = bare.access_secret_version().set_name(name).send();
                black_box(version.await.unwrap());
            })
            .await;
    }

    let (ours, theirs) = (ours.medians(lookups), theirs.medians(lookups));
    for (name, (throughput, cpu)) in [("the resolver", ours), ("Google's library", theirs)] {
        println!("{name:16} {throughput:8.0} lookups/s {cpu:8.1} µs of CPU a lookup");
    }
    println!(
        "the resolver has {:.2} of the throughput of Google's library, with {:.2} of its CPU time",
        ours.0 / theirs.0,
        ours.1 / theirs.1
    );
}
