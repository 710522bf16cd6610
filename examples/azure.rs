//! A connection from an Azure Key Vault, with whatever credential is at hand.
//!
//! ```sh
//! az login   # or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; or a managed identity
//! az keyvault secret set --vault-name NAME --name airflow-connections-pg \
//!     --value postgres://user:password@db.example.com/sales
//! cargo run --example azure --features azure -- https://NAME.vault.azure.net pg
//! ```
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Resolver, backends::azure::AzureKeyVaultBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: azure https://NAME.vault.azure.net [CONN_ID]";
    let vault_url = arguments.next().ok_or(usage)?;
    let conn_id = arguments.next().unwrap_or("pg".to_owned());
    let vault = AzureKeyVaultBackend::builder()
        .vault_url(vault_url)
        .environment(&Environment::process())
        .look_for_deleted(true);
    let resolver = Resolver::builder().backend(vault.build()?).build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
