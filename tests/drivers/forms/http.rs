//! `reqwest`: its headers, its URLs and its proxies.

use airflow_secrets::Connection;
use proptest::{prop_assert, prop_assert_eq};
use reqwest::{
    Proxy, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value, json};

use crate::any::{Fields, property, text};

fn of(
    host: &str,
    login: Option<String>,
    password: Option<String>,
    extra: &Map<String, Value>,
) -> Connection {
    let host = Some(host.to_owned());
    let fields = Fields {
        host,
        login,
        password,
        schema: None,
        port: None,
    };
    fields.connection("http", extra)
}

#[test]
fn reqwest_reads_each_header_or_refuses_it() {
    property((text(), text()), |(name, value)| {
        let extra = Map::from_iter([(name.clone(), Value::from(value.clone()))]);
        let Ok(headers) = of("h", None, None, &extra).http().unwrap().headers() else {
            return Ok(true);
        };
        let (given_name, given) = headers.iter().next().unwrap();
        prop_assert_eq!((given_name, given), (&*name, &*value));
        let read_name = HeaderName::from_bytes(name.as_bytes());
        prop_assert!(read_name.is_ok(), "{name:?}");
        let read_name = read_name.unwrap();
        prop_assert_eq!(read_name.as_str(), name.to_ascii_lowercase());
        if value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) {
            let read = HeaderValue::from_str(given).unwrap();
            prop_assert_eq!(read.as_bytes(), value.as_bytes());
        }
        Ok(true)
    });
}

#[test]
fn reqwest_sends_what_it_would_send_for_login_and_password() {
    let http = reqwest::Client::new();
    // Beside a login, Airflow gives an absent or empty password as `None`.
    property((text(), text()), |(login, password)| {
        let client = of(
            "h",
            Some(login.clone()),
            Some(password.clone()),
            &Map::new(),
        )
        .http()
        .unwrap();
        let is_ascii = login.is_ascii() && password.is_ascii();
        let Ok(headers) = client.headers() else {
            prop_assert!(!is_ascii);
            return Ok(true);
        };
        // Beyond ASCII it writes UTF-8, and `requests` Latin-1: the form is that of `requests`.
        if is_ascii && !login.is_empty() && !password.is_empty() {
            let request = http.get("http://h/").basic_auth(&login, Some(&password));
            let sent = request.build().unwrap();
            let sent = sent
                .headers()
                .get("authorization")
                .unwrap()
                .to_str()
                .unwrap();
            prop_assert_eq!(headers.get("Authorization"), Some(sent));
        }
        Ok(true)
    });
}

#[test]
fn reqwest_reads_the_base_url() {
    for (host, schema, port, expected) in [
        ("api.example.com", None, None, "http://api.example.com/"),
        (
            "api.example.com",
            Some("https"),
            Some(8443),
            "https://api.example.com:8443/",
        ),
        (
            "https://api.example.com/v1",
            None,
            None,
            "https://api.example.com/v1",
        ),
        ("[::1]", None, Some(8080), "http://[::1]:8080/"),
    ] {
        let mut connection = Connection::builder("api").conn_type("http").host(host);
        if let Some(schema) = schema {
            connection = connection.schema(schema);
        }
        if let Some(port) = port {
            connection = connection.port(port);
        }
        let client = connection.build().unwrap().http().unwrap();
        assert_eq!(Url::parse(client.base_url()).unwrap().as_str(), expected);
    }
}

#[test]
fn reqwest_reads_headers_as_a_map_and_proxies() {
    let extra = json!({
        "X-Team": "a;b",
        "Accept": "*/*",
        "proxies": {"http": "http://user:p%40ss@proxy:3128", "https": "http://proxy:3128"},
    });
    let client = of("h", None, None, extra.as_object().unwrap())
        .http()
        .unwrap();
    let headers = client.headers().unwrap();
    let headers = headers.iter().map(|(name, value)| {
        (
            name.parse::<HeaderName>().unwrap(),
            value.parse::<HeaderValue>().unwrap(),
        )
    });
    let headers = headers.collect::<HeaderMap>();
    assert_eq!(
        (&headers["x-team"], &headers["accept"], headers.len()),
        (
            &HeaderValue::from_static("a;b"),
            &HeaderValue::from_static("*/*"),
            2
        )
    );
    let proxies = client.proxies().unwrap();
    for (protocol, url) in proxies.iter() {
        let proxy = if protocol == "https" {
            Proxy::https(url)
        } else {
            Proxy::http(url)
        };
        proxy.unwrap();
    }
    assert_eq!(proxies.iter().count(), 2);
}
