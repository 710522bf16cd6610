//! A server whose answers a function gives.

use std::sync::Arc;

use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::wire::{Answer, Reader, Request, Seen};

/// Gives the answer that a function has for each request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) seen: Seen,
}

impl Served {
    pub(crate) async fn by(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let (noted, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (noted, answer) = (noted.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut reader = Reader::default();
                    while let Some((request, _)) = reader.next(&mut client).await {
                        noted.push(request.clone());
                        let text = answer(&request).text();
                        if client.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, seen }
    }
}
