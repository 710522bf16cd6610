//! The whole way in one minute, with no set-up and no network: a secrets backend (local files),
//! environment variables and a SQLite metadata DB that a real Airflow wrote, all named by one
//! `airflow.cfg`, asked in Airflow's order.
//!
//! ```sh
//! cargo run --example quickstart --features sqlite
//! ```
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Error, REDACTED, Resolver};

/// Here are the `airflow.cfg`, the local files and the metadata DB.
const AIRFLOW_HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");

#[tokio::main]
async fn main() -> Result<(), Error> {
    // A program of yours says `Resolver::from_env().await?`. This one brings its own environment,
    // so that it prints the same on every machine.
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", AIRFLOW_HOME),
        (
            "AIRFLOW_CONN_WAREHOUSE",
            "postgres://etl:from-the-environment@warehouse.internal:5432/dwh",
        ),
        (
            "AIRFLOW_CONN_CRM_API",
            "http://https://crm.example.com/?token=from-the-environment",
        ),
        ("AIRFLOW_VAR_COLOUR", "blue"),
    ]);
    let resolver = Resolver::from_environment(environment).build().await?;

    println!("connections");
    for conn_id in [
        "warehouse",
        "crm_api",
        "object_store",
        "status_page",
        "not_there",
    ] {
        match resolver.get_connection(conn_id).await {
            Ok(connection) => println!(
                "  {conn_id:<13} {} host={} login={} password={} extra={}\n  {:<13} from {}",
                connection.conn_type().unwrap_or("-"),
                connection.host().unwrap_or("-"),
                connection.login().unwrap_or("-"),
                connection.password().map_or("-", |_| REDACTED),
                connection.extra().map_or("-", |_| REDACTED),
                "",
                shortened(&connection.source().to_string()),
            ),
            Err(error) => println!("  {conn_id:<13} {}", shortened(&error.to_string())),
        }
    }

    println!("variables");
    for key in ["batch_size", "colour", "feature_flags", "not_there"] {
        match resolver.get_variable(key).await {
            Ok(value) => println!(
                "  {key:<13} {REDACTED} ({} characters)\n  {:<13} from {}",
                value.expose().chars().count(),
                "",
                shortened(&value.source().to_string()),
            ),
            Err(error) => println!("  {key:<13} {}", shortened(&error.to_string())),
        }
    }
    Ok(())
}

/// The same text, with the path to the example's own files cut short.
fn shortened(text: &str) -> String {
    text.replace(AIRFLOW_HOME, "$AIRFLOW_HOME")
}
