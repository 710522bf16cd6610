//! A foreign authority is refused by `sqlx` from a real MariaDB, by `redis` from a real Redis, and by
//! `object_store` and `reqwest` from a server on HTTPS, through each form that checks certificates; the right
//! one connects.

// A test may panic: so it fails.
#![allow(clippy::format_push_string, clippy::panic, clippy::unwrap_used)]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/https.rs"]
#[allow(dead_code)]
mod https;
#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/redis.rs"]
#[allow(dead_code)]
mod redis_server;
#[path = "../support/servers.rs"]
mod servers;

use std::{error::Error, fs, path::Path, sync::Arc};

use airflow_secrets::{Connection, clients};
use mariadb::{MariaDb, PASSWORD};
use object_store::{ObjectStoreExt as _, RetryConfig, aws::AmazonS3Builder};
use redis::{ClientTlsConfig, TlsCertificates};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, mysql::MySqlConnectOptions};

fn install_a_provider() {
    // rustls is built with two here, and both drivers take the process's own.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

fn client(kind: &str, host: &str, port: u16, login: &str, extra: &Value) -> Connection {
    let connection = Connection::builder("tls")
        .conn_type(kind)
        .host(host)
        .port(port);
    let connection = connection
        .login(login)
        .password(PASSWORD)
        .extra(extra.to_string());
    connection.build().unwrap()
}

async fn of_sqlx(client: &clients::MySql) -> Result<String, String> {
    let form = client.sqlx_url().unwrap();
    let options = form.expose().parse::<MySqlConnectOptions>().unwrap();
    let mut client = options
        .connect()
        .await
        .map_err(|error| format!("{error:?}"))?;
    let user = sqlx::query_scalar("SELECT user()")
        .fetch_one(&mut client)
        .await
        .unwrap();
    client.close().await.unwrap();
    Ok(user)
}

#[tokio::test]
async fn sqlx_refuses_a_mariadb_of_a_foreign_authority() {
    install_a_provider();
    let folder = MariaDb::initialise();
    certificates::write(&folder, "nobody");
    let settings = [
        format!("--ssl-cert={}", path(&folder, "server.pem")),
        format!("--ssl-key={}", path(&folder, "server.key")),
    ];
    let settings = settings.iter().map(String::as_str).collect::<Vec<_>>();
    let server = MariaDb::run(&folder, ports::free_port(), &settings, true);
    let mariadb = MariaDb { server, folder };
    let user = mariadb.database("utf8mb4_general_ci", mariadb::TABLES);
    let of = async |host: &str, extra: &Value| {
        let connection = client("mysql", host, mariadb.server.port, &user, extra);
        of_sqlx(&connection.mysql().unwrap()).await
    };
    let ask = async |authority: &str| {
        let ca = path(&mariadb.folder, authority);
        let connector = "mysql-connector-python";
        [
            of(
                "localhost",
                &json!({"ssl": {"ca": ca, "check_hostname": true}}),
            )
            .await,
            of(
                "localhost",
                &json!({"ssl": {"ca": ca}, "ssl_mode": "VERIFY_IDENTITY"}),
            )
            .await,
            of(
                "localhost",
                &json!({"client": connector, "ssl_ca": ca, "ssl_verify_identity": true}),
            )
            .await,
            of("127.0.0.1", &json!({"ssl": {"ca": ca}})).await,
            of("127.0.0.1", &json!({"client": connector, "ssl_ca": ca})).await,
        ]
    };
    for answer in ask("ca.pem").await {
        assert_eq!(answer.unwrap().split('@').next(), Some(&*user));
    }
    for answer in ask("other-ca.pem").await {
        let error = answer.unwrap_err();
        assert!(
            error.contains("UnknownIssuer") || error.contains("BadSignature"),
            "{error}"
        );
    }
    // The certificate is for `localhost`.
    let ca = path(&mariadb.folder, "ca.pem");
    let other = of(
        "127.0.0.1",
        &json!({"ssl": {"ca": ca, "check_hostname": true}}),
    )
    .await
    .unwrap_err();
    assert!(other.contains("NotValidForName"), "{other}");
}

/// Whether the server answers, through the URL and the files beside it.
async fn of_redis(client: &clients::Redis) -> Result<String, String> {
    let (url, tls) = client.url_and_tls().unwrap();
    let read = |path: Option<String>| path.map(|path| fs::read(path).unwrap());
    let certificates = TlsCertificates {
        client_tls: read(tls.certfile)
            .zip(read(tls.keyfile))
            .map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
        root_cert: read(tls.ca_certs),
    };
    let client = redis::Client::build_with_tls(url.expose(), certificates)
        .map_err(|error| format!("{error:?}"))?;
    let mut client = client
        .get_multiplexed_async_connection()
        .await
        .map_err(|error| format!("{error:?}"))?;
    redis::cmd("PING")
        .query_async(&mut client)
        .await
        .map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn redis_refuses_a_server_of_a_foreign_authority() {
    install_a_provider();
    let folder = servers::folder("redis-tls");
    certificates::write(&folder, "default");
    servers::give(&folder.join("server.pem"));
    let server = redis_server::redis_with_tls(PASSWORD, &folder);
    let of = async |host: &str, extra: &Value| {
        let mut extra = extra.clone();
        extra["ssl"] = true.into();
        let connection = client("redis", host, server.port, "", &extra);
        of_redis(&connection.redis().unwrap()).await
    };
    let (ca, other) = (path(&folder, "ca.pem"), path(&folder, "other-ca.pem"));
    let pong = Ok("PONG".to_owned());
    assert_eq!(of("localhost", &json!({"ssl_ca_certs": ca})).await, pong);
    let files = json!({
        "ssl_ca_certs": ca,
        "ssl_certfile": path(&folder, "client.pem"),
        "ssl_keyfile": path(&folder, "client.key"),
    });
    assert_eq!(of("localhost", &files).await, pong);
    // As the hook's driver, which then checks nothing.
    assert_eq!(
        of("127.0.0.1", &json!({"ssl_cert_reqs": "none"})).await,
        pong
    );

    for (host, extra) in [
        ("localhost", json!({"ssl_ca_certs": other})),
        ("localhost", json!({})),
        ("127.0.0.1", json!({"ssl_ca_certs": ca})),
    ] {
        let error = of(host, &extra).await.unwrap_err();
        let is_known = ["UnknownIssuer", "BadSignature", "not valid for name"];
        assert!(
            is_known.iter().any(|reason| error.contains(reason)),
            "{extra}: {error}"
        );
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// A server on HTTPS that has nothing, whose authority is at `ca.pem` of `folder`; `other-ca.pem` is another.
fn https_server(folder: &Path) -> https::Server {
    certificates::write(folder, "nobody");
    let nothing = |_: &https::Request| https::Reply::json(404, &json!({}));
    https::serve(&["localhost"], &folder.join("ca.pem"), Arc::new(nothing))
}

/// An error with its causes.
fn whole(error: &dyn Error) -> String {
    let (mut text, mut next) = (String::new(), Some(error));
    while let Some(error) = next {
        text += &format!("{error}\n");
        next = error.source();
    }
    text
}

#[tokio::test]
async fn object_store_refuses_an_s3_of_a_foreign_authority() {
    let folder = tempfile::tempdir().unwrap();
    let server = https_server(folder.path());
    let ask = async |verify: Value| {
        let endpoint = format!("https://localhost:{}", server.address.port());
        let extra = json!({"endpoint_url": endpoint, "verify": verify});
        let lake = client("aws", "", 1, "id", &extra).aws_s3().unwrap();
        let mut builder = AmazonS3Builder::new().with_bucket_name("lake");
        for (name, value) in lake.object_store().unwrap().iter() {
            builder = builder.with_config(name.parse().unwrap(), value);
        }
        let retry = RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        };
        let store = builder.with_retry(retry).build().unwrap();
        store.get(&"a".into()).await.unwrap_err()
    };
    let refused = whole(&ask(Value::Null).await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let refused = whole(&ask(true.into()).await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    // As botocore, which then checks nothing.
    let answered = ask(false.into()).await;
    assert!(
        matches!(answered, object_store::Error::NotFound { .. }),
        "{answered}"
    );
    // A file of authorities has no option, and is not left out.
    let extra = json!({"verify": folder.path().join("ca.pem")});
    let refused = client("aws", "", 1, "id", &extra)
        .aws_s3()
        .unwrap()
        .object_store();
    assert_eq!(refused.unwrap_err().member(), Some("verify"));
}

#[tokio::test]
async fn reqwest_refuses_a_server_of_a_foreign_authority() {
    let folder = tempfile::tempdir().unwrap();
    let server = https_server(folder.path());
    let ask = async |verify: Value| {
        let host = "https://localhost";
        let api = client(
            "http",
            host,
            server.address.port(),
            "",
            &json!({"verify": verify}),
        )
        .http()
        .unwrap();
        let mut builder = reqwest::Client::builder().no_proxy();
        builder = builder.tls_danger_accept_invalid_certs(!api.is_verified());
        if let Some(path) = api.ca_bundle() {
            let bundle = reqwest::Certificate::from_pem_bundle(&fs::read(path).unwrap()).unwrap();
            builder = builder.tls_certs_only(bundle);
        }
        let answer = builder.build().unwrap().get(api.base_url()).send().await;
        answer
            .map(|answer| answer.status().as_u16())
            .map_err(|error| whole(&error))
    };
    let file = |name: &str| Value::from(path(folder.path(), name));
    assert_eq!(ask(file("ca.pem")).await, Ok(404));
    assert_eq!(ask(false.into()).await, Ok(404));
    for verify in [file("other-ca.pem"), true.into(), Value::Null] {
        let refused = ask(verify).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }
}
