//! A connection from Google Cloud Secret Manager, with the credentials that `gcloud` or a key file
//! gives.
//!
//! ```sh
//! gcloud auth application-default login   # or: export GOOGLE_APPLICATION_CREDENTIALS=key.json
//! export GOOGLE_CLOUD_PROJECT=my-project
//! printf postgres://user:password@db.example.com/sales |
//!     gcloud secrets create airflow-connections-pg --data-file=-
//! cargo run --example gcp --features gcp -- pg
//! ```
//!
//! Without an account at Google, against an emulator such as drongo:
//!
//! ```sh
//! drongo server --port 9090 &
//! export SECRET_MANAGER_EMULATOR_HOST=localhost:9090 GOOGLE_CLOUD_PROJECT=my-project
//! secrets=http://localhost:9090/v1/projects/my-project/secrets
//! curl -d '{}' "$secrets?secretId=airflow-connections-pg"
//! payload=$(printf postgres://user:password@db.example.com/sales | base64)
//! curl -d "{\"payload\": {\"data\": \"$payload\"}}" "$secrets/airflow-connections-pg:addVersion"
//! cargo run --example gcp --features gcp -- pg
//! ```
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Resolver, backends::gcp::CloudSecretManagerBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn_id = std::env::args().nth(1).unwrap_or("pg".to_owned());
    let secret_manager = CloudSecretManagerBackend::builder().environment(&Environment::process());
    let resolver = Resolver::builder().backend(secret_manager.build()?).build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
