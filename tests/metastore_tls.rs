//! TLS to a real PostgreSQL and a real MariaDB: what each mode lets through, and what it refuses.

// A test may panic: so it fails.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[path = "support/asking.rs"]
#[allow(dead_code)]
mod asking;
#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "support/servers.rs"]
mod servers;

use std::fs;

use airflow_secrets::backends::MetastoreBackend;
use asking::{assert_answers, assert_says, backend};
use mariadb::MariaDb;
use ports::free_port;
use postgres::Postgres;

/// Asserts that `url` is refused when the backend is built, as `what` says.
fn assert_refuses(url: &str, what: &str) {
    let error = MetastoreBackend::builder().url(url).build().unwrap_err();
    assert!(error.message().contains(what), "{what:?} is not in {error}");
    assert!(!error.to_string().contains("marker"), "{error}");
}

fn postgres_with_tls() -> Postgres {
    let folder = Postgres::initialise();
    certificates::write(&folder, "test_0");
    let file = |name: &str| folder.join(name).display().to_string();
    let certificate = format!("ssl_cert_file={}", file("server.pem"));
    let key = format!("ssl_key_file={}", file("server.key"));
    let ca = format!("ssl_ca_file={}", file("ca.pem"));
    let server = Postgres::run(
        &folder,
        free_port(),
        &["ssl=on", &certificate, &key, &ca],
        true,
    );
    Postgres { server, folder }
}

#[tokio::test]
async fn postgresql_honours_every_sslmode() {
    let postgres = postgres_with_tls();
    let database = postgres.database(postgres::TABLES).await;
    let file = |name: &str| postgres.folder.join(name).display().to_string();
    let (ca, other) = (file("ca.pem"), file("other-ca.pem"));
    let by_name = postgres.url(&database).replace("127.0.0.1", "localhost");
    let by_address = postgres.url(&database);

    for options in [
        String::new(),
        "?sslmode=disable".to_owned(),
        "?sslmode=allow".to_owned(),
        "?sslmode=prefer".to_owned(),
        "?sslmode=require".to_owned(),
        format!("?sslmode=require&sslrootcert={ca}"),
        format!("?sslmode=verify-ca&sslrootcert={ca}"),
        "?sslmode=require&channel_binding=require&ssl_min_protocol_version=TLSv1.3".to_owned(),
    ] {
        assert_answers(&backend(&format!("{by_address}{options}"))).await;
    }
    let full = format!("?sslmode=verify-full&sslrootcert={ca}");
    assert_answers(&backend(&format!("{by_name}{full}"))).await;
    assert_says(
        &format!("{by_address}{full}"),
        "no TLS with PostgreSQL at 127.0.0.1",
    )
    .await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{by_name}?sslmode={mode}&sslrootcert={other}");
        assert_says(&url, "no TLS with PostgreSQL at localhost").await;
    }

    // Who insists on TLS, or on none of it, gets it from the modes that try both.
    let rules = postgres.folder.join("data/pg_hba.conf");
    let before = fs::read_to_string(&rules).unwrap();
    for (rule, refused) in [("hostssl", "disable"), ("hostnossl", "require")] {
        let only =
            format!("{rule} all {database} all scram-sha-256\nhost all admin all scram-sha-256\n");
        fs::write(&rules, only).unwrap();
        postgres
            .execute("postgres", "SELECT pg_reload_conf(), pg_sleep(0.2)")
            .await;
        for mode in ["allow", "prefer"] {
            assert_answers(&backend(&format!("{by_address}?sslmode={mode}"))).await;
        }
        let url = format!("{by_address}?sslmode={refused}");
        assert_says(&url, "does not let this user in from here").await;
    }
    let only = format!("hostssl all {database} all cert\nhost all admin all scram-sha-256\n");
    fs::write(&rules, only).unwrap();
    postgres
        .execute("postgres", "SELECT pg_reload_conf(), pg_sleep(0.2)")
        .await;
    let identity = format!(
        "&sslcert={}&sslkey={}",
        file("client.pem"),
        file("client.key")
    );
    assert_answers(&backend(&format!("{by_name}{full}{identity}"))).await;
    assert_says(&format!("{by_name}{full}"), "PostgreSQL at localhost").await;
    let wrong = format!("&sslcert={}&sslkey={}", file("client.pem"), file("ca.pem"));
    assert_says(
        &format!("{by_name}{full}{wrong}"),
        "no usable private key in",
    )
    .await;
    fs::write(&rules, before).unwrap();
}

#[tokio::test]
async fn mariadb_honours_every_ssl_mode() {
    let folder = MariaDb::initialise();
    certificates::write(&folder, "test_0");
    let file = |name: &str| folder.join(name).display().to_string();
    let settings = [
        format!("--ssl-cert={}", file("server.pem")),
        format!("--ssl-key={}", file("server.key")),
        format!("--ssl-ca={}", file("ca.pem")),
    ];
    let settings = settings.iter().map(String::as_str).collect::<Vec<_>>();
    let server = MariaDb::run(&folder, free_port(), &settings, true);
    let mariadb = MariaDb {
        server,
        folder: folder.clone(),
    };
    let database = mariadb.database("utf8mb4_general_ci", mariadb::TABLES);
    let (ca, other) = (file("ca.pem"), file("other-ca.pem"));
    let by_address = mariadb.url(&database);
    let by_name = by_address
        .replace("127.0.0.1", "localhost")
        .replace("mysqldb", "mysqlconnector");

    for options in [
        String::new(),
        "?ssl_mode=DISABLED".to_owned(),
        "?ssl_mode=PREFERRED".to_owned(),
        "?ssl_mode=REQUIRED".to_owned(),
        "?ssl=true".to_owned(),
        format!("?ssl_ca={ca}"),
        format!("?ssl_mode=VERIFY_CA&ssl_ca={ca}"),
        format!("?ssl_ca={ca}&ssl_check_hostname=false"),
    ] {
        assert_answers(&backend(&format!("{by_address}{options}"))).await;
    }
    for options in [
        "ssl_mode=VERIFY_IDENTITY",
        "ssl_check_hostname=true",
        "ssl_verify_identity=true",
    ] {
        let options = format!("?{options}&ssl_ca={ca}");
        assert_answers(&backend(&format!("{by_name}{options}"))).await;
        assert_says(
            &format!("{by_address}{options}"),
            "no TLS with MySQL at 127.0.0.1",
        )
        .await;
    }
    // PyMySQL looks at the host by itself once it has an authority.
    let pymysql = by_address.replace("mysqldb", "pymysql");
    assert_says(
        &format!("{pymysql}?ssl_ca={ca}"),
        "no TLS with MySQL at 127.0.0.1",
    )
    .await;
    assert_says(
        &format!("{by_name}?ssl_ca={other}"),
        "no TLS with MySQL at localhost",
    )
    .await;

    mariadb.execute("mysql", &format!("ALTER USER {database}@'%' REQUIRE X509"));
    let identity = format!(
        "&ssl_cert={}&ssl_key={}",
        file("client.pem"),
        file("client.key")
    );
    assert_answers(&backend(&format!("{by_address}?ssl_ca={ca}{identity}"))).await;
    assert_says(
        &format!("{by_address}?ssl_ca={ca}"),
        "does not accept the user or its password",
    )
    .await;
}

#[test]
fn an_option_that_would_weaken_tls_if_it_were_passed_over_is_refused() {
    let postgres = "postgresql://test_x:marker@localhost/x";
    for option in [
        "sslcrl=/crl.pem",
        "sslcrldir=/crls",
        "sslpassword=marker",
        "requirepeer=postgres",
        "require_auth=scram-sha-256",
        "gssencmode=require",
        "ssl_min_protocol_version=TLSv1.9",
        "ssl_max_protocol_version=TLSv1.1",
        "channel_binding=maybe",
    ] {
        let name = option.split('=').next().unwrap();
        assert_refuses(
            &format!("{postgres}?{option}"),
            &format!("option `{name}` cannot be honoured"),
        );
    }
    assert_refuses(
        &format!("{postgres}?sslmode=required"),
        "`sslmode` is not one of disable, allow",
    );
    assert_refuses(
        &format!("{postgres}?sslmode=verify-full"),
        "with `sslrootcert`",
    );
    assert_refuses(
        &format!("{postgres}?sslmode=require&sslrootcert=system"),
        "needs `sslmode=verify-full`",
    );
    assert_refuses(
        &format!("{postgres}?sslcert=/c.pem"),
        "`sslcert` and `sslkey` must be given together",
    );

    let mysql = "mysql://test_x:marker@localhost/x";
    for option in [
        "ssl_capath=/cas",
        "ssl_cipher=AES128-SHA",
        "ssl_crl=/crl.pem",
        "tls_versions=TLSv1.3",
    ] {
        let name = option.split('=').next().unwrap();
        assert_refuses(
            &format!("{mysql}?{option}"),
            &format!("option `{name}` cannot be honoured"),
        );
    }
    assert_refuses(
        &format!("{mysql}?ssl_mode=yes"),
        "`ssl_mode` is not one of DISABLED, PREFERRED",
    );
    assert_refuses(&format!("{mysql}?ssl_mode=VERIFY_CA"), "with `ssl_ca`");
    assert_refuses(&format!("{mysql}?ssl_verify_cert=true"), "with `ssl_ca`");
    assert_refuses(
        &format!("{mysql}?ssl_mode=DISABLED&ssl_ca=/ca.pem"),
        "both turns TLS off",
    );
    assert_refuses(
        &format!("{mysql}?ssl_key=/k.pem"),
        "`ssl_cert` and `ssl_key` must be given together",
    );
}

#[test]
fn an_option_that_is_passed_over_is_named_in_a_warning() {
    for (url, name) in [
        (
            "postgresql://test_x:marker@localhost/x?service=a&client_encoding=utf8",
            "service",
        ),
        (
            "mysql+pymysql://test_x:marker@localhost/x?init_command=SET+x&charset=utf8mb4",
            "init_command",
        ),
    ] {
        let backend = MetastoreBackend::builder()
            .url(url)
            .origin("airflow.cfg:7")
            .build()
            .unwrap();
        let warnings = backend
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        let expected = format!(
            "[database] sql_alchemy_conn (airflow.cfg:7): the URL's option `{name}` is passed over; \
             if Airflow connects without it, remove it"
        );
        assert_eq!(warnings, [expected]);
    }
}
