//! What Airflow's hooks would give their drivers: JSON lines in, JSON lines out.
//!
//! Each line on stdin is `{"client": "postgres", "uri": "…"}` or `{"client": …, "json": "…"}` (a JSON
//! object as text), with `"dialect": "task-sdk"` for that dialect, else the core's; for `aws` also
//! `"service"`, else `s3`; `"conn_id"`, else `conn`. Clients: `postgres`, `mysql`, `http`, `aws`, `google`,
//! `azure_blob`, `snowflake`, `redis`, `ssh`, `kafka` and `generic`. Each line gives one on stdout, in the
//! order read: `{"params": {…}}`, the hook's own names and JSON values, or `{"error": "…"}`. The exit code
//! is 0.
//!
//! **The output holds passwords and keys in clear.**
//!
//! ```sh
//! echo '{"client": "postgres", "uri": "postgresql://me:p%2Fw@db/app?sslmode=require"}' |
//!     cargo run -q --example client_params --features clients
//! ```

use std::io::{self, BufRead, BufWriter, Write};

use airflow_secrets::{Connection, Dialect, clients::ClientError};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().split(b'\n') {
        let answer = match params(&line?) {
            Ok(params) => json!({"params": params}),
            Err(message) => json!({"error": message}),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn params(line: &[u8]) -> Result<Value, String> {
    let line: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    let dialect = match text("dialect") {
        None | Some("core") => Dialect::Core,
        Some("task-sdk") => Dialect::TaskSdk,
        Some(_) => return Err("`dialect` must be `core` or `task-sdk`".to_owned()),
    };
    let conn_id = text("conn_id").unwrap_or("conn");
    let connection = match (text("uri"), text("json")) {
        (Some(uri), None) => Connection::from_uri(conn_id, uri, dialect),
        (None, Some(json)) => Connection::from_json(conn_id, json, dialect),
        _ => return Err("give `uri` or `json`".to_owned()),
    };
    let connection = connection.map_err(|error| error.to_string())?;
    let client = text("client").ok_or("give `client`")?;
    of_client(&connection, client, text("service").unwrap_or("s3"))
        .ok_or("`client` is not known")?
        .map_err(|error| error.to_string())
}

fn of_client(
    connection: &Connection,
    client: &str,
    service: &str,
) -> Option<Result<Value, ClientError>> {
    Some(match client {
        "postgres" => connection.postgres().map(|made| made.params().to_json()),
        "mysql" => connection.mysql().map(|made| made.params().to_json()),
        "http" => connection.http().map(|made| made.params().to_json()),
        "aws" => connection.aws(service).map(|made| made.params().to_json()),
        "google" => connection.google().map(|made| made.params().to_json()),
        "azure_blob" => connection.azure_blob().map(|made| made.params().to_json()),
        "snowflake" => connection.snowflake().map(|made| made.params().to_json()),
        "redis" => connection.redis().map(|made| made.params().to_json()),
        "ssh" => connection.ssh().map(|made| made.params().to_json()),
        "kafka" => connection.kafka().map(|made| made.params().to_json()),
        "generic" => connection.generic().map(|made| made.params().to_json()),
        _ => return None,
    })
}
