//! `verify-full` with a foreign authority is refused by a real PostgreSQL's every driver, through every form
//! that is written; and `verify-full` for another host. The same form with the right authority connects.

// A test may panic: so it fails.
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/postgres_tls.rs"]
mod postgres_tls;
#[path = "../support/servers.rs"]
mod servers;

use std::{process::Command, sync::Arc};

use airflow_secrets::{Connection, clients};
use postgres::{PASSWORD, Postgres};
use postgres_tls::postgres_with_tls;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::json;
use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Who answered, or why nobody did.
type Answer = Result<String, String>;

const USER: &str = "SELECT current_user::text";

/// `psql`, which is made with libpq, of either form.
fn of_libpq(form: &clients::Form) -> Answer {
    let output = Command::new(servers::program("psql", &[]))
        .args([
            "--no-psqlrc",
            "--no-password",
            "--tuples-only",
            "--no-align",
        ])
        .args(["--command", USER, "--dbname", form.expose()])
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

async fn of_sqlx(form: &clients::Form) -> Answer {
    let options = form.expose().parse::<PgConnectOptions>().unwrap();
    let mut client = options
        .connect()
        .await
        .map_err(|error| format!("{error:?}"))?;
    let user = sqlx::query_scalar(USER).fetch_one(&mut client).await;
    client.close().await.unwrap();
    Ok(user.unwrap())
}

/// With rustls, which always checks both, as the form's second half says.
async fn of_tokio_postgres(client: &clients::Postgres) -> Answer {
    let (text, tls) = client.tokio_postgres_and_tls().unwrap();
    assert!(tls.checks_certificate && tls.checks_host);
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(tls.root_cert.unwrap()).unwrap() {
        roots.add(authority.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config_text = text.expose().parse::<tokio_postgres::Config>().unwrap();
    let connected = config_text.connect(MakeRustlsConnect::new(config)).await;
    let (client, connection) = connected.map_err(|error| format!("{error:?}"))?;
    tokio::spawn(connection);
    Ok(client.query_one(USER, &[]).await.unwrap().get(0))
}

struct World {
    postgres: Postgres,
    role: String,
}

impl World {
    async fn start() -> Self {
        // `sqlx` takes the process's own for `verify-ca`; here, rustls is built with two.
        let _ = aws_lc_rs::default_provider().install_default();
        let postgres = postgres_with_tls();
        let role = postgres.database(postgres::TABLES).await;
        Self { postgres, role }
    }

    fn client(&self, host: &str, sslmode: &str, authority: &str) -> clients::Postgres {
        let authority = self.postgres.folder.join(authority);
        let extra = json!({"sslmode": sslmode, "sslrootcert": authority});
        let connection = Connection::builder("warehouse")
            .conn_type("postgres")
            .host(host)
            .port(self.postgres.server.port)
            .login(&self.role)
            .password(PASSWORD)
            .schema(&self.role)
            .extra(extra.to_string());
        connection.build().unwrap().postgres().unwrap()
    }
}

/// What comes of each form.
async fn ask(client: &clients::Postgres) -> [(&'static str, Answer); 4] {
    [
        ("libpq's text", of_libpq(&client.libpq().unwrap())),
        ("libpq's URL", of_libpq(&client.url().unwrap())),
        ("sqlx's URL", of_sqlx(&client.sqlx_url().unwrap()).await),
        ("tokio-postgres's text", of_tokio_postgres(client).await),
    ]
}

fn assert_refused(form: &str, answer: Answer, reasons: &[&str]) {
    let Err(error) = answer else {
        panic!("{form}: {answer:?}");
    };
    let is_known = reasons.iter().any(|reason| error.contains(reason));
    assert!(is_known, "{form}: {error}");
    assert!(!error.contains("marker"), "{form}: {error}");
}

#[tokio::test]
async fn a_foreign_authority_is_refused_through_every_form() {
    let world = World::start().await;
    for (form, answer) in ask(&world.client("localhost", "verify-full", "ca.pem")).await {
        assert_eq!(answer, Ok(world.role.clone()), "{form}");
    }
    let foreign = world.client("localhost", "verify-full", "other-ca.pem");
    let reasons = ["certificate verify failed", "UnknownIssuer", "BadSignature"];
    for (form, answer) in ask(&foreign).await {
        assert_refused(form, answer, &reasons);
    }
    // Its own form for a program without a connector of its own cannot hold the mode, and is not written.
    let refused = foreign.tokio_postgres().unwrap_err();
    assert_eq!(refused.member(), Some("sslrootcert"));
}

#[tokio::test]
async fn another_host_is_refused_through_every_form() {
    let world = World::start().await;
    // The certificate is for `localhost`.
    let other = world.client("127.0.0.1", "verify-full", "ca.pem");
    let reasons = ["does not match host name", "NotValidForName"];
    for (form, answer) in ask(&other).await {
        assert_refused(form, answer, &reasons);
    }
}

/// libpq checks the chain under `require` where an authority is set.
#[tokio::test]
async fn require_beside_an_authority_checks_the_chain_as_libpq_does() {
    let world = World::start().await;
    for (authority, is_right) in [("ca.pem", true), ("other-ca.pem", false)] {
        let client = world.client("127.0.0.1", "require", authority);
        for (form, answer) in [
            ("libpq's text", of_libpq(&client.libpq().unwrap())),
            ("libpq's URL", of_libpq(&client.url().unwrap())),
            ("sqlx's URL", of_sqlx(&client.sqlx_url().unwrap()).await),
        ] {
            if is_right {
                assert_eq!(answer, Ok(world.role.clone()), "{form}");
            } else {
                let reasons = ["certificate verify failed", "UnknownIssuer", "BadSignature"];
                assert_refused(form, answer, &reasons);
            }
        }
        let (_, tls) = client.tokio_postgres_and_tls().unwrap();
        assert_eq!((tls.checks_certificate, tls.checks_host), (true, false));
    }
}
