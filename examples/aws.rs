//! A connection from AWS Secrets Manager, found as the AWS command line finds it: region, profile
//! and credentials come from the environment and from `~/.aws`.
//!
//! ```sh
//! aws secretsmanager create-secret --name airflow/connections/pg \
//!     --secret-string '{"engine": "postgres", "host": "db.example.com", "user": "app", "pass": "secret"}'
//! cargo run --example aws --features aws-secrets-manager -- pg
//! ```
//!
//! Without AWS: `moto_server -p 5000 &`, and `AWS_ENDPOINT_URL=http://127.0.0.1:5000` for both
//! commands, with any `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_DEFAULT_REGION`.
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Resolver, backends::aws::SecretsManagerBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn_id = std::env::args().nth(1).unwrap_or("pg".to_owned());
    let aws = SecretsManagerBackend::builder().environment(&Environment::process());
    let resolver = Resolver::builder().backend(aws.build()?).build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
