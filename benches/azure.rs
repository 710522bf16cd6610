//! Sequential lookups of one variable in the Key Vault of the tests, over TLS: through the
//! resolver and by the bare SDK, in turns, so that they share the machine's moods. Prints lookups a
//! second and the CPU time of each.

#![allow(
    missing_docs,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::match_bool,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../tests/support"]
mod support {
    pub(crate) mod https;
    pub(crate) mod key_vault;
    pub(crate) mod token_authority;
}

use std::{
    collections::HashMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use airflow_secrets::{Resolver, backends::azure::AzureKeyVaultBackend};
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{
        AsyncRawResponse, ClientOptions, HttpClient, Request, StatusCode, Transport,
        headers::{HeaderName, HeaderValue, Headers},
    },
    time::OffsetDateTime,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use support::{
    key_vault::{Azure, VAULT},
    token_authority::users_token,
};

/// The SDK's own HTTP client, which needs a feature of it that we leave out, as short as it can be.
#[derive(Debug)]
struct Bare(reqwest::Client);

#[async_trait::async_trait]
impl HttpClient for Bare {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut outgoing = self.0.get(request.url().clone());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let response = outgoing.send().await.unwrap();
        let status = StatusCode::from(response.status().as_u16());
        let headers = response.headers().iter().map(|(name, value)| {
            let value = value.to_str().unwrap().to_owned();
            (
                HeaderName::from(name.as_str().to_owned()),
                HeaderValue::from(value),
            )
        });
        let headers = Headers::from(headers.collect::<HashMap<_, _>>());
        let body = response.bytes().await.unwrap();
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

#[derive(Debug)]
struct OneToken(AccessToken);

#[async_trait::async_trait]
impl TokenCredential for OneToken {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(self.0.clone())
    }
}

fn bare_sdk(azure: &Azure) -> SecretClient {
    let ca = std::fs::read(azure.ca()).unwrap();
    // As the SDK makes its own.
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .proxy(reqwest::Proxy::https(format!("http://{}", azure.address)).unwrap())
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca).unwrap())
        .build()
        .unwrap();
    let in_an_hour = OffsetDateTime::now_utc() + Duration::from_secs(3600);
    let token = AccessToken::new(users_token(), in_an_hour);
    let options = SecretClientOptions {
        client_options: ClientOptions {
            transport: Some(Transport::new(Arc::new(Bare(http)))),
            ..ClientOptions::default()
        },
        ..SecretClientOptions::default()
    };
    SecretClient::new(VAULT, Arc::new(OneToken(token)), Some(options)).unwrap()
}

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

    /// Lookups a second and microseconds of CPU a lookup, each of the round that a tenth of the
    /// rounds beat: other work on the machine disturbs the slower ones.
    fn undisturbed(&mut self, lookups: u32) -> (f64, f64) {
        self.wall.sort();
        self.cpu.sort();
        let tenth = self.wall.len() / 10;
        (
            f64::from(lookups) / self.wall[tenth].as_secs_f64(),
            self.cpu[tenth].as_secs_f64() * 1e6 / f64::from(lookups),
        )
    }
}

/// What this thread, which does all of the client's work, has spent so far; only Linux tells.
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
    // Short rounds in turns: a busy machine is as busy for both.
    let (rounds, lookups) = if is_measured { (501, 50) } else { (1, 10) };
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    let environment = azure.environment(&Azure::principal());
    let vault = AzureKeyVaultBackend::builder()
        .vault_url(VAULT)
        .environment(&environment);
    let resolver = Resolver::builder().backend(vault.build().unwrap()).build();
    let bare = bare_sdk(&azure);

    let [mut ours, mut theirs] = [(); 2].map(|()| Measured::default());
    for _ in 0..rounds {
        ours.round(lookups, async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        })
        .await;
        theirs
            .round(lookups, async || {
                let secret = bare.get_secret("airflow-variables-colour", None).await;
                black_box(secret.unwrap().into_model().unwrap());
            })
            .await;
    }
    let (ours, theirs) = (ours.undisturbed(lookups), theirs.undisturbed(lookups));
    for (name, (throughput, cpu)) in [("the resolver", ours), ("the bare SDK", theirs)] {
        println!("{name:14} {throughput:8.0} lookups/s {cpu:8.1} µs of CPU a lookup");
    }
    println!(
        "the resolver has {:.2} of the throughput of the bare SDK, with {:.2} of its CPU time",
        ours.0 / theirs.0,
        ours.1 / theirs.1
    );
}
