//! `ASTRO_DOMAIN=localhost`: an Astro that a developer runs.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    net::TcpListener,
    sync::mpsc::{self, Receiver},
    thread,
};

use serde_json::json;

use crate::{
    builder,
    support::astro_platform::{ORGANIZATION, own, token},
    variable,
};

/// Answers every request with `body`; gives the lines of each one's head.
fn serve(listener: TcpListener, body: String) -> Receiver<Vec<String>> {
    let (sender, heads) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head = lines.take_while(|line| !line.is_empty());
            let _ = sender.send(head.collect());
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    heads
}

#[tokio::test(flavor = "multi_thread")]
async fn the_domain_localhost_is_port_8888_of_this_machine_and_no_proxy_sees_the_token() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy_url = format!("http://{}", proxy.local_addr().unwrap());
    let proxied = serve(proxy, "{}".to_owned());
    let token = token(None);
    let variables = [
        ("ASTRO_DOMAIN", "localhost"),
        ("ASTRO_API_TOKEN", &*token),
        ("ASTRO_DEPLOYMENT_ID", "d1"),
        ("http_proxy", &*proxy_url),
        ("https_proxy", &*proxy_url),
        ("all_proxy", &*proxy_url),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let astro = builder(variables.into_iter().collect()).build().unwrap();
    match TcpListener::bind("127.0.0.1:8888") {
        Ok(listener) => {
            let object = own("d1", "x", "AIRFLOW_VARIABLE", json!({"value": "local"}));
            let list = json!({"environmentObjects": [object], "totalCount": 1});
            let asked = serve(listener, list.to_string());
            assert_eq!(variable(&astro, "x").await, Ok("local".to_owned()));
            let head = asked.recv().unwrap();
            let path = format!("/v1/organizations/{ORGANIZATION}/environment-objects");
            let line = format!("GET {path}?objectType=AIRFLOW_VARIABLE&deploymentId=d1&");
            assert!(head[0].starts_with(&line), "{}", head[0]);
            let has = |line: &str| head.iter().any(|one| one.eq_ignore_ascii_case(line));
            assert!(has("host: localhost:8888"), "{head:?}");
            assert!(has(&format!("authorization: Bearer {token}")), "{head:?}");
        }
        // Some other program's port: what it answers is not known, but that the proxy is not asked is.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(variable(&astro, "x").await.is_err());
        }
    }
    assert!(proxied.try_recv().is_err(), "the proxy was asked");
}
