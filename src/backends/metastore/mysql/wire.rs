//! MySQL's client protocol, as much of it as reading takes: log in, ask in text, read rows.
//!
//! Written here for what the crates at hand lack: an authority's signature can be checked without
//! the host's name (`VERIFY_CA`, which MySQL's users have), a lookup is one round trip, nothing is
//! sent on connecting but who we are, and nothing a server sends makes it panic.

use std::io;

use rustls::pki_types::ServerName;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// What can go wrong on the wire.
#[derive(Debug)]
pub(super) enum WireError {
    Io(io::Error),
    /// TLS could not be had.
    Tls(String),
    /// The server said no; its words are left out, since they name the user.
    Server(u16),
    /// The server does not speak the protocol, or wants what is not offered here.
    Protocol(&'static str),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

const UNINTELLIGIBLE: WireError = WireError::Protocol("it sends what is no MySQL");

/// A bound on one packet; Airflow's largest columns hold 16 MiB.
const MAX_PACKET: usize = 64 << 20;

const CAPABILITIES: u32 = 0x0000_0001 // long password
    | 0x0000_0200 // protocol 4.1
    | 0x0000_2000 // transactions
    | 0x0000_8000 // secure connection
    | 0x0008_0000; // plug-in authentication
const WITH_DATABASE: u32 = 0x0000_0008;
const WITH_TLS: u32 = 0x0000_0800;

/// `utf8mb4_general_ci`, which every server knows.
const UTF8MB4: u8 = 45;

const IN_TRANSACTION: u16 = 0x0001;

/// Bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection, logged in or about to be.
pub(in super::super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    sequence: u8,
    is_in_transaction: bool,
}

/// Who logs in, and where to.
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) database: Option<&'a str>,
}

/// TLS, and for which host.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) host: String,
    /// Whether a server that offers none is refused.
    pub(super) is_required: bool,
    /// Whether the server's certificate is checked.
    pub(super) is_checked: bool,
}

/// One value of a row, with whether its column holds whole numbers.
pub(super) struct Value {
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) is_integer: bool,
}

/// How far a plain-text password may travel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Safety {
    Plain,
    Encrypted,
    Safe,
}

impl Wire {
    /// Logs in over TCP, with TLS where it is given.
    pub(super) async fn over_tcp(
        stream: TcpStream,
        login: &Login<'_>,
        tls: Option<Tls>,
    ) -> Result<Self, WireError> {
        stream.set_nodelay(true)?;
        let mut plain = Wire::new(Box::new(stream));
        let greeting = plain.read_greeting().await?;
        let Some(tls) = tls.filter(|tls| tls.is_required || greeting.capabilities & WITH_TLS != 0)
        else {
            plain.log_in(login, &greeting, 0, Safety::Plain).await?;
            return Ok(plain);
        };
        if greeting.capabilities & WITH_TLS == 0 {
            return Err(WireError::Tls("the server offers none".to_owned()));
        }
        let request = header(login, WITH_TLS);
        plain.write_packet(&request).await?;
        let name = ServerName::try_from(tls.host)
            .map_err(|_| WireError::Tls("the host is no valid name".to_owned()))?;
        let sequence = plain.sequence;
        let stream = plain.stream.into_inner();
        let stream = tls
            .connector
            .connect(name, stream)
            .await
            .map_err(|error| WireError::Tls(error.to_string()))?;
        let mut wire = Wire::new(Box::new(stream));
        wire.sequence = sequence;
        let safety = if tls.is_checked {
            Safety::Safe
        } else {
            Safety::Encrypted
        };
        wire.log_in(login, &greeting, WITH_TLS, safety).await?;
        Ok(wire)
    }

    /// Logs in over a Unix socket.
    #[cfg(unix)]
    pub(super) async fn over_socket(
        stream: tokio::net::UnixStream,
        login: &Login<'_>,
    ) -> Result<Self, WireError> {
        let mut wire = Wire::new(Box::new(stream));
        let greeting = wire.read_greeting().await?;
        wire.log_in(login, &greeting, 0, Safety::Safe).await?;
        Ok(wire)
    }

    fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream: BufReader::new(stream),
            sequence: 0,
            is_in_transaction: false,
        }
    }

    /// Whether the server keeps a transaction open, and with it a view of the past.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.is_in_transaction
    }

    /// Runs a `SELECT` and gives its rows.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Value>>, WireError> {
        self.sequence = 0;
        let mut packet = Vec::with_capacity(sql.len() + 1);
        packet.push(3);
        packet.extend_from_slice(sql.as_bytes());
        self.write_packet(&packet).await?;

        let packet = self.read_packet().await?;
        let count = Reader(&packet).number().ok_or(UNINTELLIGIBLE)?;
        let mut is_integer = Vec::new();
        for _ in 0..count {
            let packet = self.read_packet().await?;
            is_integer.push(is_integer_column(&packet).ok_or(UNINTELLIGIBLE)?);
        }
        self.read_packet().await?;
        let mut rows = Vec::new();
        loop {
            let packet = self.read_packet().await?;
            if let Some(status) = end_of_rows(&packet) {
                self.is_in_transaction = status & IN_TRANSACTION != 0;
                return Ok(rows);
            }
            let mut reader = Reader(&packet);
            let row = is_integer
                .iter()
                .map(|&is_integer| reader.value(is_integer));
            rows.push(row.collect::<Option<_>>().ok_or(UNINTELLIGIBLE)?);
        }
    }

    async fn read_greeting(&mut self) -> Result<Greeting, WireError> {
        let packet = self.read_packet().await?;
        Greeting::parse(&packet).ok_or(UNINTELLIGIBLE)
    }

    async fn log_in(
        &mut self,
        login: &Login<'_>,
        greeting: &Greeting,
        tls: u32,
        safety: Safety,
    ) -> Result<(), WireError> {
        let mut plugin = greeting.plugin.clone();
        let proof = prove(&plugin, login.password, &greeting.nonce, safety);
        // A plug-in that is not known is answered with nothing; the server may switch.
        let proof = proof.unwrap_or_default();
        let mut packet = header(login, tls);
        packet.extend_from_slice(login.user.as_bytes());
        packet.push(0);
        packet.push(u8::try_from(proof.len()).map_err(|_| TOO_LONG)?);
        packet.extend_from_slice(&proof);
        if let Some(database) = login.database {
            packet.extend_from_slice(database.as_bytes());
            packet.push(0);
        }
        packet.extend_from_slice(plugin.as_bytes());
        packet.push(0);
        self.write_packet(&packet).await?;
        loop {
            let packet = self.read_packet().await?;
            match packet.as_slice() {
                [0, ..] => return Ok(()),
                // Another plug-in, and what it starts from.
                [0xfe, rest @ ..] => {
                    let mut reader = Reader(rest);
                    let name = reader.until_nul().ok_or(UNINTELLIGIBLE)?;
                    plugin = String::from_utf8_lossy(name).into_owned();
                    let nonce = reader.0.strip_suffix(&[0]).unwrap_or(reader.0);
                    let proof = prove(&plugin, login.password, nonce, safety)?;
                    self.write_packet(&proof).await?;
                }
                // `caching_sha2_password` knows us from before.
                [1, 3] => {}
                // It does not, and wants the password itself.
                [1, 4] if safety != Safety::Plain => {
                    self.write_packet(&with_nul(login.password)).await?;
                }
                [1, 4] => {
                    return Err(WireError::Protocol(
                        "it wants to see the password, which takes TLS: add ssl_mode=REQUIRED",
                    ));
                }
                _ => return Err(UNINTELLIGIBLE),
            }
        }
    }

    async fn write_packet(&mut self, packet: &[u8]) -> Result<(), WireError> {
        const FULL: usize = 0x00ff_ffff;
        let mut chunks = packet.chunks(FULL).collect::<Vec<_>>();
        if packet.len().is_multiple_of(FULL) {
            chunks.push(&[]);
        }
        for chunk in chunks {
            let [a, b, c, ..] = u32::try_from(chunk.len()).unwrap_or_default().to_le_bytes();
            let mut bytes = Vec::with_capacity(chunk.len() + 4);
            bytes.extend_from_slice(&[a, b, c, self.sequence]);
            bytes.extend_from_slice(chunk);
            self.sequence = self.sequence.wrapping_add(1);
            self.stream.write_all(&bytes).await?;
        }
        Ok(self.stream.flush().await?)
    }

    /// The next packet; one in which the server says no is an error.
    async fn read_packet(&mut self) -> Result<Vec<u8>, WireError> {
        let mut packet = Vec::new();
        loop {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header).await?;
            let [a, b, c, sequence] = header;
            let length = u32::from_le_bytes([a, b, c, 0]);
            if sequence != self.sequence || packet.len() > MAX_PACKET {
                return Err(UNINTELLIGIBLE);
            }
            self.sequence = sequence.wrapping_add(1);
            let start = packet.len();
            packet.resize(start + usize::try_from(length).unwrap_or(MAX_PACKET), 0);
            let part = packet.get_mut(start..).unwrap_or_default();
            self.stream.read_exact(part).await?;
            if length < 0x00ff_ffff {
                break;
            }
        }
        match packet.as_slice() {
            [0xff, low, high, ..] => Err(WireError::Server(u16::from_le_bytes([*low, *high]))),
            _ => Ok(packet),
        }
    }
}

const TOO_LONG: WireError = WireError::Protocol("it takes no password of this length");

/// What a login begins with, and all of it that is sent before TLS.
fn header(login: &Login<'_>, tls: u32) -> Vec<u8> {
    let database = login.database.map_or(0, |_| WITH_DATABASE);
    let mut packet = Vec::with_capacity(128);
    packet.extend_from_slice(&(CAPABILITIES | database | tls).to_le_bytes());
    packet.extend_from_slice(&(1_u32 << 30).to_le_bytes());
    packet.push(UTF8MB4);
    packet.extend_from_slice(&[0; 23]);
    packet
}

/// The proof that we know `password`, as `plugin` wants it.
fn prove(plugin: &str, password: &str, nonce: &[u8], safety: Safety) -> Result<Vec<u8>, WireError> {
    match plugin {
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => Ok(Vec::new()),
        "mysql_native_password" => Ok(native_proof(password, nonce)),
        "caching_sha2_password" => Ok(sha2_proof(password, nonce)),
        "sha256_password" if safety != Safety::Plain => Ok(with_nul(password)),
        // Whoever answers could ask for it.
        "mysql_clear_password" if safety == Safety::Safe => Ok(with_nul(password)),
        "mysql_clear_password" => Err(WireError::Protocol(
            "it wants the password in clear, which takes a checked certificate: add ssl_ca",
        )),
        "sha256_password" => Err(WireError::Protocol(
            "it wants to see the password, which takes TLS: add ssl_mode=REQUIRED",
        )),
        _ => Err(WireError::Protocol(
            "the user's authentication plug-in is not supported; supported are \
             caching_sha2_password, mysql_native_password, sha256_password and \
             mysql_clear_password",
        )),
    }
}

fn native_proof(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password.as_bytes());
    let twice = Sha1::digest(once);
    let mask = Sha1::new()
        .chain_update(nonce)
        .chain_update(twice)
        .finalize();
    once.iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

fn sha2_proof(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password.as_bytes());
    let twice = Sha256::digest(once);
    let mask = Sha256::new()
        .chain_update(twice)
        .chain_update(nonce)
        .finalize();
    once.iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

fn with_nul(password: &str) -> Vec<u8> {
    let mut bytes = password.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// What a server says first.
struct Greeting {
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

impl Greeting {
    fn parse(packet: &[u8]) -> Option<Self> {
        let mut reader = Reader(packet);
        (reader.take(1)? == [10]).then_some(())?;
        reader.until_nul()?;
        reader.take(4)?;
        let mut nonce = reader.take(8)?.to_vec();
        reader.take(1)?;
        let low = reader.take(2)?;
        reader.take(3)?;
        let high = reader.take(2)?;
        let capabilities =
            u32::from_le_bytes([*low.first()?, *low.get(1)?, *high.first()?, *high.get(1)?]);
        let length = usize::from(*reader.take(1)?.first()?);
        reader.take(10)?;
        let rest = reader.take(length.saturating_sub(8).max(13))?;
        nonce.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
        let plugin = reader.until_nul().unwrap_or(b"mysql_native_password");
        Some(Self {
            capabilities,
            nonce,
            plugin: String::from_utf8_lossy(plugin).into_owned(),
        })
    }
}

/// Whether the column that `packet` describes holds whole numbers.
fn is_integer_column(packet: &[u8]) -> Option<bool> {
    let mut reader = Reader(packet);
    for _ in 0..6 {
        reader.text()?;
    }
    reader.number()?;
    reader.take(6)?;
    let kind = reader.take(1)?;
    Some(matches!(kind, [1 | 2 | 3 | 8 | 9]))
}

/// The server's status, where `packet` ends the rows.
fn end_of_rows(packet: &[u8]) -> Option<u16> {
    match packet {
        [0xfe, _, _, low, high] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
}

/// Reads a packet from its beginning; `None` where it is too short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn until_nul(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let taken = self.take(end)?;
        self.take(1)?;
        Some(taken)
    }

    /// A number that is as long as its first byte says.
    fn number(&mut self) -> Option<u64> {
        let count = match *self.take(1)?.first()? {
            small @ ..=0xfa => return Some(small.into()),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            _ => return None,
        };
        let mut bytes = [0; 8];
        for (byte, &taken) in bytes.iter_mut().zip(self.take(count)?) {
            *byte = taken;
        }
        Some(u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(usize::try_from(count).ok()?)
    }

    /// A value of a row; NULL has no bytes.
    fn value(&mut self, is_integer: bool) -> Option<Value> {
        let bytes = match self.0.split_first() {
            Some((0xfb, rest)) => {
                self.0 = rest;
                None
            }
            _ => Some(self.text()?.to_vec()),
        };
        Some(Value { bytes, is_integer })
    }
}
