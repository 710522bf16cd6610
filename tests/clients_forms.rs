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
fn a_chain_is_not_checked_against_every_public_authority() {
    let postgres = |extra: &str| connection(extra).postgres().unwrap().sqlx_url();
    let error = postgres(r#"{"sslmode": "verify-ca"}"#).unwrap_err();
    assert_eq!(error.member(), Some("sslrootcert"));
    let form = postgres(r#"{"sslmode": "verify-ca", "sslrootcert": "/ca"}"#).unwrap();
    assert!(
        form.expose()
            .ends_with("&sslmode=verify-ca&sslrootcert=%2Fca")
    );
    let mysql = |extra: &str| connection(extra).mysql().unwrap().sqlx_url();
    let error = mysql(r#"{"ssl_mode": "VERIFY_CA"}"#).unwrap_err();
    assert_eq!(error.member(), Some("ssl"));
    let error = mysql(r#"{"client": "mysql-connector-python", "ssl_verify_cert": true}"#);
    assert_eq!(error.unwrap_err().member(), Some("ssl_ca"));
}

#[test]
fn the_authorities_of_the_system_are_for_a_full_check_alone() {
    for mode in ["disable", "prefer", "require", "verify-ca"] {
        let extra = format!(r#"{{"sslmode": "{mode}", "sslrootcert": "system"}}"#);
        let error = connection(&extra).postgres().unwrap_err();
        assert_eq!(error.member(), Some("sslmode"), "{mode}");
    }
    for extra in [
        r#"{"sslrootcert": "system"}"#,
        r#"{"sslmode": "verify-full", "sslrootcert": "system"}"#,
    ] {
        let client = connection(extra).postgres().unwrap();
        let (_, tls) = client.tokio_postgres_and_tls().unwrap();
        assert!(tls.checks_certificate && tls.checks_host);
    }
}

#[test]
fn a_clients_certificate_of_http_is_not_lost() {
    let http = |extra: &str| connection(extra).http().unwrap();
    let client = http(r#"{"cert": ["/c", "/k"]}"#);
    let pair = client.client_certificate().unwrap();
    assert_eq!(pair, Some(("/c", Some("/k"))));
    let client = http(r#"{"cert": "/c"}"#);
    assert_eq!(client.client_certificate().unwrap(), Some(("/c", None)));
    for cert in ["null", "\"\"", "[]", "false"] {
        let client = http(&format!(r#"{{"cert": {cert}}}"#));
        assert_eq!(client.client_certificate().unwrap(), None, "{cert}");
    }
    for cert in [r#"["/c"]"#, r#"{"cert": "/c"}"#, "true", r#"["/c", 5]"#] {
        let client = http(&format!(r#"{{"cert": {cert}}}"#));
        let error = client.client_certificate().unwrap_err();
        assert_eq!(error.member(), Some("cert"), "{cert}");
    }
}

#[test]
fn redirects_that_are_not_followed_are_no_limit_of_zero() {
    let redirects = |extra: &str| connection(extra).http().unwrap().redirects().unwrap();
    assert_eq!(redirects(r#"{"allow_redirects": false}"#), None);
    assert_eq!(redirects(r#"{"max_redirects": 0}"#), Some(0));
    assert_eq!(redirects("{}"), Some(30));
}

/// A connection to Azure, and its form for `object_store`.
fn azure(
    extra: &str,
) -> Result<airflow_secrets::clients::Pairs, airflow_secrets::clients::ClientError> {
    let connection = Connection::builder("store").conn_type("wasb").login("acc");
    let connection = connection.password("a2V5").extra(extra).build().unwrap();
    connection.azure_blob().unwrap().object_store()
}

#[test]
fn an_authority_of_azure_has_its_protocol() {
    let pairs = azure(
        r#"{"tenant_id": "t", "client_secret_auth_config": {"authority": "login.chinacloudapi.cn"}}"#,
    );
    assert_eq!(
        pairs.unwrap().get("azure_storage_authority_host"),
        Some("https://login.chinacloudapi.cn")
    );
}

#[test]
fn options_of_azures_client_are_written_named_or_refused() {
    let pairs = azure(r#"{"retry_total": 3, "connection_verify": false, "tenant_id": ""}"#);
    let pairs = pairs.unwrap();
    assert_eq!(pairs.left_out(), ["retry_total"]);
    assert_eq!(pairs.get("allow_invalid_certificates"), Some("true"));
    for (extra, member) in [
        (r#"{"connection_verify": "/ca"}"#, "connection_verify"),
        (r#"{"connection_cert": "/c"}"#, "connection_cert"),
        (
            r#"{"connection_string": "AccountName=a;AccountKey=a2V5", "credential": "other"}"#,
            "credential",
        ),
    ] {
        assert_eq!(azure(extra).unwrap_err().member(), Some(member));
    }
    let pairs =
        azure(r#"{"connection_string": "AccountName=a;AccountKey=Zmlyc3Q=;AccountKey=bGFzdA=="}"#);
    assert_eq!(
        pairs.unwrap().get("azure_storage_account_key"),
        Some("bGFzdA==")
    );
}

#[test]
fn an_identity_of_a_workload_keeps_its_tenant() {
    let connection = Connection::builder("store").conn_type("wasb").login("acc");
    let extra = r#"{"managed_identity_client_id": "m", "workload_identity_tenant_id": "w"}"#;
    let connection = connection.extra(extra).build().unwrap();
    let pairs = connection.azure_blob().unwrap().object_store().unwrap();
    assert_eq!(pairs.get("azure_storage_client_id"), Some("m"));
    assert_eq!(pairs.get("azure_storage_tenant_id"), Some("w"));
}

#[test]
fn a_token_shows_no_part_of_a_host_that_holds_the_password() {
    let uri = "postgresql://app:p@marker@db/x?iam=true";
    let connection = Connection::from_uri("w", uri, airflow_secrets::Dialect::Core).unwrap();
    let client = connection.postgres().unwrap();
    assert!(client.iam().is_some());
    let shown = format!("{client:?} {client:#?}");
    assert!(!shown.contains("marker"), "{shown}");
}

#[test]
fn a_database_of_redis_is_a_whole_number() {
    let url = |db: &str| {
        let uri = format!("redis://h:6379?__extra__=%7B%22db%22:{db}%7D");
        let connection = Connection::from_uri("r", &uri, airflow_secrets::Dialect::Core).unwrap();
        let form = connection.redis().unwrap().url();
        form.map(|form| form.expose().to_owned())
            .map_err(|error| error.member().map(str::to_owned))
    };
    assert_eq!(url("3"), Ok("redis://h:6379/3".to_owned()));
    assert_eq!(url("%223%22"), Ok("redis://h:6379/3".to_owned()));
    for db in ["2.5", "true", "-1", "%22x%22"] {
        assert_eq!(url(db), Err(Some("db".to_owned())), "{db}");
    }
}

#[test]
fn psycopgs_own_text_of_parameters_has_no_form() {
    let client = connection(r#"{"conninfo": "sslmode=disable"}"#)
        .postgres()
        .unwrap();
    for error in [
        client.libpq().unwrap_err(),
        client.url().unwrap_err(),
        client.sqlx_url().unwrap_err(),
        client.tokio_postgres().unwrap_err(),
    ] {
        assert_eq!(error.member(), Some("conninfo"));
    }
}

#[test]
fn a_piece_of_a_password_that_became_a_members_name_is_not_shown() {
    let uri = "postgresql://app:12?marker@db/x";
    let connection = Connection::from_uri("w", uri, airflow_secrets::Dialect::Core).unwrap();
    let client = connection.postgres().unwrap();
    let error = client.libpq().unwrap_err();
    assert_eq!(error.member(), Some("marker@db/x"));
    let generic = connection.generic().unwrap();
    let (redis, http) = (connection.redis(), connection.http().unwrap());
    let (mysql, headers) = (connection.mysql().unwrap(), http.headers().unwrap_err());
    let shown =
        format!("{client:?} {error} {error:?} {generic:?} {redis:?} {http:?} {mysql:?} {headers}");
    assert!(!shown.contains("marker"), "{shown}");
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
