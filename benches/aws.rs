//! Sequential lookups of one variable in a real `moto_server`, and in a server that answers at
//! once: through the resolver and by the bare SDK.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../tests/support"]
mod support {
    pub(crate) mod moto;
    pub(crate) mod ports;
    pub(crate) mod process;
}

#[path = "support/turns.rs"]
mod turns;

use std::hint::black_box;

use airflow_secrets::{Environment, Resolver, backends::aws::SecretsManagerBackend};
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::Builder;
use support::moto::{REGION, moto};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use turns::Rounds;

/// A server on a thread of its own that gives every request the same secret.
fn at_once() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client));
            }
        });
    });
    url
}

async fn serve(mut client: TcpStream) {
    let body = r#"{"ARN":"arn","Name":"airflow/variables/colour","SecretString":"blue"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut seen, mut buffer) = (Vec::new(), [0; 8192]);
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..length]);
        // The body ends with the only brace.
        if seen.ends_with(b"}") {
            seen.clear();
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

async fn compare(name: &str, url: &str, rounds: Rounds) {
    let environment = Environment::from_iter([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let backend = SecretsManagerBackend::builder()
        .environment(&environment)
        .region_name(REGION)
        .endpoint_url(url)
        .build()
        .unwrap();
    let resolver = Resolver::builder().backend(backend).build();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
        .region(Region::new(REGION))
        .http_client(Builder::new().build_http())
        .endpoint_url(url);
    let sdk = Client::from_conf(config.build());

    println!("{name}:");
    turns::compare(
        rounds,
        "the bare SDK",
        async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        },
        async || {
            let call = sdk.get_secret_value().secret_id("airflow/variables/colour");
            black_box(call.send().await.unwrap());
        },
    )
    .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let moto = moto().await;
    moto.secret("airflow/variables/colour", "blue").await;
    compare("moto_server", &moto.url, Rounds::of(151, 20)).await;
    let at_once = at_once();
    compare(
        "a server that answers at once",
        &at_once,
        Rounds::of(151, 100),
    )
    .await;
}
