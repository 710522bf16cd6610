//! A connection from Astro's Environment Manager, as a Deployment has it.
//!
//! ```sh
//! export ASTRO_API_TOKEN=…      # of the Deployment, its Workspace or its Organization
//! export ASTRO_DEPLOYMENT_ID=…  # or ASTRO_WORKSPACE_ID
//! cargo run --example astro --features astro -- pg
//! ```
//!
//! The Organization has to allow it: Organization Settings, General, Environment Secrets Fetching.
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Resolver, backends::astro::AstroBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn_id = std::env::args().nth(1).unwrap_or("pg".to_owned());
    let astro = AstroBackend::from_environment(&Environment::process())?;
    let resolver = Resolver::builder()
        .backend(astro.clone())
        .backend(astro.environment_variables(false))
        .build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
