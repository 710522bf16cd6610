//! `sqlx`'s `MySqlConnectOptions`.

use proptest::{prop_assert, prop_assert_eq};
use serde_json::json;
use sqlx::{
    ConnectOptions as _,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use crate::any::{fields, host, property};

fn password(options: &MySqlConnectOptions) -> Option<String> {
    let url = options.clone().username("user").host("host").to_url_lossy();
    let text = format!("k={}", url.password()?.replace('+', "%2B"));
    let mut pair = url.clone();
    pair.set_query(Some(&text));
    let (_, value) = pair.query_pairs().next().unwrap();
    Some(value.into_owned())
}

#[test]
fn sqlx_reads_its_url_of_mysql_back() {
    property((fields(), host()), |(mut fields, host)| {
        // Any text is no host: see below.
        fields.host = Some(host.clone());
        let client = fields
            .connection("mysql", &serde_json::Map::new())
            .mysql()
            .unwrap();
        let Ok(form) = client.sqlx_url() else {
            let is_dots = fields
                .schema
                .is_some_and(|schema| schema == "." || schema == "..");
            prop_assert!(is_dots || fields.login.unwrap_or_default().is_empty());
            return Ok(false);
        };
        let read = form.expose().parse::<MySqlConnectOptions>();
        prop_assert!(read.is_ok(), "{} {:?}", form.expose(), read);
        let read = read.unwrap();
        prop_assert_eq!(Some(read.get_username()), fields.login.as_deref());
        prop_assert_eq!(password(&read), fields.password);
        prop_assert_eq!(
            read.get_database(),
            fields.schema.as_deref().filter(|schema| !schema.is_empty())
        );
        prop_assert_eq!(read.get_port(), fields.port.unwrap_or(3306));
        prop_assert_eq!(read.get_host().trim_matches(['[', ']']), host);
        Ok(true)
    });
}

#[test]
fn a_host_that_is_no_name_is_refused_or_read_back() {
    property(crate::any::text(), |host| {
        let connection = airflow_secrets::Connection::builder("m")
            .conn_type("mysql")
            .login("app");
        let client = connection.host(&host).build().unwrap().mysql().unwrap();
        if let Ok(form) = client.sqlx_url() {
            let read = form.expose().parse::<MySqlConnectOptions>().unwrap();
            let expected = if host.is_empty() { "localhost" } else { &host };
            prop_assert_eq!(read.get_host().trim_matches(['[', ']']), expected);
        }
        Ok(true)
    });
}

/// `sqlx` would log in as `root`, the hook's driver as whom the system knows.
#[test]
fn no_user_is_no_root() {
    let connection = airflow_secrets::Connection::builder("m")
        .conn_type("mysql")
        .host("db");
    let error = connection
        .build()
        .unwrap()
        .mysql()
        .unwrap()
        .sqlx_url()
        .unwrap_err();
    assert_eq!((error.conn_id(), error.field()), ("m", "login"));
}

fn read(extra: &serde_json::Value) -> MySqlConnectOptions {
    let connection = airflow_secrets::Connection::builder("m")
        .conn_type("mysql")
        .login("app");
    let connection = connection.extra(extra.to_string()).build().unwrap();
    let form = connection.mysql().unwrap().sqlx_url().unwrap();
    form.expose().parse().unwrap()
}

#[test]
fn sqlx_reads_each_mode_of_mysql() {
    let connector = |extra: serde_json::Value| {
        let mut extra = extra;
        extra["client"] = "mysql-connector-python".into();
        extra
    };
    let ca = json!({"ca": "/ca.pem"});
    for (extra, expected) in [
        (json!({"ssl_mode": "DISABLED"}), MySqlSslMode::Disabled),
        (json!({"ssl_mode": "PREFERRED"}), MySqlSslMode::Preferred),
        (json!({"ssl_mode": "REQUIRED"}), MySqlSslMode::Required),
        (
            json!({"ssl_mode": "VERIFY_CA", "ssl": ca}),
            MySqlSslMode::VerifyCa,
        ),
        (
            json!({"ssl_mode": "VERIFY_IDENTITY", "ssl": ca}),
            MySqlSslMode::VerifyIdentity,
        ),
        (json!({"ssl": ca}), MySqlSslMode::VerifyCa),
        (
            json!({"ssl": {"ca": "/ca.pem", "check_hostname": true}}),
            MySqlSslMode::VerifyIdentity,
        ),
        (
            json!({"ssl": {"cert": "/c.pem", "key": "/k.pem"}}),
            MySqlSslMode::Required,
        ),
        (connector(json!({})), MySqlSslMode::Preferred),
        (
            connector(json!({"ssl_ca": "/ca.pem"})),
            MySqlSslMode::VerifyCa,
        ),
        (
            connector(json!({"ssl_ca": "/ca.pem", "ssl_verify_identity": true})),
            MySqlSslMode::VerifyIdentity,
        ),
        (
            connector(json!({"ssl_disabled": true})),
            MySqlSslMode::Disabled,
        ),
    ] {
        let read = read(&extra).get_ssl_mode();
        assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{extra}");
    }
}

#[test]
fn sqlx_reads_the_files_the_socket_and_the_charset() {
    let read = read(&json!({
        "ssl": {"ca": "/a b&.pem", "cert": "/c+%41.pem", "key": "/k#.pem"},
        "unix_socket": "/run/my sql?.sock",
        "charset": "latin1",
    }));
    let shown = format!("{read:?}");
    for file in ["/a b&.pem", "/c+%41.pem", "/k#.pem"] {
        assert!(shown.contains(&format!("File({file:?})")), "{shown}");
    }
    assert_eq!(
        read.get_socket().unwrap().to_str(),
        Some("/run/my sql?.sock")
    );
    assert_eq!(read.get_charset(), "latin1");
}
