//! Sequential lookups of one variable in a real OpenBao: through the resolver, by bare `vaultrs`
//! and by bare `reqwest`, in turns, so that they share the machine's moods. Prints lookups a
//! second and the CPU time of each.

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
    pub(crate) mod openbao;
    pub(crate) mod process;
}

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use airflow_secrets::{
    Resolver,
    backends::vault::{Login, VaultBackend},
};
use serde_json::{Value, json};
use support::openbao::OpenBao;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};

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

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, lookups) = if is_measured { (15, 1000) } else { (1, 10) };

    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/colour", json!({"value": "blue"}))
        .await;

    let vault = VaultBackend::builder()
        .url(server.url.as_str())
        .mount_point("airflow")
        .login(Login::token("root"));
    let resolver = Resolver::builder().backend(vault.build().unwrap()).build();

    let settings = VaultClientSettingsBuilder::default()
        .address(&server.url)
        .token("root")
        .build()
        .unwrap();
    let vaultrs = VaultClient::new(settings).unwrap();

    let reqwest = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/airflow/data/variables/colour", server.url);

    let [mut ours, mut theirs, mut bare] = [(); 3].map(|()| Measured::default());
    for _ in 0..rounds {
        ours.round(lookups as usize, async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        })
        .await;
        theirs
            .round(lookups as usize, async || {
                let read = vaultrs::kv2::read::<Value>(&vaultrs, "airflow", "variables/colour");
                black_box(read.await.unwrap());
            })
            .await;
        bare.round(lookups as usize, async || {
            let get = reqwest.get(&url).header("X-Vault-Token", "root");
            let body = get.send().await.unwrap().bytes().await.unwrap();
            black_box(serde_json::from_slice::<Value>(&body).unwrap());
        })
        .await;
    }

    let ours = ours.medians(lookups);
    let theirs = theirs.medians(lookups);
    let bare = bare.medians(lookups);
    for (name, (throughput, cpu)) in [
        ("the resolver", ours),
        ("vaultrs", theirs),
        ("reqwest", bare),
    ] {
        println!("{name:14} {throughput:8.0} lookups/s {cpu:8.1} µs of CPU a lookup");
    }
    println!(
        "the resolver has {:.2} of the throughput of vaultrs, with {:.2} of its CPU time",
        ours.0 / theirs.0,
        ours.1 / theirs.1
    );
}
