//! The forms that drivers read: what they are, what they refuse, and that nothing shows a secret.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used)]

use airflow_secrets::Connection;

fn connection(extra: &str) -> Connection {
    Connection::builder("warehouse")
        .conn_type("postgres")
        .host("db.example.com")
        .login("a b@c")
        .password("p/w'r\\d%41 marker")
        .schema("orders")
        .extra(extra)
        .build()
        .unwrap()
}

#[test]
fn libpq_is_given_quoted_text() {
    let client = connection(r#"{"sslmode": "verify-full"}"#).postgres();
    assert_eq!(
        client.unwrap().libpq().unwrap().expose(),
        r"host='db.example.com' user='a b@c' password='p/w\'r\\d%41 marker' dbname='orders' sslmode='verify-full'"
    );
}

#[test]
fn a_url_has_every_part_encoded() {
    let client = connection(r#"{"sslmode": "verify-full"}"#).postgres();
    assert_eq!(
        client.unwrap().url().unwrap().expose(),
        "postgresql://a%20b%40c:p%2Fw%27r%5Cd%2541%20marker@db.example.com/orders?sslmode=verify-full"
    );
}

#[test]
fn tokio_postgres_is_refused_a_mode_that_it_does_not_know() {
    let client = connection(r#"{"sslmode": "verify-full", "sslrootcert": "/ca"}"#);
    let client = client.postgres().unwrap();
    assert!(client.tokio_postgres().is_err());
    let (form, tls) = client.tokio_postgres_and_tls().unwrap();
    assert!(form.expose().ends_with("sslmode='require'"));
    assert!(tls.checks_certificate && tls.checks_host);
    assert_eq!(tls.root_cert.as_deref(), Some("/ca"));
}

#[test]
fn an_empty_file_of_tls_is_an_absent_one_as_for_libpq() {
    let client = connection(r#"{"sslmode": "require", "sslrootcert": "", "sslcert": ""}"#);
    let client = client.postgres().unwrap();
    let (_, tls) = client.tokio_postgres_and_tls().unwrap();
    assert_eq!(
        (tls.root_cert, tls.cert, tls.checks_certificate),
        (None, None, false)
    );
    let form = client.tokio_postgres().unwrap();
    assert!(form.expose().ends_with("sslmode='require'"));
    assert!(
        client
            .sqlx_url()
            .unwrap()
            .expose()
            .ends_with("&sslmode=require")
    );
    // What is no text is not lost.
    let client = connection(r#"{"sslmode": "require", "sslrootcert": 7}"#);
    let client = client.postgres().unwrap();
    assert!(client.tokio_postgres().is_err());
    let (_, tls) = client.tokio_postgres_and_tls().unwrap();
    assert_eq!(
        (tls.root_cert.as_deref(), tls.checks_certificate),
        (Some("7"), true)
    );
}

#[test]
fn a_mode_that_libpq_does_not_know_is_an_error() {
    let error = connection(r#"{"sslmode": "bogus"}"#).postgres();
    let error = error.unwrap_err();
    assert_eq!(
        (error.conn_id(), error.member()),
        ("warehouse", Some("sslmode"))
    );
}

#[test]
fn sqlx_is_refused_what_it_would_log_and_ignore() {
    let client = connection(r#"{"channel_binding": "require"}"#).postgres();
    assert!(client.unwrap().sqlx_url().is_err());
    let client = connection(r#"{"keepalives_idle": 3}"#).postgres().unwrap();
    assert_eq!(client.sqlx_url().unwrap().left_out(), ["keepalives_idle"]);
}

#[test]
fn object_store_is_refused_a_role_beside_keys() {
    let client = connection(r#"{"role_arn": "arn:aws:iam::123456789012:role/r"}"#);
    assert!(client.aws("s3").unwrap().object_store().is_err());
}

#[test]
fn kafka_is_refused_no_value_for_its_protocol() {
    let broker = r#""bootstrap.servers": "b:9093""#;
    let error = |extra: &str| connection(extra).kafka().unwrap_err().to_string();
    assert_eq!(
        error(&format!(r#"{{{broker}, "security.protocol": null}}"#)),
        "connection \"warehouse\" gives no kafka client: member \"security.protocol\" of `extra` is null, which \
         librdkafka refuses; give it a value, or remove it"
    );
    // What is a text there may be without a value.
    let made = connection(&format!(r#"{{{broker}, "ssl.ca.location": null}}"#));
    assert_eq!(made.kafka().unwrap().options().unwrap().iter().count(), 1);
}

#[test]
fn redis_has_no_url_for_an_authority() {
    let uri = "redis://:pw@h:6379?ssl=true&ssl_ca_certs=/ca";
    let client = Connection::from_uri("r", uri, airflow_secrets::Dialect::Core);
    assert!(client.unwrap().redis().unwrap().url().is_err());
}

#[test]
fn nothing_that_prints_shows_a_secret() {
    let connection =
        connection(r#"{"sslpassword": "marker", "X-Token": "marker", "bad-name": "marker"}"#);
    let client = connection.postgres().unwrap();
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        client,
        client.libpq().unwrap_err(),
        connection.http().unwrap().headers().unwrap(),
        connection.generic().unwrap(),
    );
    assert!(!shown.contains("marker"), "{shown}");
}
