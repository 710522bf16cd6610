//! What goes over the wire, and what is told where nothing comes back.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use super::*;

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

fn client(proxies: ChooseProxy) -> Http {
    Http::new(Settings {
        tls: tls::config(Some(Vec::new()), None).unwrap(),
        proxy_tls: None,
        proxies,
        connect_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(20),
        most_idle_connections: 1,
    })
}

fn through(url: &str) -> ChooseProxy {
    let proxy = proxy(url).unwrap();
    Arc::new(move |_| Ok(Some(proxy.clone())))
}

async fn get(http: &Http, url: &str) -> Result<Bytes, Trouble> {
    let request = Request::get(url).body(Full::default()).unwrap();
    http.send(request).await.map(Response::into_body)
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let (address, mut seen) = server(OK).await;
    let http = client(no_proxies());
    for _ in 0..3 {
        let answer = get(&http, &format!("http://{address}/a?b=c")).await;
        assert_eq!(answer, Ok(Bytes::from("blue")));
        let (connection, head) = seen.recv().await.unwrap();
        assert_eq!(connection, 1);
        assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains("proxy-authorization"), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_address_and_who_asks() {
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
    let refused = Trouble::NoAnswer("tunnel error: proxy authorization required".to_owned());
    assert_eq!(answer, Err(refused));
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
async fn a_server_that_does_not_shake_hands_in_time_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::time::pause();
    let answer = get(&client(no_proxies()), &url).await;
    assert_eq!(answer, Err(Trouble::ConnectTimedOut));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_the_systems_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/marker", listener.local_addr().unwrap());
    drop(listener);
    let trouble = get(&client(no_proxies()), &url).await.unwrap_err();
    let words = trouble.to_string();
    assert!(
        matches!(trouble, Trouble::NoAnswer(_)) && words.contains("refused"),
        "{words}"
    );
    assert!(!words.contains("marker"), "{words}");
}

#[test]
fn a_proxy_is_an_http_proxy() {
    for url in ["socks5://p.example:1", "ftp://p.example", "http://", ""] {
        assert!(proxy(url).is_err(), "{url}");
    }
    for url in ["https://p.example:1/", "p.example", "p.example:3128"] {
        assert!(proxy(url).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = client.read(&mut head).await.unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let block = vec![b'a'; 1024 * 1024];
        let mut blocks = 0;
        while client.write_all(&block).await.is_ok() {
            blocks += 1;
        }
        blocks
    });
    let http = client(no_proxies());
    let trouble = get(&http, &format!("http://{address}/")).await.unwrap_err();
    assert_eq!(
        trouble,
        Trouble::NoAnswer("length limit exceeded".to_owned())
    );
    // What the system holds back comes on top.
    let blocks = server.await.unwrap();
    assert!((15..64).contains(&blocks), "{blocks} MiB were taken");
}
