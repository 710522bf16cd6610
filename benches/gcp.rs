//! Sequential lookups of one variable: through the resolver and by a bare call of Google's library,
//! in a real drongo, which takes its time, and in a server that answers at once; the token is a
//! service account's.

#![allow(
    missing_docs,
    clippy::format_push_string,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../tests/support"]
mod support {
    pub(crate) mod drongo;
    pub(crate) mod google;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod served;
    pub(crate) mod wire;
}

#[path = "support/turns.rs"]
mod turns;

use std::{hint::black_box, sync::mpsc, time::Duration};

use airflow_secrets::{
    Resolver,
    backends::gcp::{CloudSecretManagerBackend, GcpCredential},
};
use google_cloud_auth::credentials::service_account;
use google_cloud_secretmanager_v1::client::SecretManagerService;
use support::{
    drongo::Drongo,
    google::{key_file, payload},
    served::Served,
};
use turns::Rounds;

/// A server with a thread of its own.
fn server() -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let server = Served::by(|_| payload("blue")).await;
            sender.send(server.url).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

async fn compare(name: &str, url: &str, rounds: Rounds) {
    let backend = CloudSecretManagerBackend::builder()
        .endpoint(url)
        .project_id("p")
        .credential(GcpCredential::key(key_file().to_string()));
    let resolver = Resolver::builder()
        .backend(backend.build().unwrap())
        .build();

    let credentials = service_account::Builder::new(key_file()).build().unwrap();
    let bare = SecretManagerService::builder()
        .with_endpoint(url)
        .with_credentials(credentials)
        .build()
        .await
        .unwrap();

    println!("{name}:");
    turns::compare(
        rounds,
        "Google's library",
        async || {
            black_box(resolver.get_variable("colour").await.unwrap());
        },
        async || {
            let name = "projects/p/secrets/airflow-variables-colour/versions/latest";
            let version = bare.access_secret_version().set_name(name).send();
            black_box(version.await.unwrap());
        },
    )
    .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let drongo = Drongo::start().await;
    drongo.put("p", "airflow-variables-colour", "blue").await;
    // drongo answers in two packets, and TCP has the second wait 40 ms for whoever has not rested
    // as long: each lookup is one after a rest.
    let rounds = Rounds::of(301, 1).each_after(Duration::from_millis(50));
    compare("drongo", &drongo.url, rounds).await;
    let at_once = server();
    let rounds = Rounds::of(301, 100);
    compare("a server that answers at once", &at_once, rounds).await;
}
