//! `sqlx`'s `PgConnectOptions`.

use std::path::Path;

use proptest::{prop_assert, prop_assert_eq};
use serde_json::Value;
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::any::{extra, fields, property};

/// The password that `sqlx` read: it has no getter, but writes it into a URL.
fn password(options: &PgConnectOptions) -> Option<String> {
    let url = options.clone().username("user").host("host").to_url_lossy();
    let url = url.as_str().strip_prefix("postgres://user").unwrap();
    let password = url.split_once('@').unwrap().0.strip_prefix(':')?;
    Some(decoded(password))
}

/// libpq's names of the files of TLS, and `sqlx`'s, which has no getters for them.
const FILES: [(&str, &str); 3] = [
    ("sslrootcert", "ssl_root_cert"),
    ("sslcert", "ssl_client_cert"),
    ("sslkey", "ssl_client_key"),
];

fn decoded(text: &str) -> String {
    let mut pair = reqwest::Url::parse("http://h/").unwrap();
    pair.set_query(Some(&format!("k={}", text.replace('+', "%2B"))));
    let (_, value) = pair.query_pairs().next().unwrap();
    value.into_owned()
}

#[test]
fn sqlx_reads_its_url_back() {
    let members = &[
        "application_name",
        "options",
        "sslrootcert",
        "sslcert",
        "sslkey",
    ];
    property((fields(), extra(members)), |(fields, extra)| {
        let client = fields.connection("postgres", &extra).postgres().unwrap();
        let Ok(form) = client.sqlx_url() else {
            let host = fields.host.unwrap_or_default();
            prop_assert!(host.is_empty() || host.contains(','), "{host}");
            return Ok(false);
        };
        let read = form.expose().parse::<PgConnectOptions>();
        prop_assert!(read.is_ok(), "{} {:?}", form.expose(), read);
        let read = read.unwrap();
        let member = |name: &str| extra.get(name).and_then(Value::as_str);
        if let Some(login) = &fields.login {
            prop_assert_eq!(read.get_username(), login);
        }
        prop_assert_eq!(password(&read), fields.password);
        prop_assert_eq!(read.get_database(), fields.schema.as_deref());
        prop_assert_eq!(read.get_options(), member("options"));
        prop_assert_eq!(read.get_application_name(), member("application_name"));
        prop_assert_eq!(read.get_port(), fields.port.unwrap_or(5432));
        let shown = format!("{read:?}");
        for (name, field) in FILES {
            // libpq takes an empty one as absent.
            let file = member(name).filter(|file| !file.is_empty());
            let file = file.map(|file| format!("Some(File({:?}))", Path::new(file)));
            let expected = format!("{field}: {}", file.unwrap_or("None".to_owned()));
            prop_assert!(shown.contains(&expected), "{expected} is not in {shown}");
        }
        match &fields.host {
            Some(host) if host.starts_with('/') => {
                prop_assert_eq!(
                    read.get_socket().map(std::path::PathBuf::as_path),
                    Some(Path::new(host))
                );
            }
            Some(host) => {
                prop_assert_eq!((read.get_host(), read.get_socket()), (host.as_str(), None));
            }
            None => {}
        }
        Ok(true)
    });
}

fn read(extra: &str) -> PgConnectOptions {
    let connection = airflow_secrets::Connection::builder("warehouse").conn_type("postgres");
    let connection = connection.host("db").extra(extra).build().unwrap();
    let form = connection.postgres().unwrap().sqlx_url().unwrap();
    form.expose().parse().unwrap()
}

#[test]
fn sqlx_reads_each_mode() {
    let name = |mode: PgSslMode| format!("{mode:?}");
    for (mode, expected) in [
        ("disable", PgSslMode::Disable),
        ("allow", PgSslMode::Allow),
        ("prefer", PgSslMode::Prefer),
        ("require", PgSslMode::Require),
        ("verify-ca", PgSslMode::VerifyCa),
        ("verify-full", PgSslMode::VerifyFull),
    ] {
        // Without an authority, `verify-ca` has no form.
        let authority = match mode {
            "verify-ca" => r#", "sslrootcert": "/ca.pem""#,
            _ => "",
        };
        let read = read(&format!(r#"{{"sslmode": "{mode}"{authority}}}"#));
        assert_eq!(name(read.get_ssl_mode()), name(expected));
    }
    // With an authority libpq checks the chain under `require` too, which sqlx does not.
    let read = read(r#"{"sslmode": "require", "sslrootcert": "/ca.pem"}"#);
    assert_eq!(name(read.get_ssl_mode()), name(PgSslMode::VerifyCa));
}
