//! A server that answers each request after a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Answers each request so long after it came, and counts how many it has at once. The request must
/// come in one piece.
pub(crate) struct Slow {
    pub(crate) url: String,
    load: Arc<Load>,
}

#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Slow {
    pub(crate) async fn serving(body: &'static str, time: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let load = Arc::<Load>::default();
        let counted = Arc::clone(&load);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(converse(client, body, time, Arc::clone(&counted)));
            }
        });
        Self { url, load }
    }

    /// How many requests it had at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.load.most.load(Ordering::Relaxed)
    }
}

async fn converse(mut client: TcpStream, body: &str, time: Duration, load: Arc<Load>) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    while let Ok(1..) = client.read(&mut [0; 8192]).await {
        let now = load.now.fetch_add(1, Ordering::Relaxed) + 1;
        load.most.fetch_max(now, Ordering::Relaxed);
        sleep(time).await;
        load.now.fetch_sub(1, Ordering::Relaxed);
        if client.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
