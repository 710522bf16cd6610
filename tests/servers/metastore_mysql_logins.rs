//! How a user proves to a MySQL server who it is: on a real MariaDB, and for what only MySQL's own
//! server asks, on a listener that plays its part from MySQL's protocol documentation.

// A test may panic: so it fails.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "../support/asking.rs"]
#[allow(dead_code)]
mod asking;
#[path = "../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/servers.rs"]
#[allow(dead_code)]
mod servers;

use airflow_secrets::backend::FailureKind;
use asking::{assert_answers, assert_fails, backend, fails, unavailable};
use mariadb::{MariaDb, PASSWORD, TABLES};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

/// What `caching_sha2_password` makes of the password `marker-p` and that nonce, as Python's
/// `hashlib` has it: SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce).
const SHA2_PROOF: [u8; 32] = [
    0x9a, 0xe9, 0xbb, 0xed, 0x8d, 0x69, 0xa1, 0x8e, 0xd8, 0x58, 0x7c, 0x6f, 0x8e, 0x62, 0x2f, 0xf4,
    0xd2, 0x68, 0x86, 0xd8, 0x8e, 0xed, 0xab, 0x4d, 0xec, 0xa8, 0xf6, 0xd0, 0x16, 0x59, 0x5d, 0xa6,
];

/// The same of `mysql_native_password`: SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))).
const NATIVE_PROOF: [u8; 20] = [
    0xba, 0xff, 0x8a, 0x5a, 0xd8, 0xbf, 0x5b, 0x9a, 0x7d, 0xa4, 0x68, 0x14, 0xd0, 0xd5, 0x96, 0xe3,
    0x96, 0xfc, 0x34, 0xc3,
];

/// A listener that plays a server's part.
struct Played {
    listener: TcpListener,
    url: String,
}

/// One connection to it.
struct Client {
    stream: TcpStream,
    sequence: u8,
}

impl Played {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("mysql://test_x:marker-p@127.0.0.1:{port}/x?ssl_mode=DISABLED");
        Self { listener, url }
    }

    /// Accepts, and greets with a plug-in.
    async fn greet(&self, plugin: &str) -> Client {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut client = Client {
            stream,
            sequence: 0,
        };
        client.send(&greeting(plugin)).await;
        client
    }
}

impl Client {
    async fn send(&mut self, packet: &[u8]) {
        self.try_to_send(packet).await.unwrap();
    }

    async fn try_to_send(&mut self, packet: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
        let header = [length[0], length[1], length[2], self.sequence];
        self.stream.write_all(&header).await?;
        self.stream.write_all(packet).await?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    async fn receive(&mut self) -> Vec<u8> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).await.unwrap();
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let mut packet = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut packet).await.unwrap();
        self.sequence = header[3].wrapping_add(1);
        packet
    }

    async fn refuse(&mut self) {
        self.send(b"\xff\x15\x04#28000Access denied for user 'test_x'")
            .await;
    }
}

/// What MySQL 8 says first to a client that shall use `plugin`.
fn greeting(plugin: &str) -> Vec<u8> {
    let mut greeting = b"\x0a8.4.0\0\x01\0\0\0".to_vec();
    greeting.extend_from_slice(&NONCE[..8]);
    // Protocol 4.1, transactions, secure connection, a database, plug-ins.
    greeting.extend_from_slice(b"\0\x09\xa2\x2d\x02\0\x08\0\x15");
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(&NONCE[8..]);
    greeting.extend_from_slice(format!("\0{plugin}\0").as_bytes());
    greeting
}

fn contains(packet: &[u8], part: &[u8]) -> bool {
    packet.windows(part.len()).any(|window| window == part)
}

/// The name, the proof, the database and the plug-in, as a login carries them.
fn said(proof: &[u8], plugin: &str) -> Vec<u8> {
    let mut said = b"test_x\0".to_vec();
    said.push(u8::try_from(proof.len()).unwrap());
    said.extend_from_slice(proof);
    said.extend_from_slice(format!("x\0{plugin}\0").as_bytes());
    said
}

#[tokio::test]
async fn a_password_is_proved_to_mysql_without_sending_it() {
    for (plugin, proof) in [
        ("caching_sha2_password", &SHA2_PROOF[..]),
        ("mysql_native_password", &NATIVE_PROOF[..]),
    ] {
        let server = Played::new().await;
        let serve = async {
            let mut client = server.greet(plugin).await;
            let login = client.receive().await;
            client.refuse().await;
            login
        };
        let backend = backend(&server.url);
        let denied = fails(&backend, FailureKind::AccessDenied);
        let (message, login) = tokio::join!(denied, serve);
        assert!(
            message.contains("refused the user or its password"),
            "{message}"
        );
        assert!(login.ends_with(&said(proof, plugin)), "{plugin}");
        assert!(!contains(&login, b"marker"), "{plugin}");
    }
}

#[tokio::test]
async fn a_server_that_switches_the_plugin_gets_the_other_proof() {
    let server = Played::new().await;
    let serve = async {
        let mut client = server.greet("auth_gssapi_client").await;
        client.receive().await;
        let mut switch = b"\xfemysql_native_password\0".to_vec();
        switch.extend_from_slice(NONCE);
        switch.push(0);
        client.send(&switch).await;
        let proof = client.receive().await;
        client.refuse().await;
        proof
    };
    let backend = backend(&server.url);
    let denied = fails(&backend, FailureKind::AccessDenied);
    let (message, proof) = tokio::join!(denied, serve);
    assert!(
        message.contains("refused the user or its password"),
        "{message}"
    );
    assert_eq!(proof, NATIVE_PROOF);
}

#[tokio::test]
async fn a_server_that_knows_the_password_lets_in_at_once() {
    let server = Played::new().await;
    let serve = async {
        let mut client = server.greet("caching_sha2_password").await;
        client.receive().await;
        client.send(&[1, 3]).await;
        client.send(b"\0\0\0\x02\0\0\0").await;
        client.receive().await
    };
    let backend = backend(&server.url);
    let (_, query) = tokio::join!(unavailable(&backend), serve);
    assert!(query.starts_with(b"\x03SELECT "));
}

#[tokio::test]
async fn a_server_that_wants_the_password_itself_gets_none_without_tls() {
    for packet in [
        &b"\x01\x04"[..],
        b"\xfesha256_password\0abcdefghijklmnopqrst\0",
        b"\xfemysql_clear_password\0",
    ] {
        let server = Played::new().await;
        let serve = async {
            let mut client = server.greet("caching_sha2_password").await;
            client.receive().await;
            client.send(packet).await;
            let mut rest = Vec::new();
            client.stream.read_to_end(&mut rest).await.unwrap();
            rest
        };
        let backend = backend(&server.url);
        let misconfigured = fails(&backend, FailureKind::Configuration);
        let (message, rest) = tokio::join!(misconfigured, serve);
        assert!(message.contains("only sent over TLS"), "{message}");
        assert_eq!(rest, b"");
    }
}

/// A column of text, as an answer describes it.
const COLUMN: &[u8] = b"\x03def\0\0\0\x01c\0\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0";

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let row = vec![0xfb; 11];
    let part = vec![b'x'; 0xff_ffff];
    for (columns, packet, most) in [
        // More columns than were asked for, endless rows, and a row without end.
        (&b"\xfe\0\0\0\0\0\x01\0\0"[..], COLUMN, 8 << 20),
        (b"\x0b", &row, 8 << 20),
        (b"\x0b", &part, 48 << 20),
    ] {
        let server = Played::new().await;
        let serve = async {
            let mut client = server.greet("mysql_native_password").await;
            client.receive().await;
            client.send(b"\0\0\0\x02\0\0\0").await;
            client.receive().await;
            client.send(columns).await;
            if columns.len() == 1 {
                for _ in 0..columns[0] {
                    client.send(COLUMN).await;
                }
                client.send(b"\xfe\0\0\x02\0").await;
            }
            let mut sent = 0;
            while client.try_to_send(packet).await.is_ok() {
                sent += packet.len();
                assert!(sent <= most, "{sent} bytes were read");
            }
        };
        let backend = backend(&server.url);
        let (message, ()) = tokio::join!(unavailable(&backend), serve);
        assert!(message.contains("MySQL at 127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn a_greeting_cut_anywhere_or_with_an_absurd_nonce_is_unavailable() {
    let whole = greeting("mysql_native_password");
    let mut greetings = (0..whole.len())
        .map(|end| whole[..end].to_vec())
        .collect::<Vec<_>>();
    let at = whole.iter().position(|&byte| byte == 0x15).unwrap();
    greetings.extend([0, 7, 127, 128, 129, 135, 136, 255].map(|length| {
        let mut greeting = whole.clone();
        greeting[at] = length;
        greeting
    }));
    for greeting in greetings {
        let server = Played::new().await;
        let serve = async {
            let (stream, _) = server.listener.accept().await.unwrap();
            let mut client = Client {
                stream,
                sequence: 0,
            };
            client.send(&greeting).await;
            client.stream.shutdown().await.unwrap();
        };
        let backend = backend(&server.url);
        let (message, ()) = tokio::join!(unavailable(&backend), serve);
        assert!(message.contains("MySQL at 127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn mariadb_takes_the_ed25519_login() {
    let server = MariaDb::shared();
    let database = server.database("utf8mb4_general_ci", TABLES);
    server.execute(
        "mysql",
        &format!(
            "INSTALL SONAME 'auth_ed25519';
            ALTER USER {database}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}');"
        ),
    );
    assert_answers(&backend(&server.url(&database))).await;
    assert_fails(
        &server.url(&database).replace("marker", "another"),
        FailureKind::AccessDenied,
        "refused the user or its password",
    )
    .await;
}
