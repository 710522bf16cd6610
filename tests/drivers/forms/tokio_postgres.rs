//! `tokio-postgres`'s `Config`.

use proptest::{prop_assert, prop_assert_eq};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::any::{extra, fields, property};

#[test]
fn tokio_postgres_reads_its_text_back() {
    let members = &["application_name", "options", "fallback_application_name"];
    property((fields(), extra(members)), |(fields, extra)| {
        let client = fields.connection("postgres", &extra).postgres().unwrap();
        let Ok(form) = client.tokio_postgres() else {
            prop_assert_eq!(fields.host.as_deref(), Some(""));
            return Ok(false);
        };
        let read = form.expose().parse::<Config>();
        prop_assert!(read.is_ok(), "{} {:?}", form.expose(), read);
        let read = read.unwrap();
        let member = |name: &str| extra.get(name).and_then(serde_json::Value::as_str);
        prop_assert_eq!(read.get_user(), fields.login.as_deref());
        prop_assert_eq!(
            read.get_password(),
            fields.password.as_deref().map(str::as_bytes)
        );
        prop_assert_eq!(read.get_dbname(), fields.schema.as_deref());
        prop_assert_eq!(read.get_options(), member("options"));
        prop_assert_eq!(read.get_application_name(), member("application_name"));
        prop_assert_eq!(read.get_ports(), Vec::from_iter(fields.port));
        prop_assert_eq!(read.get_ssl_mode(), SslMode::Prefer);
        // A list, in which a comma parts the hosts, as for libpq.
        let hosts = fields.host.iter().flat_map(|host| host.split(','));
        let hosts = hosts.map(|host| match host.chars().next() {
            Some('/') => Host::Unix(host.into()),
            _ => Host::Tcp(host.to_owned()),
        });
        prop_assert_eq!(read.get_hosts(), hosts.collect::<Vec<_>>());
        Ok(true)
    });
}

#[test]
fn tokio_postgres_reads_each_of_its_modes() {
    for (mode, expected) in [
        ("disable", SslMode::Disable),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::Require),
        ("verify-full", SslMode::Require),
    ] {
        let connection = airflow_secrets::Connection::builder("warehouse")
            .conn_type("postgres")
            .host("db")
            .extra(format!(
                r#"{{"sslmode": "{mode}", "connect_timeout": 7, "channel_binding": "require"}}"#
            ));
        let client = connection.build().unwrap().postgres().unwrap();
        let (form, tls) = client.tokio_postgres_and_tls().unwrap();
        let read = form.expose().parse::<Config>().unwrap();
        assert_eq!(read.get_ssl_mode(), expected, "{mode}");
        assert_eq!(
            read.get_connect_timeout().map(std::time::Duration::as_secs),
            Some(7)
        );
        assert_eq!(
            read.get_channel_binding(),
            tokio_postgres::config::ChannelBinding::Require
        );
        assert_eq!(tls.checks_certificate, mode.starts_with("verify"), "{mode}");
    }
}
