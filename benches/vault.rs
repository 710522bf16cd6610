//! Sequential lookups of one variable in a real OpenBao: through the resolver, by bare `vaultrs`
//! and by bare `reqwest`.

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
    pub(crate) mod ports;
    pub(crate) mod process;
}

#[path = "support/turns.rs"]
mod turns;

use std::hint::black_box;

use airflow_secrets::{
    Resolver,
    backends::vault::{VaultBackend, VaultCredential},
};
use serde_json::{Value, json};
use support::openbao::OpenBao;
use turns::Rounds;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = OpenBao::dev().await;
    server.mount_kv("airflow", 2).await;
    server
        .put("airflow", "variables/colour", json!({"value": "blue"}))
        .await;

    let vault = VaultBackend::builder()
        .url(server.url.as_str())
        .mount_point("airflow")
        .credential(VaultCredential::token("root"));
    let resolver = Resolver::builder().backend(vault.build().unwrap()).build();

    let settings = VaultClientSettingsBuilder::default()
        .address(&server.url)
        .token("root")
        .build()
        .unwrap();
    let vaultrs = VaultClient::new(settings).unwrap();

    let reqwest = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/airflow/data/variables/colour", server.url);

    let ours = async || {
        black_box(resolver.get_variable("colour").await.unwrap());
    };
    let by_vaultrs = async || {
        let read = vaultrs::kv2::read::<Value>(&vaultrs, "airflow", "variables/colour");
        black_box(read.await.unwrap());
    };
    let by_reqwest = async || {
        let get = reqwest.get(&url).header("X-Vault-Token", "root");
        let body = get.send().await.unwrap().bytes().await.unwrap();
        black_box(serde_json::from_slice::<Value>(&body).unwrap());
    };
    turns::compare(Rounds::of(151, 100), "vaultrs", ours, by_vaultrs).await;
    turns::compare(Rounds::of(151, 100), "reqwest", ours, by_reqwest).await;
}
