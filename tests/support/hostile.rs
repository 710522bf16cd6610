//! Servers whose answers no service would give: without end, too deep, or drop by drop.

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
};

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    EndlessBody,
    EndlessErrorBody,
    EndlessHeader,
    /// A million nested arrays.
    DeepBody,
    /// A byte at a time, without end.
    SlowBody,
}

pub(crate) const ATTACKS: [Attack; 5] = [
    Attack::EndlessBody,
    Attack::EndlessErrorBody,
    Attack::EndlessHeader,
    Attack::DeepBody,
    Attack::SlowBody,
];

/// Far more than any answer that is read, and than what lies in the buffers of sockets.
pub(crate) const MOST_SENT: usize = 32 * 1024 * 1024;

/// A server that answers every request so.
pub(crate) struct Hostile {
    pub(crate) url: String,
    sent: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Hostile {
    pub(crate) async fn with(attack: Attack) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sent, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counters = (Arc::clone(&sent), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (sent, requests) = counters.clone();
                tokio::spawn(async move {
                    requests.fetch_add(1, Ordering::Relaxed);
                    answer(client, attack, &sent).await
                });
            }
        });
        Self {
            url,
            sent,
            requests,
        }
    }

    /// How many bytes were sent until the client hung up.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Fails unless `outcome` is an outage after little was read; gives what it says. Slowness and
    /// broken connections may pass, and are asked again; an answer out of bounds is not.
    #[allow(dead_code)]
    pub(crate) fn assert_bounded(
        &self,
        attack: Attack,
        whom: &str,
        outcome: Result<String, String>,
    ) -> String {
        let what = format!("{attack:?} of {whom}: {outcome:?}");
        let outcome = outcome.unwrap_err();
        assert!(self.requests() > 0, "{what}");
        assert!(outcome.starts_with("Unavailable: "), "{what}");
        assert!(self.sent() < MOST_SENT, "{what}: {} bytes", self.sent());
        let out_of_bounds = match attack {
            Attack::SlowBody => return outcome,
            Attack::EndlessHeader => {
                assert!(self.requests() <= 3, "{what}");
                return outcome;
            }
            Attack::EndlessBody | Attack::EndlessErrorBody => "is longer than",
            Attack::DeepBody => "nests deeper than",
        };
        assert!(outcome.contains(out_of_bounds), "{what}");
        assert_eq!(self.requests(), 1, "{what}");
        outcome
    }
}

/// Ends when the client hangs up, or long after it should have.
async fn answer(mut client: TcpStream, attack: Attack, sent: &AtomicUsize) -> Option<()> {
    if client.read(&mut [0; 4096]).await.ok()? == 0 {
        return None;
    }
    let status = match attack {
        Attack::EndlessErrorBody => "500 Oh",
        _ => "200 OK",
    };
    let head = format!("HTTP/1.1 {status}\r\nmetadata-flavor: Google\r\n");
    client.write_all(head.as_bytes()).await.ok()?;
    match attack {
        Attack::EndlessHeader => client.write_all(b"x: ").await.ok()?,
        _ => client.write_all(b"\r\n").await.ok()?,
    }
    let piece = match attack {
        Attack::SlowBody => vec![b'['; 1],
        Attack::DeepBody => vec![b'['; 100_000],
        _ => vec![b'x'; 65536],
    };
    let most = match attack {
        Attack::DeepBody => 1_000_000,
        _ => 4 * MOST_SENT,
    };
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while sent.fetch_add(piece.len(), Ordering::Relaxed) < most {
        if attack == Attack::SlowBody {
            ticks.tick().await;
        }
        client.write_all(&piece).await.ok()?;
    }
    Some(())
}
