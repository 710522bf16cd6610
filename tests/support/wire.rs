//! What goes over the wire: a proxy that counts requests, and small servers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One request, as it went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

/// The requests that were seen, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Request>>>);

impl Seen {
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    /// Each as `GET /v1/…`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |request: &Request| format!("{} {}", request.method, request.path);
        self.0.lock().unwrap().iter().map(line).collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.lines().iter().filter(|line| wanted(line)).count()
    }

    /// How many logins there were.
    pub(crate) fn logins(&self) -> usize {
        self.count(|line| line.starts_with("POST /v1/auth/") && line.contains("/login"))
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(crate) fn push(&self, request: Request) {
        self.0.lock().unwrap().push(request);
    }
}

/// Passes everything on to `upstream` and notes the requests.
#[derive(Debug)]
pub(crate) struct CountingProxy {
    pub(crate) url: String,
    pub(crate) seen: Seen,
    connections: Arc<AtomicUsize>,
}

impl CountingProxy {
    pub(crate) async fn before(upstream: &str) -> Self {
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let noted = seen.clone();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass_on(client, upstream.clone(), noted.clone()));
            }
        });
        Self {
            url,
            seen,
            connections,
        }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn pass_on(client: TcpStream, upstream: String, seen: Seen) {
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut reader = Reader::default();
    while let Some((request, bytes)) = reader.next(&mut from_client).await {
        seen.push(request);
        if to_server.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Cuts a stream into requests.
#[derive(Default)]
struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    async fn next(
        &mut self,
        stream: &mut (impl AsyncReadExt + Unpin),
    ) -> Option<(Request, Vec<u8>)> {
        loop {
            if let Some((request, length)) = self.parse() {
                let rest = self.buffer.split_off(length);
                return Some((request, std::mem::replace(&mut self.buffer, rest)));
            }
            if stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn parse(&self) -> Option<(Request, usize)> {
        let end = self
            .buffer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")?
            + 4;
        let head = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut request = Request {
            method,
            path,
            headers,
            body: String::new(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let body = self.buffer.get(end..end + length)?;
        request.body = String::from_utf8_lossy(body).into_owned();
        Some((request, end + length))
    }
}

/// An answer to give.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.into(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(crate) fn text(&self) -> String {
        let Self {
            status,
            headers,
            body,
        } = self;
        format!(
            "HTTP/1.1 {status} Queued\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// A KV version 2 document.
    pub(crate) fn document(document: serde_json::Value) -> Self {
        let body = serde_json::json!({"data": {"data": document, "metadata": {"version": 1}}});
        Self::new(200, body.to_string())
    }

    /// A login that gives `token` for an hour.
    pub(crate) fn login(token: &str) -> Self {
        let auth =
            serde_json::json!({"client_token": token, "lease_duration": 3600, "renewable": true});
        Self::new(200, serde_json::json!({ "auth": auth }).to_string())
    }
}

/// Gives its answers in order, and 404 when there are no more.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) url: String,
    pub(crate) seen: Seen,
}

impl Queued {
    pub(crate) async fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::at("127.0.0.1:0", answers).await
    }

    /// The same at another local address.
    pub(crate) async fn at(address: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        let (url, seen) = serve(address, move |_| {
            let answer = answers.lock().unwrap().pop_front();
            answer.unwrap_or_else(|| Answer::new(404, r#"{"errors":[]}"#))
        })
        .await;
        Self { url, seen }
    }
}

/// Serves what `answer` gives at a local address; the URL, and the requests that were seen.
pub(crate) async fn serve(
    address: &str,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (String, Seen) {
    let listener = TcpListener::bind(address).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let (noted, answer) = (seen.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(converse(client, noted.clone(), Arc::clone(&answer)));
        }
    });
    (url, seen)
}

async fn converse(mut client: TcpStream, seen: Seen, answer: Arc<impl Fn(&Request) -> Answer>) {
    let mut reader = Reader::default();
    while let Some((request, _)) = reader.next(&mut client).await {
        seen.push(request.clone());
        let text = answer(&request).text();
        if client.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
