//! A connection from a running Vault or OpenBao, found as its own command line finds it.
//!
//! ```sh
//! bao server -dev &   # or: vault server -dev
//! export VAULT_ADDR=http://127.0.0.1:8200
//! bao kv put -mount=secret connections/pg conn_uri=postgres://user:password@db.example.com/sales
//! cargo run --example vault --features vault -- pg
//! ```
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Resolver, backends::vault::VaultBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn_id = std::env::args().nth(1).unwrap_or("pg".to_owned());
    let vault = VaultBackend::builder().cli_environment(&Environment::process())?;
    let resolver = Resolver::builder().backend(vault.build()?).build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
