//! Connections and variables from Airflow's Execution API, for a program beside a worker that has a
//! task's token: an executor, an edge worker, a sidecar. What Airflow's settings say of the API is read
//! from its environment and `airflow.cfg`; secrets are not shown.
//!
//! ```sh
//! export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=https://airflow.example.com/execution/
//! cargo run --example execution_api --features execution-api -- /run/airflow/token pg variable:colour
//! ```
//!
//! The token stays good while the program runs: it is kept alive, and its file is read again where the
//! server denies it.
#![allow(clippy::print_stdout)]

use airflow_secrets::{Environment, Resolver, backends::execution_api::ExecutionApiCredential};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let token = arguments.next().ok_or(
        "the file of the token is not given: execution_api TOKEN_FILE [ID | variable:KEY]…",
    )?;
    let resolver = Resolver::from_environment(Environment::process())
        .worker()
        .execution_api(move |api| {
            api.credential(ExecutionApiCredential::file(&token))
                .keep_alive(true)
        })
        .build()
        .await?;
    for id in arguments {
        if let Some(key) = id.strip_prefix("variable:") {
            let found = resolver.get_variable(key).await?;
            println!("variable {key:?}: {:?}, from {}", *found, found.source());
        } else {
            let found = resolver.get_connection(&id).await?;
            println!("{}, from {}", found.redacted(), found.source());
        }
    }
    Ok(())
}
