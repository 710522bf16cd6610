//! Sequential lookups of one variable in the Key Vault of the tests, over TLS: through the
//! resolver and by the bare SDK.

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

#[path = "support/turns.rs"]
mod turns;

use std::{hint::black_box, sync::Arc, time::Duration};

use airflow_secrets::{Resolver, backends::azure::AzureKeyVaultBackend};
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{ClientOptions, Transport},
    time::OffsetDateTime,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use support::{
    key_vault::{Azure, VAULT},
    token_authority::users_token,
};
use turns::Rounds;

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
    // The SDK's own HTTP client, made as the SDK makes it, but for whom it trusts.
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
            transport: Some(Transport::new(Arc::new(http))),
            ..ClientOptions::default()
        },
        ..SecretClientOptions::default()
    };
    SecretClient::new(VAULT, Arc::new(OneToken(token)), Some(options)).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let azure = Azure::start();
    azure.vault.put("airflow-variables-colour", "blue");
    let environment = azure.environment(&Azure::principal());
    let vault = AzureKeyVaultBackend::builder()
        .vault_url(VAULT)
        .environment(&environment);
    let resolver = Resolver::builder().backend(vault.build().unwrap()).build();
    let bare = bare_sdk(&azure);

    turns::compare(
        Rounds::of(301, 50),
        "the bare SDK",
        async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        },
        async || {
            let secret = bare.get_secret("airflow-variables-colour", None).await;
            black_box(secret.unwrap().into_model().unwrap());
        },
    )
    .await;
}
