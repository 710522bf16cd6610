//! A connection from secrets that Kubernetes, Docker or Podman mount as files.
//!
//! ```sh
//! mkdir -p /tmp/secrets/connections
//! echo postgres://user:password@db.example.com/sales > /tmp/secrets/connections/pg
//! cargo run --example mounted_files -- /tmp/secrets pg
//! ```
//!
//! In a container the folder is where the secrets are mounted:
//!
//! - Docker Compose: a secret with `target: connections/pg`; the folder is `/run/secrets`.
//! - Podman: `--secret pg,target=connections/pg`; the same folder.
//! - Kubernetes: a volume of one Secret, mounted at `connections` below the folder, whose keys are the ids.
#![allow(clippy::print_stdout)]

use airflow_secrets::{Resolver, backends::directory::DirectoryBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or("/run/secrets".to_owned());
    let conn_id = arguments.next().unwrap_or("pg".to_owned());
    let resolver = Resolver::builder()
        .backend(DirectoryBackend::new(folder))
        .build();
    let connection = resolver.get_connection(&conn_id).await?;
    let (conn_type, host) = (connection.conn_type(), connection.host());
    println!(
        "{conn_id}: {conn_type:?} at {host:?}, from {}",
        connection.source()
    );
    Ok(())
}
