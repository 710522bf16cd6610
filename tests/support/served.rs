//! A server whose answers a function gives.

use super::wire::{self, Answer, Request, Seen};

/// Gives the answer that a function has for each request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) seen: Seen,
}

impl Served {
    pub(crate) async fn by(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let (url, seen) = wire::serve("127.0.0.1:0", answer).await;
        Self { url, seen }
    }
}
