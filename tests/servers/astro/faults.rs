//! Faults of Astro and of the network before it: an outage never reads as *missing*, ends in time, and the
//! next lookup is right.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use airflow_secrets::{
    SecretsBackend as _,
    backend::LookupOptions,
    backends::{HttpOptions, RetryOptions, astro::AstroBackend},
};
use serde_json::json;

use crate::{
    builder,
    support::{
        astro_platform::{Platform, own, problem},
        https::Reply,
    },
    variable,
};

const SIZE: usize = 64 * 1024 * 1024;

fn platform() -> Platform {
    Platform::start(vec![own(
        "d1",
        "x",
        "AIRFLOW_VARIABLE",
        json!({"value": "right", "isSecret": true}),
    )])
}

/// A backend that reaches the platform through `proxy`, and waits a second.
fn through(platform: &Platform, proxy: &str) -> AstroBackend {
    let mut variables = platform.reach(Some("d1"));
    variables.insert("https_proxy".to_owned(), proxy.to_owned());
    let second = HttpOptions::new().with_timeout(Duration::from_secs(1));
    builder(variables).http(second).build().unwrap()
}

fn reply(status: u16, body: &[u8]) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: body.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_of_astros_is_an_outage_or_a_denial_and_the_next_is_right() {
    let platform = platform();
    let body = json!({"marker": "m4rk3r"}).to_string();
    let huge = format!("{{\"marker\": \"{}\"}}", "x".repeat(SIZE));
    let of_status = |status| (format!("HTTP {status}"), reply(status, body.as_bytes()));
    let mut faults: Vec<_> = [400, 401, 403, 404, 408, 412, 429, 500, 502, 503]
        .map(of_status)
        .into();
    faults.extend([
        (
            "HTTP 429 with `Retry-After: 20`".to_owned(),
            reply(429, body.as_bytes()).with("Retry-After", "20"),
        ),
        (
            "HTML in place of JSON".to_owned(),
            reply(200, b"<html>m4rk3r</html>"),
        ),
        (
            "JSON that ends too early".to_owned(),
            reply(200, b"{\"environmentObjects\": [{\"objectKey\""),
        ),
        ("64 MiB of JSON".to_owned(), reply(200, huge.as_bytes())),
        (
            "deep JSON".to_owned(),
            reply(200, "[".repeat(100_000).as_bytes()),
        ),
        (
            "a redirect to itself".to_owned(),
            reply(307, b"{}").with("Location", "/v1/organizations/org1/environment-objects"),
        ),
    ]);
    for (fault, reply) in faults {
        platform.world().first.push_back(reply);
        let limit = HttpOptions::new().with_timeout(Duration::from_secs(10));
        let astro = builder(platform.reach(Some("d1")))
            .http(limit)
            .build()
            .unwrap();
        let failure = variable(&astro, "none").await.unwrap_err();
        let kind = failure.split(':').next().unwrap();
        let expected = if fault == "HTTP 401" {
            "AccessDenied"
        } else {
            "Unavailable"
        };
        assert_eq!(kind, expected, "{fault}: {failure}");
        assert!(!failure.contains("m4rk3r"), "{fault}: {failure}");
        let next = builder(platform.reach(Some("d1"))).build().unwrap();
        assert_eq!(
            variable(&next, "x").await,
            Ok("right".to_owned()),
            "{fault}"
        );
    }
}

/// A proxy that does `what` with each connection.
fn proxy(what: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || what(stream));
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_fails_is_an_outage_in_time() {
    let platform = platform();
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let silent = proxy(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let reset = proxy(|mut stream| {
        let _ = stream.read(&mut [0; 100]);
    });
    let slow = proxy(|mut stream| {
        for byte in b"HTTP/1.1 200 Connection established\r\n\r\n"
            .iter()
            .cycle()
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
            let _ = stream.read(&mut [0; 100]);
        }
    });
    for (fault, url) in [
        ("refused", refused),
        ("silence", silent),
        ("reset", reset),
        ("slow", slow),
    ] {
        let astro = through(&platform, &url);
        let start = Instant::now();
        let failure = variable(&astro, "x").await.unwrap_err();
        let took = start.elapsed();
        assert!(failure.starts_with("Unavailable: "), "{fault}: {failure}");
        assert!(took < Duration::from_millis(1300), "{fault}: {took:?}");
    }
    let astro = through(&platform, &platform.proxy);
    assert_eq!(variable(&astro, "x").await, Ok("right".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_that_ends_while_astro_asks_to_wait_says_so() {
    let platform = platform();
    let busy = problem(429, "busy").with("Retry-After", "20");
    platform.world().first.push_back(busy);
    let once = RetryOptions::new().with_max_retries(1);
    let astro = builder(platform.reach(Some("d1"))).retries(once);
    let astro = astro.build().unwrap();
    let start = Instant::now();
    let deadline = start + Duration::from_millis(500);
    let options = LookupOptions::new().with_deadline(deadline);
    let failure = astro.get_variable("x", &options).await.unwrap_err();
    let expected = "Astro throttles: the token has asked too often";
    assert_eq!(failure.message(), expected);
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(20)));
    assert!(start.elapsed() < Duration::from_secs(10));
}
