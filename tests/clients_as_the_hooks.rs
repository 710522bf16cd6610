//! A client's parameters are those that Airflow's hook gives its driver: recorded answers of the real hooks
//! (`conformance/clients.py`).

// A test may panic: so it fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fs, path::Path};

use airflow_secrets::{Connection, Dialect, clients::ClientError};
use serde_json::{Map, Value};

/// Compares every recorded answer for `client`.
fn compare(client: &str, made: fn(&Connection, &str) -> Result<Value, ClientError>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let file = folder.join(format!("clients-{client}.jsonl"));
    let cases = fs::read_to_string(file).unwrap();
    let mut different = Vec::new();
    let mut count = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (given, theirs) = (&case["in"], &case["out"]);
        assert_eq!(given["client"], client);
        count += 1;
        let ours = answer(given, made);
        let is_same = match (&ours, theirs.get("params")) {
            (Ok(ours), Some(theirs)) => *ours == without_nulls(theirs),
            (Ok(_), None) => false,
            (Err(_), _) => theirs.get("error").is_some() || theirs.get("driver_error").is_some(),
        };
        if !is_same {
            different.push(format!("{given}\n  Airflow: {theirs}\n  ours: {ours:?}"));
        }
    }
    assert!(count >= 150, "only {count} cases");
    assert!(
        different.is_empty(),
        "{} of {count} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

fn answer(
    given: &Value,
    made: fn(&Connection, &str) -> Result<Value, ClientError>,
) -> Result<Value, String> {
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let dialect = match text("dialect") {
        Some("task-sdk") => Dialect::TaskSdk,
        _ => Dialect::Core,
    };
    let connection = match (text("uri"), text("json")) {
        (Some(uri), _) => Connection::from_uri("conn", uri, dialect),
        (None, json) => Connection::from_json("conn", json.unwrap(), dialect),
    };
    let connection = connection.map_err(|error| error.to_string())?;
    let service = text("service").unwrap_or("s3");
    made(&connection, service).map_err(|error| error.to_string())
}

fn without_nulls(params: &Value) -> Value {
    let params = params.as_object().unwrap();
    let set = params.iter().filter(|(_, value)| !value.is_null());
    let set = set.map(|(name, value)| (name.clone(), value.clone()));
    Value::Object(set.collect::<Map<_, _>>())
}

#[test]
fn postgres_is_what_the_hook_gives_psycopg() {
    compare("postgres", |it, _| Ok(it.postgres()?.params().to_json()));
}

#[test]
fn mysql_is_what_the_hook_gives_mysqlclient_or_the_connector() {
    compare("mysql", |it, _| Ok(it.mysql()?.params().to_json()));
}

#[test]
fn http_is_what_the_hook_gives_requests() {
    compare("http", |it, _| Ok(it.http()?.params().to_json()));
}

#[test]
fn redis_is_what_the_hook_gives_redis_py() {
    compare("redis", |it, _| Ok(it.redis()?.params().to_json()));
}

#[test]
fn aws_is_what_the_hook_gives_boto3() {
    compare("aws", |it, service| Ok(it.aws(service)?.params().to_json()));
}

#[test]
fn google_is_what_the_hook_gives_google_auth() {
    compare("google", |it, _| Ok(it.google()?.params().to_json()));
}

#[test]
fn azure_blob_is_what_the_hook_gives_azure_storage() {
    compare("azure_blob", |it, _| {
        Ok(it.azure_blob()?.params().to_json())
    });
}

/// Where a connection names no user, it is that of the process, which differs here.
#[test]
fn ssh_is_what_the_hook_gives_paramiko() {
    compare("ssh", |it, _| {
        let client = it.ssh()?;
        let mut params = client.params().to_json();
        if it.login().is_none_or(str::is_empty) {
            params["username"] = Value::from("tester");
        }
        Ok(params)
    });
}

#[test]
fn kafka_is_what_the_hook_gives_confluent_kafka() {
    compare("kafka", |it, _| Ok(it.kafka()?.params().to_json()));
}

#[test]
fn snowflake_is_what_the_hook_gives_the_connector() {
    compare("snowflake", |it, _| Ok(it.snowflake()?.params().to_json()));
}
