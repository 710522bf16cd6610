//! Whom a metadata DB over TLS trusts, and who it can be: the operating system's authorities, and keys
//! on P-521.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "../support/asking.rs"]
#[allow(dead_code)]
mod asking;
#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/servers.rs"]
mod servers;

use std::{env, fs, path::Path, process::Command};

use airflow_secrets::{Environment, backend::FailureKind, backends::metastore::MetastoreBackend};
use asking::{assert_answers, assert_fails, assert_says, backend, fails, unavailable};
use ports::free_port;
use postgres::{Postgres, TABLES};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P521_SHA512, SignatureAlgorithm};

fn postgres_with(algorithm: &'static SignatureAlgorithm) -> Postgres {
    let folder = Postgres::initialise();
    certificates::write_with(&folder, "test_0", algorithm);
    let setting = |name: &str, file: &str| format!("{name}={}", folder.join(file).display());
    let settings = [
        "ssl=on".to_owned(),
        setting("ssl_cert_file", "server.pem"),
        setting("ssl_key_file", "server.key"),
        setting("ssl_ca_file", "ca.pem"),
    ];
    let settings = settings.each_ref().map(String::as_str);
    let server = Postgres::run(&folder, free_port(), &settings, true);
    Postgres { server, folder }
}

#[tokio::test]
async fn keys_on_p_521_are_those_of_a_server_and_of_a_client() {
    let postgres = postgres_with(&PKCS_ECDSA_P521_SHA512);
    let database = postgres.database(TABLES).await;
    let rules = "host all admin all scram-sha-256\nhostssl all all all cert map=client\n";
    fs::write(postgres.folder.join("data/pg_hba.conf"), rules).unwrap();
    // The role is another one where the other test made its database first.
    let identities = format!("client test_0 {database}\n");
    fs::write(postgres.folder.join("data/pg_ident.conf"), identities).unwrap();
    let reload = "SELECT pg_reload_conf(), pg_sleep(0.2)";
    postgres.execute("postgres", reload).await;
    let file = |name: &str| postgres.folder.join(name).display().to_string();
    let by_name = postgres.url(&database).replace("127.0.0.1", "localhost");
    let server = format!(
        "{by_name}?sslmode=verify-full&sslrootcert={}",
        file("ca.pem")
    );
    let client = format!(
        "&sslcert={}&sslkey={}",
        file("client.pem"),
        file("client.key")
    );
    assert_answers(&backend(&format!("{server}{client}"))).await;
    assert_fails(
        &server,
        FailureKind::AccessDenied,
        "PostgreSQL at localhost",
    )
    .await;
    let url = format!(
        "{by_name}?sslmode=verify-full&sslrootcert={}{client}",
        file("other-ca.pem")
    );
    assert_says(&url, "no TLS connection to PostgreSQL at localhost").await;
}

/// A backend that trusts the system's authorities, or those that `variables` name.
fn system(by_name: &str, variables: &[(&str, &Path)]) -> MetastoreBackend {
    let variables = variables
        .iter()
        .map(|(name, path)| (*name, path.to_str().unwrap()));
    MetastoreBackend::builder()
        .url(format!("{by_name}?sslmode=verify-full&sslrootcert=system"))
        .environment(&variables.collect::<Environment>())
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_systems_authorities_are_those_of_the_environment_that_was_given() {
    const CHILD: &str = "AIRFLOW_SECRETS_TEST_CHILD";
    if let Ok(by_name) = env::var(CHILD) {
        let message = unavailable(&system(&by_name, &[])).await;
        assert!(message.contains("no TLS connection"), "{message}");
        return;
    }
    let postgres = postgres_with(&PKCS_ECDSA_P256_SHA256);
    let database = postgres.database(TABLES).await;
    let by_name = postgres.url(&database).replace("127.0.0.1", "localhost");
    let (folder, empty) = (&postgres.folder, tempfile::tempdir().unwrap());
    let (ca, other) = (folder.join("ca.pem"), folder.join("other-ca.pem"));
    let folders = env::join_paths([Path::new("/no/such/folder"), folder]).unwrap();
    for variables in [
        &[("SSL_CERT_FILE", ca.as_path())][..],
        &[("SSL_CERT_DIR", folder)],
        &[("SSL_CERT_DIR", Path::new(&folders))],
    ] {
        assert_answers(&system(&by_name, variables)).await;
    }
    for variables in [&[][..], &[("SSL_CERT_FILE", other.as_path())]] {
        let message = unavailable(&system(&by_name, variables)).await;
        assert!(message.contains("no TLS connection"), "{message}");
    }
    let nothing = system(&by_name, &[("SSL_CERT_DIR", empty.path())]);
    let message = fails(&nothing, FailureKind::Configuration).await;
    assert!(message.contains("SSL_CERT_DIR"), "{message}");

    let name = "the_systems_authorities_are_those_of_the_environment_that_was_given";
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, &by_name)
        .env("SSL_CERT_FILE", &ca)
        .status();
    assert!(status.unwrap().success());
}
