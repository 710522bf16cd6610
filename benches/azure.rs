//! Sequential lookups of one variable in the Key Vault of the tests, over TLS: through the
//! resolver and by the bare SDK, in turns, so that they share the machine's moods. Prints lookups a
//! second of each, and the ratio.

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
    let http = reqwest::Client::builder()
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

async fn round(lookups: u32, mut lookup: impl AsyncFnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..lookups {
        lookup().await;
    }
    start.elapsed()
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort();
    rounds[rounds.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, lookups) = if is_measured { (21, 1000) } else { (1, 10) };
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    let environment = azure.environment(&Azure::principal());
    let vault = AzureKeyVaultBackend::builder()
        .vault_url(VAULT)
        .environment(&environment);
    let resolver = Resolver::builder().backend(vault.build().unwrap()).build();
    let bare = bare_sdk(&azure);

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let ask = async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        };
        ours.push(round(lookups, ask).await);
        let ask = async || {
            let secret = bare.get_secret("airflow-variables-colour", None).await;
            black_box(secret.unwrap().into_model().unwrap());
        };
        theirs.push(round(lookups, ask).await);
    }
    let a_second = |rounds| f64::from(lookups) / median(rounds).as_secs_f64();
    let (ours, theirs) = (a_second(ours), a_second(theirs));
    println!("the resolver   {ours:8.0} lookups/s");
    println!("the bare SDK   {theirs:8.0} lookups/s");
    println!("the resolver has {:.2} of its throughput", ours / theirs);
}
