//! The crate `redis`.

use proptest::{prop_assert, prop_assert_eq};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use serde_json::json;

use crate::any::{fields, host, property, text};

fn read(url: &str) -> ConnectionInfo {
    url.into_connection_info()
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[test]
fn redis_reads_its_url_back() {
    property(
        (fields(), host(), 0..99_i64),
        |(mut fields, host, database)| {
            fields.host = Some(host.clone());
            fields.port = Some(fields.port.unwrap_or(6379));
            let extra = json!({"db": database});
            let client = fields
                .connection("redis", extra.as_object().unwrap())
                .redis()
                .unwrap();
            let form = client.url().unwrap();
            let read = read(form.expose());
            let ConnectionAddr::Tcp(read_host, port) = read.addr() else {
                prop_assert!(false, "{:?}", read.addr());
                return Ok(false);
            };
            prop_assert_eq!((read_host, Some(*port)), (&host, fields.port));
            let settings = read.redis_settings();
            let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
            let password = filled(fields.password)
                .filter(|text| !["none", "false"].contains(&&*text.to_lowercase()));
            prop_assert_eq!(settings.username().map(str::to_owned), filled(fields.login));
            prop_assert_eq!(settings.password().map(str::to_owned), password);
            prop_assert_eq!(settings.db(), database);
            Ok(true)
        },
    );
}

#[test]
fn a_host_of_redis_that_is_no_name_is_refused_or_read_back() {
    property(text(), |host| {
        let connection = airflow_secrets::Connection::builder("r")
            .conn_type("redis")
            .port(6379);
        let client = connection.host(&host).build().unwrap().redis().unwrap();
        if let Ok(form) = client.url() {
            // It refuses the wildcard addresses by itself.
            let Ok(read) = form.expose().into_connection_info() else {
                prop_assert!(
                    host.parse::<std::net::IpAddr>()
                        .is_ok_and(|host| host.is_unspecified())
                );
                return Ok(true);
            };
            let expected = ConnectionAddr::Tcp(host, 6379);
            prop_assert_eq!(read.addr(), &expected);
        }
        Ok(true)
    });
}

#[test]
fn redis_reads_tls() {
    for (extra, is_insecure) in [
        (json!({"ssl": true}), false),
        (json!({"ssl": true, "ssl_cert_reqs": "required"}), false),
        (json!({"ssl": true, "ssl_cert_reqs": "none"}), true),
    ] {
        let connection = airflow_secrets::Connection::builder("r")
            .conn_type("redis")
            .host("::1")
            .port(6380);
        let client = connection
            .extra(extra.to_string())
            .build()
            .unwrap()
            .redis()
            .unwrap();
        let read = read(client.url().unwrap().expose());
        let ConnectionAddr::TcpTls {
            host,
            port,
            insecure,
            ..
        } = read.addr()
        else {
            panic!("{extra}: {:?}", read.addr());
        };
        assert_eq!(
            (&**host, *port, *insecure),
            ("::1", 6380, is_insecure),
            "{extra}"
        );
    }
}

#[test]
fn redis_reads_the_nodes_of_a_cluster() {
    let connection = airflow_secrets::Connection::builder("r")
        .conn_type("redis")
        .host("a")
        .port(7000);
    let extra = json!({"cluster": true, "startup_nodes": "b:7001, c"});
    let client = connection
        .extra(extra.to_string())
        .password("p@:/")
        .build()
        .unwrap()
        .redis()
        .unwrap();
    let nodes = client.node_urls().unwrap();
    let read = nodes.iter().map(|node| read(node.expose()));
    let read = read.map(|node| {
        (
            node.addr().to_string(),
            node.redis_settings().password().map(str::to_owned),
        )
    });
    let expected =
        ["a:7000", "b:7001", "c:6379"].map(|address| (address.to_owned(), Some("p@:/".to_owned())));
    assert_eq!(read.collect::<Vec<_>>(), expected);
}
