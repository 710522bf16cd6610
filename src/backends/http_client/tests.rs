//! What goes over the wire, and the errors where no answer comes back.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
};

use super::*;

use crate::{
    Environment,
    backends::{http_options::ProxyMap, proxies::Rules, tls::no_tls},
    config::Setting,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nblue";

/// A server that gives `answer` to whatever comes, each head noted with the number of its
/// connection.
async fn server(answer: &'static str) -> (String, mpsc::UnboundedReceiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for connection in 1.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = client.read(&mut buffer).await {
                    let head = String::from_utf8_lossy(buffer.get(..length).unwrap());
                    sender.send((connection, head.into_owned())).unwrap();
                    client.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, receiver)
}

fn client(proxies: Proxies) -> Http {
    Http::new(HttpSettings {
        tls: no_tls().unwrap(),
        proxy_tls: None,
        proxies,
        connect_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(20),
        most_idle_connections: 1,
        bounds: Bounds::default(),
    })
}

fn through(url: &str) -> Proxies {
    let given = ProxyMap::from([("all".to_owned(), url.into())]);
    let given = Setting::new("proxy", "here", given);
    Proxies::new(Rules::Requests, Some(given), &Environment::default())
}

async fn get(http: &Http, url: &str) -> Result<Bytes, SendError> {
    let request = Request::get(url).body(Full::default()).unwrap();
    http.send(request).await.map(Response::into_body)
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let (address, mut seen) = server(OK).await;
    let http = client(Proxies::none());
    for _ in 0..3 {
        let answer = get(&http, &format!("http://{address}/a?b=c")).await;
        assert_eq!(answer, Ok(Bytes::from("blue")));
        let (connection, head) = seen.recv().await.unwrap();
        assert_eq!(connection, 1);
        assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains("proxy-authorization"), "{head}");
    }
}

/// A runtime that runs while it is waited on, and not between.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[test]
fn a_connection_of_a_runtime_that_rests_is_not_waited_on_by_another() {
    let servers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (address, mut seen) = servers.block_on(server(OK));
    let (http, url) = (client(Proxies::none()), format!("http://{address}/"));
    let runtimes = [runtime(), runtime()];
    let mut connections = Vec::new();
    for runtime in runtimes.iter().chain(&runtimes) {
        let answer = runtime.block_on(async {
            let asked = get(&http, &url);
            tokio::time::timeout(Duration::from_secs(60), asked).await
        });
        assert_eq!(answer.unwrap(), Ok(Bytes::from("blue")));
        connections.push(servers.block_on(seen.recv()).unwrap().0);
    }
    assert_eq!(connections, [1, 2, 1, 2]);
    // Runtimes that have ended make room.
    for _ in 0..100 {
        let answer = runtime().block_on(get(&http, &url));
        assert_eq!(answer, Ok(Bytes::from("blue")));
    }
}

#[tokio::test]
async fn a_forwarding_proxy_gets_the_whole_url_and_the_credentials() {
    let (address, mut seen) = server(OK).await;
    let http = client(through(&format!("http://user:p%40ss@{address}")));
    let answer = get(&http, "http://a.example/b").await;
    assert_eq!(answer, Ok(Bytes::from("blue")));
    let (_, head) = seen.recv().await.unwrap();
    assert!(
        head.starts_with("GET http://a.example/b HTTP/1.1\r\n"),
        "{head}"
    );
    // user:p@ss
    let authorization = "proxy-authorization: Basic dXNlcjpwQHNz\r\n";
    assert!(head.contains(authorization), "{head}");
}

#[tokio::test]
async fn an_https_address_is_reached_through_a_tunnel() {
    let (address, mut seen) = server("HTTP/1.1 407 Who\r\n\r\n").await;
    let http = client(through(&format!("user:p%40ss@{address}")));
    let answer = get(&http, "https://a.example/b").await;
    assert_eq!(answer, Err(SendError::ProxyDenied));
    let (_, head) = seen.recv().await.unwrap();
    let [first, host] = [
        "CONNECT a.example:443 HTTP/1.1\r\n",
        "Host: a.example:443\r\n",
    ];
    assert!(head.starts_with(first) && head.contains(host), "{head}");
    assert!(
        head.to_lowercase()
            .contains("proxy-authorization: basic dxnlcjpwqhnz"),
        "{head}"
    );
}

#[tokio::test]
async fn a_proxy_that_makes_no_connection_is_blamed_for_it() {
    let (refuses, _seen) = server("HTTP/1.1 502 No\r\n\r\n").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    for (proxy, url, why) in [
        (&refuses, "https://a.example", "it refuses to connect there"),
        (
            &nobody,
            "https://a.example",
            "Connection refused (os error 111)",
        ),
        (
            &nobody,
            "http://a.example",
            "Connection refused (os error 111)",
        ),
    ] {
        let answer = get(&client(through(&format!("u:marker@{proxy}"))), url).await;
        assert_eq!(answer, Err(SendError::NoProxy(why.to_owned())), "{url}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_shake_hands_in_time_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::time::pause();
    let answer = get(&client(Proxies::none()), &url).await;
    assert_eq!(answer, Err(SendError::ConnectTimedOut));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_reported_in_the_systems_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/marker", listener.local_addr().unwrap());
    drop(listener);
    let trouble = get(&client(Proxies::none()), &url).await.unwrap_err();
    let words = trouble.to_string();
    assert!(
        matches!(trouble, SendError::NoAnswer(_)) && words.contains("refused"),
        "{words}"
    );
    assert!(!words.contains("marker"), "{words}");
}

#[test]
fn a_proxy_is_an_http_proxy() {
    let uri = Uri::from_static("https://a.example");
    let proxy = |url| proxy_for(&through(url), &uri);
    for url in ["socks5://p.example:1", "ftp://p.example", "http://"] {
        let failure = proxy(url).unwrap_err();
        assert!(failure.message().starts_with("proxy (here): "), "{failure}");
    }
    for url in ["https://p.example:1/", "p.example", "p.example:3128"] {
        assert!(proxy(url).unwrap().is_some(), "{url}");
    }
    assert!(proxy("").unwrap().is_none());
}

/// A server that sends `head`, then `piece` again and again; how many pieces were taken.
async fn endless(head: &'static str, piece: &'static [u8]) -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = client.read(&mut request).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        let mut pieces = 0;
        while client.write_all(piece).await.is_ok() {
            pieces += 1;
        }
        pieces
    });
    (url, server)
}

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn an_endless_answer_is_read_up_to_its_bound() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 8 * 1024][..]),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            &b"1\r\na\r\n".repeat(64 * 1024).leak()[..],
        ),
        ("HTTP/1.1 500 Broken\r\n\r\n", &[b'a'; 8 * 1024][..]),
    ] {
        let (url, server) = endless(head, piece).await;
        let error = get(&client(Proxies::none()), &url).await.unwrap_err();
        let too_long = OutOfBounds::Length(Bounds::default().longest);
        assert_eq!(error, SendError::OutOfBounds(too_long), "{head}");
        // What the system buffers comes on top.
        let taken = server.await.unwrap() * piece.len();
        assert!(
            (2 * MIB..40 * MIB).contains(&taken),
            "{taken} bytes were taken"
        );
    }
}

#[tokio::test]
async fn endless_headers_are_no_answer() {
    let (url, server) = endless("HTTP/1.1 200 OK\r\n", b"a: b\r\n").await;
    let error = get(&client(Proxies::none()), &url).await.unwrap_err();
    assert!(matches!(error, SendError::NoAnswer(_)), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn endless_interim_answers_are_no_answer() {
    let interim = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1024).leak();
    let (url, server) = endless("", interim).await;
    let error = get(&client(Proxies::none()), &url).await.unwrap_err();
    let flood = OutOfBounds::InterimAnswers(MOST_INTERIM_ANSWERS);
    assert_eq!(error, SendError::OutOfBounds(flood));
    server.await.unwrap();
}

#[tokio::test]
async fn a_few_interim_answers_are_passed_over() {
    let (address, _seen) = server(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nblue",
    )
    .await;
    let answer = get(&client(Proxies::none()), &format!("http://{address}/")).await;
    assert_eq!(answer, Ok(Bytes::from("blue")));
}

#[tokio::test]
async fn an_answer_that_nests_too_deep_is_refused_unparsed() {
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{deep}",
        deep.len()
    );
    let (address, _seen) = server(answer.leak()).await;
    let error = get(&client(Proxies::none()), &format!("http://{address}/")).await;
    let too_deep = OutOfBounds::Depth(Bounds::default().deepest);
    assert_eq!(error, Err(SendError::OutOfBounds(too_deep)));
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let (address, _seen) = server("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let error = get(&client(Proxies::none()), &format!("https://{address}/")).await;
    assert_eq!(error, Err(SendError::NoTls));
}
