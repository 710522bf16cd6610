//! `examples/clients/`, each run against its real server.

// A test may panic: so it fails.
#![allow(
    clippy::duplicate_mod,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/moto.rs"]
#[allow(dead_code)]
mod moto;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/postgres_tls.rs"]
mod postgres_tls;
#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../support/redis.rs"]
mod redis;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/wire.rs"]
#[allow(dead_code)]
mod wire;

use std::process::Command;

use moto::moto;
use postgres::PASSWORD;
use postgres_tls::postgres_with_tls;
use serde_json::json;

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `program` where Airflow would find `connection` under `id`, with an empty folder as its home.
fn run(program: &str, id: &str, connection: &serde_json::Value) -> Run {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .env_clear()
        .env("AIRFLOW_HOME", home.path())
        .env(
            format!("AIRFLOW_CONN_{}", id.to_uppercase()),
            connection.to_string(),
        )
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn printed(stdout: &str) -> Run {
    Run {
        code: Some(0),
        stdout: format!("{stdout}\n"),
        stderr: String::new(),
    }
}

#[tokio::test]
async fn the_pools_ask_a_real_postgresql_over_tls() {
    let postgres = postgres_with_tls();
    let authority = |name: &str| postgres.folder.join(name).display().to_string();
    let role = postgres.database(postgres::TABLES).await;
    let warehouse = |authority: &str| {
        json!({
            "conn_type": "postgres",
            "host": "localhost",
            "port": postgres.server.port,
            "login": role,
            "password": PASSWORD,
            "schema": role,
            "extra": {"sslmode": "verify-full", "sslrootcert": authority},
        })
    };
    for name in [
        env!("CARGO_BIN_EXE_clients_tokio_postgres"),
        env!("CARGO_BIN_EXE_clients_sqlx"),
    ] {
        assert_eq!(
            run(name, "warehouse", &warehouse(&authority("ca.pem"))),
            printed(&format!("{role} TLS=true")),
            "{name}"
        );
        let refused = run(name, "warehouse", &warehouse(&authority("other-ca.pem")));
        assert_eq!((refused.code, &*refused.stdout), (Some(1), ""), "{name}");
        assert!(
            refused.stderr.contains("UnknownIssuer"),
            "{}",
            refused.stderr
        );
        assert!(!refused.stderr.contains("marker"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn the_object_store_writes_and_reads_in_s3() {
    let moto = moto().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = client
        .put(format!("{}/lake", moto.url))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 200);
    let lake = json!({
        "conn_type": "aws",
        "login": "AKIDEXAMPLE",
        "password": "sec/ret+key",
        "extra": {"endpoint_url": moto.url, "region_name": "us-east-1"},
    });
    assert_eq!(
        run(env!("CARGO_BIN_EXE_clients_object_store"), "lake", &lake),
        printed("greetings/hello.txt: hello")
    );
    // What moto asks of a signature.
    let scope = "test/20260101/us-east-1/s3/aws4_request";
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let object = client.get(format!("{}/lake/greetings/hello.txt", moto.url));
    let object = object.header("authorization", signed).send().await;
    assert_eq!(object.unwrap().text().await.unwrap(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reqwest_client_sends_login_and_headers() {
    let server = served::Served::by(|_| wire::Answer::new(200, "pong")).await;
    let (_, port) = server.url.rsplit_once(':').unwrap();
    let api = json!({
        "conn_type": "http",
        "host": "127.0.0.1",
        "port": port.parse::<u16>().unwrap(),
        "login": "user",
        "password": "p:ss/w@rd",
        "extra": {"X-Team": "etl", "timeout": 20},
    });
    assert_eq!(
        run(env!("CARGO_BIN_EXE_clients_reqwest"), "api", &api),
        printed("200 OK pong")
    );
    let seen = server.seen.all();
    let [request] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    // base64 of `user:p:ss/w@rd`
    assert_eq!(
        request.header("authorization"),
        Some("Basic dXNlcjpwOnNzL3dAcmQ=")
    );
    assert_eq!(
        (&*request.path, request.header("x-team")),
        ("/ping", Some("etl"))
    );
    let bare = json!({"conn_type": "http", "host": server.url});
    let answered = run(env!("CARGO_BIN_EXE_clients_reqwest"), "api", &bare);
    assert_eq!(answered, printed("200 OK pong"));
}

#[test]
fn the_redis_client_writes_and_reads() {
    let password = "p@ss:w/rd%41 ";
    let server = redis::redis(password);
    let cache = |password: &str| json!({"conn_type": "redis", "host": "127.0.0.1", "port": server.port, "password": password, "extra": {"db": 3}});
    assert_eq!(
        run(
            env!("CARGO_BIN_EXE_clients_redis"),
            "cache",
            &cache(password)
        ),
        printed("greeting: hello")
    );
    let refused = run(
        env!("CARGO_BIN_EXE_clients_redis"),
        "cache",
        &cache("MARKER"),
    );
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(!refused.stderr.contains("MARKER"), "{}", refused.stderr);
}

#[test]
fn the_page_shows_the_examples_as_they_are() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = std::fs::read_to_string(format!("{root}/docs/clients.md")).unwrap();
    for name in ["tokio_postgres", "sqlx", "object_store", "reqwest", "redis"] {
        let heading = format!("(../examples/clients/{name}.rs)");
        let (_, section) = page.split_once(&heading).unwrap();
        let (_, fence) = section.split_once("```rust\n").unwrap();
        let (shown, _) = fence.split_once("```").unwrap();
        let example =
            std::fs::read_to_string(format!("{root}/examples/clients/{name}.rs")).unwrap();
        let mut lines = example.lines().map(str::trim);
        for line in shown.lines().map(str::trim) {
            assert!(
                lines.any(|other| other == line),
                "{name}: {line:?} is not in the example, or not there"
            );
        }
    }
}
