//! TLS to a real PostgreSQL and a real MariaDB: what each mode lets through, and what it refuses.

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
#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../support/servers.rs"]
mod servers;

use std::fs;

use airflow_secrets::{
    SecretsBackend, backend::FailureKind, backends::metastore::MetastoreBackend,
};
use asking::{assert_answers, assert_fails, assert_says, backend};
use mariadb::MariaDb;
use ports::free_port;
use postgres::{PASSWORD_IN_URL, Postgres};

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

/// A file with a byte order mark, and under OpenSSL's other names.
async fn assert_odd_files_are_read(postgres: &Postgres, by_name: &str) {
    let file = |name: &str| postgres.folder.join(name).display().to_string();
    let pem = fs::read_to_string(file("ca.pem")).unwrap();
    let url = format!(
        "{by_name}?sslmode=verify-full&sslrootcert={}",
        file("odd.pem")
    );
    for text in [
        format!("\u{feff}{pem}"),
        pem.replace(" CERTIFICATE", " X509 CERTIFICATE"),
        pem.replace(" CERTIFICATE", " TRUSTED CERTIFICATE"),
    ] {
        fs::write(file("odd.pem"), &text).unwrap();
        assert_answers(&backend(&url)).await;
    }
    let broken = pem.replace("-----END CERTIFICATE-----", "");
    fs::write(file("odd.pem"), broken).unwrap();
    let what = "contains a certificate that is cut off or is not base64";
    assert_fails(&url, FailureKind::Configuration, what).await;
}

#[tokio::test]
async fn postgresql_honours_every_sslmode() {
    let postgres = postgres_with_tls();
    let database = postgres.database(postgres::TABLES).await;
    let file = |name: &str| postgres.folder.join(name).display().to_string();
    let (ca, other) = (file("ca.pem"), file("other-ca.pem"));
    let by_name = postgres.url(&database).replace("127.0.0.1", "localhost");
    assert_odd_files_are_read(&postgres, &by_name).await;
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
        // Nobody needs the files: they are not read.
        "?sslmode=disable&sslrootcert=/no/ca.pem&sslcert=/no/c.pem&sslkey=/no/k.pem".to_owned(),
        "?sslmode=disable&sslcert=/no/c.pem".to_owned(),
        "?sslmode=allow&sslrootcert=/no/ca.pem".to_owned(),
    ] {
        assert_answers(&backend(&format!("{by_address}{options}"))).await;
    }
    let full = format!("?sslmode=verify-full&sslrootcert={ca}");
    assert_answers(&backend(&format!("{by_name}{full}"))).await;
    assert_says(
        &format!("{by_address}{full}"),
        "no TLS connection to PostgreSQL at 127.0.0.1",
    )
    .await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{by_name}?sslmode={mode}&sslrootcert={other}");
        assert_says(&url, "no TLS connection to PostgreSQL at localhost").await;
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
        assert_fails(
            &url,
            FailureKind::AccessDenied,
            "refused this user's login from here",
        )
        .await;
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
    assert_fails(
        &format!("{by_name}{full}"),
        FailureKind::AccessDenied,
        "PostgreSQL at localhost",
    )
    .await;
    let wrong = format!("&sslcert={}&sslkey={}", file("client.pem"), file("ca.pem"));
    assert_fails(
        &format!("{by_name}{full}{wrong}"),
        FailureKind::Configuration,
        "contains no usable private key",
    )
    .await;
    fs::write(&rules, before).unwrap();
}

#[tokio::test]
async fn authorities_are_read_from_files_as_openssl_reads_them() {
    let postgres = postgres_with_tls();
    // As the superuser: the other test's client certificate names the first role.
    postgres.execute("postgres", postgres::TABLES).await;
    let port = postgres.server.port;
    let by_address = format!("postgresql://admin:{PASSWORD_IN_URL}@127.0.0.1:{port}/postgres");
    let file = |name: &str| postgres.folder.join(name).display().to_string();
    let pem = fs::read_to_string(file("ca.pem")).unwrap();
    let renamed =
        |name: &str| pem.replace(" CERTIFICATE-----", &format!(" {name} CERTIFICATE-----"));
    for text in [
        format!("\u{feff}{pem}"),
        renamed("TRUSTED"),
        renamed("X509"),
        format!("subject=/CN=größe\r\n{}", pem.replace('\n', "\r\n")),
    ] {
        let path = file("odd.pem");
        fs::write(&path, text).unwrap();
        let options = format!("?sslmode=verify-ca&sslrootcert={path}");
        assert_answers(&backend(&format!("{by_address}{options}"))).await;
    }
    for (text, problem) in [
        (String::new(), "contains no PEM certificate"),
        (
            pem.replace("-----END CERTIFICATE-----", ""),
            "contains a certificate that is cut off or is not base64",
        ),
    ] {
        let path = file("odd.pem");
        fs::write(&path, text).unwrap();
        assert_fails(
            &format!("{by_address}?sslmode=verify-ca&sslrootcert={path}"),
            FailureKind::Configuration,
            &format!("the file of certificate authorities {path} {problem}"),
        )
        .await;
    }
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
            "no TLS connection to MySQL at 127.0.0.1",
        )
        .await;
    }
    // PyMySQL looks at the host by itself once it has an authority.
    let pymysql = by_address.replace("mysqldb", "pymysql");
    assert_says(
        &format!("{pymysql}?ssl_ca={ca}"),
        "no TLS connection to MySQL at 127.0.0.1",
    )
    .await;
    assert_says(
        &format!("{by_name}?ssl_ca={other}"),
        "no TLS connection to MySQL at localhost",
    )
    .await;

    mariadb.execute("mysql", &format!("ALTER USER {database}@'%' REQUIRE X509"));
    let identity = format!(
        "&ssl_cert={}&ssl_key={}",
        file("client.pem"),
        file("client.key")
    );
    assert_answers(&backend(&format!("{by_address}?ssl_ca={ca}{identity}"))).await;
    // A socket has TLS where it is asked for.
    let by_socket = format!("{by_name}?unix_socket={}", file("socket"));
    assert_answers(&backend(&format!("{by_socket}&ssl_ca={ca}{identity}"))).await;
    for url in [format!("{by_address}?ssl_ca={ca}"), by_socket] {
        let what = "refused the user or its password";
        assert_fails(&url, FailureKind::AccessDenied, what).await;
    }
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
        "service=airflow",
    ] {
        let name = option.split('=').next().unwrap();
        assert_refuses(
            &format!("{postgres}?{option}"),
            &format!("option `{name}` cannot be honoured"),
        );
    }
    for mode in ["required", "REQUIRE"] {
        assert_refuses(
            &format!("{postgres}?sslmode={mode}"),
            "`sslmode` must be one of disable, allow",
        );
    }
    assert_refuses(
        &format!("{postgres}?sslmode=verify-full"),
        "`sslrootcert` is not set",
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
    for url in [postgres, mysql] {
        for option in [
            "SSLMODE=verify-full",
            "ssl_capath=/cas",
            "ssl_cipher=AES128-SHA",
            "%20sslrootcert=/ca.pem",
            "tls_versions=TLSv1.3",
            "requiressl=1",
        ] {
            assert_refuses(
                &format!("{url}?host=h&{option}"),
                "option 2 of the URL cannot be honoured, and the connection would be less safe",
            );
        }
    }
    for option in ["read_default_file=/etc/my.cnf", "option_files=/etc/my.cnf"] {
        let name = option.split('=').next().unwrap();
        assert_refuses(
            &format!("{mysql}?{option}"),
            &format!("option `{name}` cannot be honoured"),
        );
    }
    for mode in ["yes", "required"] {
        assert_refuses(
            &format!("{mysql}?ssl_mode={mode}"),
            "`ssl_mode` must be one of DISABLED, PREFERRED",
        );
    }
    assert_refuses(
        &format!("{mysql}?ssl_mode=VERIFY_CA"),
        "`ssl_ca` is not set",
    );
    assert_refuses(
        &format!("{mysql}?ssl_verify_cert=true"),
        "`ssl_ca` is not set",
    );
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
fn options_that_contradict_each_other_are_refused() {
    let postgres = "postgresql://test_x:marker@localhost/x";
    for (options, names) in [
        ("sslmode=verify-full&ssl=disable", "`sslmode`, `ssl`"),
        (
            "channel_binding=require&sslmode=disable",
            "`channel_binding`, `sslmode`",
        ),
        (
            "ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
            "`ssl_min_protocol_version`, `ssl_max_protocol_version`",
        ),
        (
            "ssl_max_protocol_version=TLSv1.2&ssl_min_protocol_version=TLSv1.3",
            "`ssl_min_protocol_version`, `ssl_max_protocol_version`",
        ),
    ] {
        let what =
            format!("the URL's options {names} contradict each other; remove one of them (DB-16)");
        assert_refuses(&format!("{postgres}?{options}"), &what);
    }
    for options in [
        "sslmode=verify-full&sslmode=disable",
        "sslmode=disable&sslmode=disable",
        "sslrootcert=/a.pem&sslrootcert=/b.pem",
        "connect_timeout=1&connect_timeout=2",
        "user=test_a&user=test_b",
        "unknown=marker&unknown=marker2",
    ] {
        assert_refuses(
            &format!("{postgres}?host=h&{options}"),
            "option 3 of the URL has the name of option 2 of the URL",
        );
    }
    assert_refuses(
        &format!("{postgres}?sslnegotiation=direct&sslmode=prefer"),
        "`sslnegotiation=direct` needs `sslmode=require`",
    );

    let mysql = "mysql+mysqlconnector://test_x:marker@localhost/x";
    for (options, names) in [
        (
            "ssl_disabled=true&ssl_mode=REQUIRED",
            "`ssl_disabled`, `ssl_mode`",
        ),
        (
            "ssl_mode=PREFERRED&ssl_disabled=true",
            "`ssl_disabled`, `ssl_mode`",
        ),
        (
            "ssl_disabled=false&ssl_mode=DISABLED",
            "`ssl_disabled`, `ssl_mode`",
        ),
        ("ssl_disabled=true&ssl=true", "`ssl_disabled`, `ssl`"),
        ("ssl=true&ssl_mode=DISABLED", "`ssl`, `ssl_mode`"),
        ("ssl=true&ssl_mode=PREFERRED", "`ssl`, `ssl_mode`"),
        ("ssl=false&ssl_mode=REQUIRED", "`ssl`, `ssl_mode`"),
        (
            "ssl_mode=VERIFY_CA&ssl_verify_cert=false&ssl_ca=/c",
            "`ssl_verify_cert`, `ssl_mode`",
        ),
        (
            "ssl_verify_identity=true&ssl_verify_cert=false&ssl_ca=/c",
            "`ssl_verify_cert`, `ssl_verify_identity`",
        ),
        (
            "ssl_verify_identity=true&ssl_check_hostname=false&ssl_ca=/c",
            "`ssl_check_hostname`, `ssl_verify_identity`",
        ),
        (
            "ssl_mode=VERIFY_IDENTITY&ssl_check_hostname=false&ssl_ca=/c",
            "`ssl_verify_identity`, `ssl_mode`",
        ),
    ] {
        let what =
            format!("the URL's options {names} contradict each other; remove one of them (DB-16)");
        assert_refuses(&format!("{mysql}?{options}"), &what);
    }
    for options in ["ssl_disabled=true&ssl_ca=/c", "ssl=false&ssl_ca=/c"] {
        assert_refuses(&format!("{mysql}?{options}"), "both turns TLS off");
    }
    assert_refuses(
        &format!("{mysql}?ssl_mode=DISABLED&ssl_mode=REQUIRED"),
        "option 2 of the URL has the name of option 1 of the URL",
    );
}

#[test]
fn a_value_that_airflows_driver_refuses_is_refused() {
    for (url, what) in [
        (
            "postgresql://h/x?connect_timeout=abc",
            "`connect_timeout` must be a number of seconds",
        ),
        (
            "postgresql://h/x?keepalives=x",
            "`keepalives` must be a whole number",
        ),
        (
            "postgresql://h/x?port=x",
            "`port` must be a number from 0 to 65535",
        ),
        (
            "postgresql://h/x?target_session_attrs=x",
            "`target_session_attrs` must be one of",
        ),
        (
            "postgresql://h/x?load_balance_hosts=x",
            "`load_balance_hosts` must be random or disable",
        ),
        (
            "mysql://h/x?connect_timeout=abc",
            "`connect_timeout` must be a whole number of seconds",
        ),
        ("mysql://h/x?ssl=maybe", "`ssl` must be true or false"),
        (
            "mysql://h/x?port=70000",
            "`port` must be a number from 0 to 65535",
        ),
    ] {
        assert_refuses(url, what);
    }
}

#[test]
fn an_option_that_is_passed_over_is_named_by_its_place_in_a_warning() {
    for (url, number) in [
        (
            "postgresql://test_x:marker@localhost/x?marker=a&client_encoding=utf8",
            1,
        ),
        (
            "mysql+pymysql://test_x:marker@localhost/x?charset=utf8mb4&marker=SET+x",
            2,
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
            "[database] sql_alchemy_conn (airflow.cfg:7): option {number} of the URL is ignored; \
             if Airflow connects without it, remove it (DB-6)"
        );
        assert_eq!(warnings, [expected]);
    }
}
