//! No secret in what the drivers print and log, `TRACE` and `log` too, whether they connect or fail. Where a
//! driver's own `Debug` shows one, the form's documentation says so, and the test says where.

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
#[path = "../support/log.rs"]
mod log;
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
mod redis_server;
#[path = "../support/served.rs"]
#[allow(dead_code)]
mod served;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/wire.rs"]
#[allow(dead_code)]
mod wire;

use std::collections::BTreeSet;

use airflow_secrets::{Connection, clients};
use log::Log;
use object_store::{
    ObjectStoreExt as _, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, path::Path,
};
use postgres::Postgres;
use postgres_tls::postgres_with_tls;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use sqlx::{
    ConnectOptions as _,
    mysql::MySqlConnectOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing_subscriber::util::SubscriberInitExt as _;

/// In each secret; then with what needs care in a URL.
const MARKER: &str = "MARKER7f3a";
const PASSWORD: &str = "MARKER7f3a@:/ %41";
/// The base64 of `app:MARKER7f3a`, to its last whole group.
const MARKER_IN_BASE64: &str = "YXBwOk1BUktFUjdmM2";

/// What was shown, piece by piece.
#[derive(Default)]
struct Shown(Vec<(String, String)>);

impl Shown {
    fn add(&mut self, what: &str, value: &impl std::fmt::Debug) {
        self.0
            .push((what.to_owned(), format!("{value:?} {value:#?}")));
    }

    fn add_error(&mut self, what: &str, error: &(impl std::error::Error + 'static)) {
        self.add(what, error);
        let mut next: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = next {
            self.0.push((what.to_owned(), error.to_string()));
            next = error.source();
        }
    }

    /// What holds the marker.
    fn leaks(&self) -> BTreeSet<&str> {
        let leaks = self.0.iter().filter(|(_, text)| holds_a_secret(text));
        leaks.map(|(what, _)| &**what).collect()
    }
}

fn holds_a_secret(text: &str) -> bool {
    text.contains(MARKER) || text.contains(MARKER_IN_BASE64)
}

fn connection(kind: &str, port: u16, extra: &Value) -> Connection {
    let connection = Connection::builder("marked")
        .conn_type(kind)
        .host("127.0.0.1")
        .port(port);
    let connection = connection
        .login("app")
        .password(PASSWORD)
        .extra(extra.to_string());
    connection.build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_show_no_secret_but_where_the_documentation_says_so() {
    // The driver logs the text of each statement, and this one holds the password.
    let postgres = postgres_with_tls();
    let sql = format!(
        "CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE other LOGIN PASSWORD 'x'"
    );
    postgres.execute("postgres", &sql).await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone());
    // Of the whole process, `log`'s records too: tasks on other threads, and libraries below.
    subscriber.finish().init();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut shown = Shown::default();
    let nobody = ports::free_port();

    of_postgres(&mut shown, &postgres, nobody).await;
    of_mysql(&mut shown, nobody).await;
    of_object_store(&mut shown, nobody).await;
    of_reqwest(&mut shown, nobody).await;
    of_redis(&mut shown, nobody).await;

    let documented = [
        "AmazonS3Builder",
        "GoogleCloudStorageBuilder",
        "MicrosoftAzure",
        "MySqlConnectOptions",
        "PgConnectOptions",
        "PgPoolOptions",
        "headers that are not marked",
    ];
    assert_eq!(shown.leaks(), BTreeSet::from(documented));
    let log = log.text();
    for target in TARGETS {
        assert!(log.contains(target), "{target} was not heard");
    }
    let leaks = log.lines().filter(|line| holds_a_secret(line));
    assert_eq!(leaks.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Who logs. `redis` says nothing.
const TARGETS: [&str; 6] = [
    "rustls::",
    "tokio_postgres::",
    "sqlx::query",
    "reqwest::",
    "hyper_util::",
    "object_store::",
];

/// `sqlx` goes over TLS, which the server offers.
async fn of_postgres(shown: &mut Shown, postgres: &Postgres, nobody: u16) {
    for (port, user, is_right) in [
        (postgres.server.port, "app", true),
        (postgres.server.port, "other", false),
        (nobody, "app", false),
    ] {
        let extra = json!({"dbname": "postgres", "user": user, "connect_timeout": 5});
        let client = connection("postgres", port, &extra).postgres().unwrap();
        shown.add("Postgres", &client);
        let text = client.tokio_postgres().unwrap();
        shown.add("Form", &text);
        let config = text.expose().parse::<tokio_postgres::Config>().unwrap();
        shown.add("Config", &config);
        let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
        match pool.get().await {
            Ok(client) => client.batch_execute("SELECT 1").await.unwrap(),
            Err(error) => shown.add_error("deadpool", &error),
        }
        assert_eq!(pool.status().size == 1, is_right);
        shown.add("Pool", &pool);

        let url = client.sqlx_url().unwrap();
        shown.add("Form", &url);
        let options = url.expose().parse::<PgConnectOptions>().unwrap();
        shown.add("PgConnectOptions", &options);
        let pool = PgPoolOptions::new()
            .acquire_timeout(std::time::Duration::from_secs(2))
            .connect_with(options.clone())
            .await;
        assert_eq!(pool.is_ok(), is_right);
        match pool {
            Ok(pool) => {
                sqlx::query("SELECT 1").execute(&pool).await.unwrap();
                shown.add("PgPoolOptions", &pool.connect_options());
                shown.add("PgPool", &pool);
            }
            Err(error) => shown.add_error("sqlx", &error),
        }
    }
}

async fn of_mysql(shown: &mut Shown, nobody: u16) {
    let client = connection("mysql", nobody, &json!({})).mysql().unwrap();
    shown.add("MySql", &client);
    let url = client.sqlx_url().unwrap();
    shown.add("Form", &url);
    let options = url.expose().parse::<MySqlConnectOptions>().unwrap();
    shown.add("MySqlConnectOptions", &options);
    shown.add_error("sqlx", &options.connect().await.unwrap_err());
}

async fn of_object_store(shown: &mut Shown, nobody: u16) {
    let moto = moto::moto().await;
    let here = reqwest::Client::builder().no_proxy().build().unwrap();
    here.put(format!("{}/lake", moto.url)).send().await.unwrap();
    for (endpoint, is_right) in [
        (moto.url.clone(), true),
        (format!("http://127.0.0.1:{nobody}"), false),
    ] {
        let extra = json!({"aws_session_token": MARKER, "endpoint_url": endpoint, "region_name": "eu-west-1"});
        let client = connection("aws", 1, &extra).aws_s3().unwrap();
        shown.add("Aws", &client);
        let pairs = client.object_store().unwrap();
        shown.add("Pairs", &pairs);
        let mut builder = AmazonS3Builder::new().with_bucket_name("lake");
        for (name, value) in pairs.iter() {
            builder = builder.with_config(name.parse().unwrap(), value);
        }
        let retries = object_store::RetryConfig {
            max_retries: 0,
            ..Default::default()
        };
        builder = builder.with_retry(retries);
        shown.add("AmazonS3Builder", &builder);
        let store = builder.build().unwrap();
        shown.add("AmazonS3", &store);
        let put = store.put(&Path::from("a"), "b".into()).await;
        assert_eq!(put.is_ok(), is_right);
        for result in [
            put.map(drop),
            store.get(&Path::from("none")).await.map(drop),
        ] {
            if let Err(error) = result {
                shown.add_error("object_store", &error);
            }
        }
    }
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let key = json!({"type": "service_account", "private_key": pem, "private_key_id": MARKER, "client_email": "e", "token_uri": "https://h/"});
    let client = connection("google_cloud_platform", 1, &json!({"keyfile_dict": key}))
        .google()
        .unwrap();
    shown.add("Google", &client);
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name("lake");
    for (name, value) in client.object_store().unwrap().iter() {
        builder = builder.with_config(name.parse().unwrap(), value);
    }
    shown.add("GoogleCloudStorageBuilder", &builder);
    for extra in [
        json!({}),
        json!({"tenant_id": "t"}),
        json!({"sas_token": format!("sig={MARKER}")}),
    ] {
        let account = Connection::builder("marked")
            .conn_type("wasb")
            .login("account");
        let account = account.password(PASSWORD).extra(extra.to_string());
        let client = account.build().unwrap().azure_blob().unwrap();
        shown.add("AzureBlob", &client);
        let mut builder = MicrosoftAzureBuilder::new().with_container_name("lake");
        for (name, value) in client.object_store().unwrap().iter() {
            builder = builder.with_config(name.parse().unwrap(), value);
        }
        shown.add("MicrosoftAzureBuilder", &builder);
        match builder.build() {
            Ok(store) => shown.add("MicrosoftAzure", &store),
            Err(error) => shown.add_error("azure", &error),
        }
    }
}

async fn of_reqwest(shown: &mut Shown, nobody: u16) {
    let server = served::Served::by(|_| wire::Answer::new(401, "no")).await;
    let (_, port) = server.url.rsplit_once(':').unwrap();
    for port in [port.parse().unwrap(), nobody] {
        let proxy = format!("http://app:{MARKER}@127.0.0.1:{nobody}");
        let extra = json!({"X-Token": MARKER, "proxies": {"https": proxy}});
        let client = connection("http", port, &extra).http().unwrap();
        shown.add("Http", &client);
        let plain = client.headers().unwrap();
        let plain = plain.iter().map(|(name, value)| {
            let value = value.parse::<HeaderValue>().unwrap();
            (name.parse::<HeaderName>().unwrap(), value)
        });
        let plain = reqwest::Client::builder().default_headers(plain.collect());
        shown.add("headers that are not marked", &plain);
        let mut headers = HeaderMap::new();
        for (name, value) in client.headers().unwrap().iter() {
            let mut value = value.parse::<HeaderValue>().unwrap();
            value.set_sensitive(true);
            headers.insert(name.parse::<HeaderName>().unwrap(), value);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .no_proxy();
        for (_, url) in client.proxies().unwrap().iter() {
            builder = builder.proxy(reqwest::Proxy::https(url).unwrap());
        }
        shown.add("ClientBuilder", &builder);
        let http = builder.build().unwrap();
        shown.add("Client", &http);
        for url in [
            client.base_url().to_owned(),
            "https://api.example.com/".to_owned(),
        ] {
            match http.get(url).send().await {
                Ok(answer) => shown.add("Response", &answer),
                Err(error) => shown.add_error("reqwest", &error),
            }
        }
    }
}

async fn of_redis(shown: &mut Shown, nobody: u16) {
    let (right, wrong) = (redis_server::redis(PASSWORD), redis_server::redis("x"));
    for (port, user, is_right) in [
        (right.port, "", true),
        (wrong.port, "", false),
        (right.port, "app", false),
        (nobody, "", false),
    ] {
        let connection = Connection::builder("marked")
            .conn_type("redis")
            .host("127.0.0.1")
            .port(port);
        let client = connection
            .login(user)
            .password(PASSWORD)
            .build()
            .unwrap()
            .redis()
            .unwrap();
        shown.add("Redis", &client);
        let url = client.url().unwrap();
        shown.add("Form", &url);
        let client = redis::Client::open(url.expose()).unwrap();
        shown.add("redis::Client", &client);
        shown.add("ConnectionInfo", client.get_connection_info());
        let connected = client.get_multiplexed_async_connection().await;
        assert_eq!(connected.is_ok(), is_right, "{port} {user}");
        match connected {
            Ok(mut client) => redis::cmd("PING").exec_async(&mut client).await.unwrap(),
            Err(error) => shown.add_error("redis", &error),
        }
    }
}

/// The forms themselves, of every kind.
#[test]
fn forms_show_no_secret() {
    let extra = json!({"sslpassword": MARKER});
    let client = connection("postgres", 1, &extra).postgres().unwrap();
    let forms: [clients::Form; 2] = [client.libpq().unwrap(), client.url().unwrap()];
    let (_, tls) = client.tokio_postgres_and_tls().unwrap();
    let mut shown = Shown::default();
    shown.add("Form", &forms);
    shown.add("PostgresTls", &tls);
    assert_eq!(shown.leaks(), BTreeSet::new());
}
