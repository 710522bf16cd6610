//! Database servers whose answers no server would give: without end, or drop by drop. One test, so
//! that the process's memory is that of what it asks.

// A test may panic: so it fails.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use airflow_secrets::{
    SecretsBackend, backend::LookupOptions, backends::metastore::MetastoreBackend,
};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The most that the answers may take, in KiB.
const MOST_MEMORY: usize = 64 * 1024;

/// What four connections read at most, with all that lies in the buffers of their sockets.
const MOST_SENT: usize = 4 * 24 * 1024 * 1024;

/// More time than any of them needs.
const LONG: Duration = Duration::from_secs(20);

/// A server that sends each piece of `head` so many times, and then `piece` without end.
struct Hostile {
    port: u16,
    sent: Arc<AtomicUsize>,
}

impl Hostile {
    async fn new<F>(
        greet: impl Fn(TcpStream) -> F + Send + 'static,
        head: Vec<(Vec<u8>, usize)>,
        piece: Vec<u8>,
        pause: Option<Duration>,
    ) -> Self
    where
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (greeted, counter) = (greet(client), Arc::clone(&counter));
                let (head, piece) = (head.clone(), piece.clone());
                tokio::spawn(async move {
                    let mut client = greeted.await?;
                    for (piece, times) in head {
                        for _ in 0..times {
                            client.write_all(&piece).await?;
                        }
                    }
                    while counter.fetch_add(piece.len(), Ordering::Relaxed) < 4 * MOST_SENT {
                        client.write_all(&piece).await?;
                        if let Some(pause) = pause {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    io::Result::Ok(())
                });
            }
        });
        Self { port, sent }
    }
}

/// What four lookups at `url` at once say, each once, without the time that they took.
async fn ask(url: &str, limit: Duration) -> Vec<String> {
    let backend = MetastoreBackend::builder()
        .url(url)
        .max_connections(4)
        .connect_timeout(Duration::from_secs(20))
        .statement_timeout(limit)
        .build()
        .unwrap();
    let options = LookupOptions::new();
    let lookups = (0..4).map(|_| backend.get_variable("x", &options));
    let outcomes = join_all(lookups).await;
    let mut said = outcomes
        .into_iter()
        .map(|outcome| {
            let failure = outcome.unwrap_err();
            format!("{:?}: {}", failure.kind(), failure.message())
        })
        .collect::<Vec<_>>();
    said.sort();
    said.dedup();
    said
}

/// The most memory that this process ever had, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    peak.parse().unwrap()
}

/// A message of PostgreSQL's that says it is `length` bytes long.
fn message(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// A message of PostgreSQL's.
fn whole(kind: u8, body: &[u8]) -> Vec<u8> {
    message(kind, u32::try_from(body.len()).unwrap() + 4, body)
}

/// Lets a client of PostgreSQL's log in, and reads what it asks, unless it `is_early`.
async fn postgres(mut client: TcpStream, is_early: bool) -> io::Result<TcpStream> {
    let _ = client.read(&mut [0; 4096]).await?;
    client.write_all(&whole(b'R', &[0; 4])).await?;
    if !is_early {
        client.write_all(&whole(b'Z', b"I")).await?;
        let _ = client.read(&mut [0; 4096]).await?;
    }
    Ok(client)
}

/// A packet of MySQL's that says it is `length` bytes long.
fn packet(number: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let length = length.to_le_bytes();
    [&length[..3], &[number], body].concat()
}

/// Lets a client of MySQL's log in, and reads what it asks, unless it `is_early`.
async fn mysql(mut client: TcpStream, is_early: bool) -> io::Result<TcpStream> {
    if is_early {
        return Ok(client);
    }
    let mut greeting = b"\x0a8.4.0\0\x01\0\0\0abcdefgh\0\x09\xa2\x2d\x02\0\x08\0\x15".to_vec();
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    let length = u32::try_from(greeting.len()).unwrap();
    client.write_all(&packet(0, length, &greeting)).await?;
    let _ = client.read(&mut [0; 4096]).await?;
    let ok = packet(2, 7, &[0, 0, 0, 2, 0, 0, 0]);
    client.write_all(&ok).await?;
    let _ = client.read(&mut [0; 4096]).await?;
    Ok(client)
}

/// Three columns of MySQL's, before the first row.
fn columns() -> Vec<u8> {
    let column = b"\x03def\0\0\0\x01a\0\x0c\x2d\0\xff\xff\0\0\xfc\0\0\0\0\0";
    let length = u32::try_from(column.len()).unwrap();
    let mut all = packet(1, 1, &[3]);
    for number in 2..5 {
        all.extend(packet(number, length, column));
    }
    all.extend(packet(5, 5, &[0xfe, 0, 0, 2, 0]));
    all
}

/// More than these are not read.
const ROWS: &str = "is longer than 17825792 bytes (DB-21)";
const BESIDES_ROWS: &str = "contains more than 65536 bytes besides rows (DB-21)";

#[tokio::test]
#[cfg(target_os = "linux")]
async fn what_a_database_server_sends_is_bounded() {
    let _ = ask("postgresql://u:p@127.0.0.1:1/x", LONG).await;
    let _ = ask("mysql://u:p@127.0.0.1:1/x", LONG).await;
    let base = peak();
    postgresql_is_bounded(base).await;
    mysql_is_bounded(base).await;
    slow_answers_are_given_up().await;
}

#[allow(clippy::too_many_lines, reason = "a table")]
async fn postgresql_is_bounded(base: usize) {
    let many = |piece: Vec<u8>| piece.repeat(65536_usize.div_ceil(piece.len()));
    let endless = vec![b'x'; 65536];
    let columns_of_postgres = whole(b'T', &[0, 0]);
    let too_many = "sent more rows than it was asked for";
    for (what, is_early, head, piece, expected) in [
        (
            "a row",
            false,
            message(b'D', u32::MAX, b""),
            endless.clone(),
            ROWS,
        ),
        (
            "a row of 16 MiB",
            false,
            message(b'D', 1 << 24, b""),
            endless.clone(),
            BESIDES_ROWS,
        ),
        (
            "an error",
            false,
            message(b'E', 1 << 20, b""),
            endless.clone(),
            BESIDES_ROWS,
        ),
        (
            "rows",
            false,
            columns_of_postgres.clone(),
            whole(b'D', &vec![0; 1 << 16]),
            "the connection to",
        ),
        (
            "rows of nothing",
            false,
            columns_of_postgres,
            many(whole(b'D', &[0, 0])),
            too_many,
        ),
        (
            "notices",
            false,
            Vec::new(),
            many(whole(b'N', b"SNOTICE\0C00000\0Mx\0\0")),
            BESIDES_ROWS,
        ),
        (
            "settings",
            false,
            Vec::new(),
            many(whole(b'S', b"a\0b\0")),
            BESIDES_ROWS,
        ),
        (
            "columns",
            false,
            Vec::new(),
            many(whole(b'T', &[0, 0])),
            BESIDES_ROWS,
        ),
        (
            "notices before the login",
            true,
            Vec::new(),
            many(whole(b'N', b"SNOTICE\0C00000\0Mx\0\0")),
            BESIDES_ROWS,
        ),
        (
            "a challenge",
            true,
            message(b'R', u32::MAX, b""),
            endless.clone(),
            BESIDES_ROWS,
        ),
    ] {
        let greet = move |client| postgres(client, is_early);
        let server = Hostile::new(greet, vec![(head, 1)], piece, None).await;
        let place = format!("PostgreSQL at 127.0.0.1:{}", server.port);
        let said = ask(
            &format!(
                "postgresql://u:p@127.0.0.1:{}/x?sslmode=disable",
                server.port
            ),
            LONG,
        )
        .await;
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        assert!(said[0].starts_with("Unavailable: "), "{what}: {said:?}");
        assert!(said[0].contains(&place), "{what}: {said:?}");
        assert!(said[0].contains(expected), "{what}: {said:?}");
        let sent = server.sent.load(Ordering::Relaxed);
        assert!(sent < MOST_SENT, "{what}: {sent} bytes");
        assert!(
            peak() < base + MOST_MEMORY,
            "{what}: {} KiB, before {base} KiB",
            peak()
        );
    }
}

async fn mysql_is_bounded(base: usize) {
    let endless = vec![b'x'; 65536];
    let head = |number| packet(number, 0xff_ffff, b"");
    // Goes on in the next packet.
    let huge = vec![
        (columns(), 1),
        (head(6), 1),
        (vec![0; 65793], 255),
        (head(7), 1),
    ];
    for (what, is_early, head, piece, expected) in [
        ("a row", false, huge, endless.clone(), ROWS),
        (
            "rows",
            false,
            vec![(columns(), 1)],
            packet(6, 3, &[0, 0, 0]),
            "the connection to",
        ),
        (
            "an error",
            false,
            vec![(packet(1, 0xff_ffff, b"\xff"), 1)],
            endless.clone(),
            ROWS,
        ),
        (
            "a greeting",
            true,
            vec![(head(0), 1)],
            endless.clone(),
            ROWS,
        ),
    ] {
        let greet = move |client| mysql(client, is_early);
        let server = Hostile::new(greet, head, piece, None).await;
        let url = format!("mysql://u:p@127.0.0.1:{}/x?ssl_mode=DISABLED", server.port);
        let said = ask(&url, LONG).await;
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        assert!(said[0].starts_with("Unavailable: "), "{what}: {said:?}");
        assert!(said[0].contains(expected), "{what}: {said:?}");
        assert!(
            peak() < base + MOST_MEMORY,
            "{what}: {} KiB, before {base} KiB",
            peak()
        );
    }
}

async fn slow_answers_are_given_up() {
    let slow = Some(Duration::from_millis(10));
    let servers = [
        (
            ("postgresql", "sslmode=disable"),
            Hostile::new(
                |client| postgres(client, false),
                vec![(message(b'D', 1 << 20, b""), 1)],
                vec![0],
                slow,
            )
            .await,
        ),
        (
            ("mysql", "ssl_mode=DISABLED"),
            Hostile::new(
                |client| mysql(client, false),
                vec![(packet(1, 1 << 20, b""), 1)],
                vec![0],
                slow,
            )
            .await,
        ),
    ];
    for ((scheme, options), server) in servers {
        let start = Instant::now();
        let said = ask(
            &format!("{scheme}://u:p@127.0.0.1:{}/x?{options}", server.port),
            Duration::from_secs(2),
        )
        .await;
        assert!(said[0].ends_with("did not answer within 2s"), "{said:?}");
        assert!(start.elapsed() < Duration::from_secs(4));
    }
}
