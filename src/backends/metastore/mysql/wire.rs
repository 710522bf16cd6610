//! A connection to a MySQL server: log in, ask in text, read rows.
//!
//! `mysql_common`, the protocol crate beneath `mysql` and `mysql_async`, writes and reads the
//! packets and computes the proofs of a password; this module is the conversation. The drivers
//! above it do not fit: `mysql_async` takes its TLS from the process-wide default, and panics where a
//! program has two providers of it and chose none; `sqlx` panics when a server's greeting ends
//! too early. Neither lets us hand over a connection that is encrypted already, so an authority
//! could not be checked without the host's name as it is for PostgreSQL.

use std::io;

use bytes::{BufMut, BytesMut};
use mysql_common::{
    constants::{CapabilityFlags, ColumnType, StatusFlags},
    io::ParseBuf,
    packets::{
        AuthMoreData, AuthPlugin, AuthSwitchRequest, Column, CommonOkPacket, ErrPacket,
        HandshakePacket, HandshakeResponse, OkPacket, OkPacketDeserializer, OkPacketKind,
        OldEofPacket, SslRequest,
    },
    proto::{
        MyDeserialize, MySerialize,
        codec::{PacketCodec, error::PacketCodecError},
    },
    value::{TextValue, Value, ValueDeserializer},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::SemaphorePermit,
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::super::{
    driver::{Fault, LONGEST_ANSWER},
    row::{Cell, Row},
};
use crate::backends::long_answers::{self, SHORT_ANSWER};

/// Why the conversation failed.
#[derive(Debug)]
pub(super) enum WireError {
    Io(io::Error),
    /// TLS failed, or is not offered.
    Tls(String),
    /// The server refused; its message is left out, since it names the user.
    Server(u16),
    /// The answer is longer than [`LONGEST_ANSWER`].
    TooLong,
    /// The server does not speak the protocol.
    Protocol(&'static str),
    /// A setting cannot be used.
    Setting(Fault),
    /// The login needs another setting.
    Configuration(&'static str),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PacketCodecError> for WireError {
    fn from(error: PacketCodecError) -> Self {
        match error {
            PacketCodecError::Io(error) => Self::Io(error),
            PacketCodecError::PacketTooLarge => Self::TooLong,
            _ => UNINTELLIGIBLE,
        }
    }
}

const UNINTELLIGIBLE: WireError = WireError::Protocol("its answer is not MySQL's");
const TAKES_TLS: WireError = WireError::Configuration(
    "it asks for the password itself, which is only sent over TLS: add ssl_mode=REQUIRED to the URL",
);

const CAPABILITIES: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH);

/// `utf8mb4_general_ci`, which every server knows.
const UTF8MB4: u8 = 45;

/// The first byte of a command: a query in text.
const QUERY: u8 = 3;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection, logged in or about to be.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    codec: PacketCodec,
    received: BytesMut,
    /// How long the answer is so far.
    length: usize,
    /// The share of a long answer in the budget of all.
    share: Option<SemaphorePermit<'static>>,
    /// Whether TLS is spoken, or about to be.
    is_encrypted: bool,
    is_in_transaction: bool,
}

/// The login, and the server.
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

/// How safe the connection is for a plain-text password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Safety {
    Plain,
    Encrypted,
    Safe,
}

/// The server's first packet.
struct Greeting {
    capabilities: CapabilityFlags,
    nonce: Vec<u8>,
    plugin: AuthPlugin<'static>,
}

impl Wire {
    /// Logs in over `stream`, with TLS where it is given. A stream that `is_local` stays on this machine.
    pub(super) async fn over(
        stream: impl Stream + 'static,
        is_local: bool,
        login: &Login<'_>,
        tls: Option<Tls>,
    ) -> Result<Self, WireError> {
        let mut wire = Wire::new(Box::new(stream));
        let greeting = wire.read_greeting().await?;
        let offers_tls = greeting.capabilities.contains(CapabilityFlags::CLIENT_SSL);
        let safety = match tls {
            Some(tls) if offers_tls => wire.encrypt(tls, login).await?,
            Some(tls) if tls.is_required => {
                return Err(WireError::Tls("the server does not offer TLS".to_owned()));
            }
            _ => Safety::Plain,
        };
        let safety = if is_local { Safety::Safe } else { safety };
        wire.log_in(login, &greeting, safety).await?;
        Ok(wire)
    }

    fn new(stream: Box<dyn Stream>) -> Self {
        let mut codec = PacketCodec::default();
        codec.max_allowed_packet = LONGEST_ANSWER;
        Self {
            stream,
            codec,
            received: BytesMut::new(),
            length: 0,
            share: None,
            is_encrypted: false,
            is_in_transaction: false,
        }
    }

    /// Whether the server keeps a transaction open, and with it a view of the past.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.is_in_transaction
    }

    /// Runs a `SELECT` of `width` columns and returns its rows, of which there are at most `most`.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        width: usize,
        most: usize,
    ) -> Result<Vec<Row>, WireError> {
        let mut command = Vec::with_capacity(sql.len() + 1);
        command.push(QUERY);
        command.extend_from_slice(sql.as_bytes());
        self.codec.reset_seq_id();
        self.write_packet(&command).await?;

        let packet = self.read_packet().await?;
        let count = ParseBuf(&packet).checked_eat_lenenc_int();
        if count.and_then(|count| usize::try_from(count).ok()) != Some(width) {
            return Err(UNINTELLIGIBLE);
        }
        let mut columns = Vec::with_capacity(width);
        for _ in 0..width {
            let packet = self.read_packet().await?;
            columns.push(parse::<Column>(&packet, ())?.column_type());
        }
        let packet = self.read_packet().await?;
        parse_ok::<OldEofPacket>(&packet)?;
        let mut rows = Vec::new();
        loop {
            let packet = self.read_packet().await?;
            if is_end_of_rows(&packet) {
                let status = parse_ok::<OldEofPacket>(&packet)?.status_flags();
                self.is_in_transaction = status.contains(StatusFlags::SERVER_STATUS_IN_TRANS);
                if self.share.take().is_some() {
                    self.received = BytesMut::new();
                }
                return Ok(rows);
            }
            if rows.len() == most {
                return Err(UNINTELLIGIBLE);
            }
            let mut values = ParseBuf(&packet);
            let cells = columns.iter().map(|&column| {
                let value = values.parse::<ValueDeserializer<TextValue>>(());
                value.map_or(Err(UNINTELLIGIBLE), |value| Ok(cell(value.0, column)))
            });
            rows.push(Row::new(cells.collect::<Result<_, _>>()?));
        }
    }

    async fn read_greeting(&mut self) -> Result<Greeting, WireError> {
        let packet = self.read_packet().await?;
        if !has_sound_nonce_length(&packet) {
            return Err(UNINTELLIGIBLE);
        }
        let handshake = parse::<HandshakePacket<'_>>(&packet, ())?;
        let plugin = handshake.auth_plugin();
        Ok(Greeting {
            capabilities: handshake.capabilities(),
            nonce: handshake.nonce(),
            plugin: plugin.map_or(AuthPlugin::MysqlNativePassword, AuthPlugin::into_owned),
        })
    }

    /// Continues under TLS.
    async fn encrypt(&mut self, tls: Tls, login: &Login<'_>) -> Result<Safety, WireError> {
        let name = ServerName::try_from(tls.host)
            .map_err(|_| WireError::Tls("the host is not a valid name".to_owned()))?;
        self.is_encrypted = true;
        let request = SslRequest::new(self.capabilities(login), packet_limit(), UTF8MB4);
        self.write(&request).await?;
        // Anybody could have sent what came before TLS.
        if !self.received.is_empty() {
            return Err(UNINTELLIGIBLE);
        }
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let encrypted = tls.connector.connect(name, plain).await;
        self.stream = Box::new(encrypted.map_err(|error| WireError::Tls(error.to_string()))?);
        self.is_encrypted = true;
        Ok(if tls.is_checked {
            Safety::Safe
        } else {
            Safety::Encrypted
        })
    }

    /// The capabilities that the client announces: before TLS and under it the same, since servers
    /// differ in which of the two they use.
    fn capabilities(&self, login: &Login<'_>) -> CapabilityFlags {
        let mut flags = CAPABILITIES;
        flags.set(CapabilityFlags::CLIENT_SSL, self.is_encrypted);
        flags.set(
            CapabilityFlags::CLIENT_CONNECT_WITH_DB,
            login.database.is_some(),
        );
        flags
    }

    async fn log_in(
        &mut self,
        login: &Login<'_>,
        greeting: &Greeting,
        safety: Safety,
    ) -> Result<(), WireError> {
        // An unknown plug-in is answered with nothing; the server may switch to another.
        let proof = prove(&greeting.plugin, login.password, &greeting.nonce, safety);
        let proof = proof.unwrap_or_default();
        let response = HandshakeResponse::new(
            Some(proof.as_slice()),
            // Which of its character sets every server knows is all that depends on it.
            (5, 5, 3),
            Some(login.user.as_bytes()),
            login.database.map(str::as_bytes),
            Some(greeting.plugin.borrow()),
            self.capabilities(login),
            None,
            packet_limit(),
        );
        self.write(&response).await?;
        loop {
            let packet = self.read_packet().await?;
            match packet.first() {
                Some(0x00) => return parse_ok::<CommonOkPacket>(&packet).map(|_| ()),
                // Another plug-in, with its nonce.
                Some(0xfe) => {
                    let switch = parse::<AuthSwitchRequest<'_>>(&packet, ())?;
                    let plugin = switch.auth_plugin();
                    let proof = prove(&plugin, login.password, switch.plugin_data(), safety)?;
                    self.write_packet(&proof).await?;
                }
                _ => match parse::<AuthMoreData<'_>>(&packet, ())?.data() {
                    // `caching_sha2_password` has the password in its cache.
                    [3] => {}
                    // It has not, and asks for the password itself.
                    [4] if safety != Safety::Plain => {
                        self.write_packet(&with_nul(login.password)).await?;
                    }
                    [4] => return Err(TAKES_TLS),
                    _ => return Err(UNINTELLIGIBLE),
                },
            }
        }
    }

    async fn write(&mut self, packet: &impl MySerialize) -> Result<(), WireError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        packet.serialize(&mut bytes);
        self.write_packet(&bytes).await
    }

    async fn write_packet(&mut self, mut packet: &[u8]) -> Result<(), WireError> {
        self.length = 0;
        let mut bytes = BytesMut::new();
        self.codec.encode(&mut packet, &mut bytes)?;
        self.stream.write_all(&bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next packet; one in which the server refuses is an error.
    async fn read_packet(&mut self) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let mut packet = Zeroizing::new(Vec::new());
        while !self.codec.decode(&mut self.received, &mut *packet)? {
            if self.length > LONGEST_ANSWER {
                return Err(WireError::TooLong);
            }
            if self.length > SHORT_ANSWER && self.share.is_none() {
                self.share = long_answers::share(LONGEST_ANSWER).await;
            }
            self.received.reserve(4096);
            match self.stream.read_buf(&mut self.received).await? {
                0 => return Err(WireError::Io(io::ErrorKind::UnexpectedEof.into())),
                read => self.length = self.length.saturating_add(read),
            }
        }
        if packet.first() != Some(&0xff) {
            return Ok(packet);
        }
        match parse::<ErrPacket<'_>>(&packet, CAPABILITIES)? {
            ErrPacket::Error(error) => Err(WireError::Server(error.error_code())),
            ErrPacket::Progress(_) => Err(UNINTELLIGIBLE),
        }
    }
}

fn packet_limit() -> u32 {
    u32::try_from(LONGEST_ANSWER).unwrap_or(u32::MAX)
}

fn parse<'a, T: MyDeserialize<'a>>(packet: &'a [u8], context: T::Ctx) -> Result<T, WireError> {
    ParseBuf(packet).parse(context).map_err(|_| UNINTELLIGIBLE)
}

fn parse_ok<T: OkPacketKind>(packet: &[u8]) -> Result<OkPacket<'_>, WireError> {
    parse::<OkPacketDeserializer<'_, T>>(packet, CAPABILITIES).map(OkPacketDeserializer::into_inner)
}

/// Whether `packet` ends the rows; a row whose first value is huge begins with the same byte.
fn is_end_of_rows(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 8
}

/// Whether `mysql_common` can read a nonce of the greeting's length: from 128 on it overflows
/// there.
fn has_sound_nonce_length(greeting: &[u8]) -> bool {
    const FROM_VERSION_TO_LENGTH: usize = 4 + 8 + 1 + 2 + 1 + 2 + 2;
    let mut rest = ParseBuf(greeting);
    rest.checked_skip(1);
    let version = rest.0.iter().position(|&byte| byte == 0);
    version.is_some_and(|end| {
        rest.checked_skip(end + 1)
            && rest.checked_skip(FROM_VERSION_TO_LENGTH)
            && rest.checked_eat_u8().is_some_and(|length| length < 128)
    })
}

/// The proof of `password` that `plugin` asks for.
fn prove(
    plugin: &AuthPlugin<'_>,
    password: &str,
    nonce: &[u8],
    safety: Safety,
) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let is_encrypted = safety != Safety::Plain;
    match plugin.as_bytes() {
        b"mysql_native_password" | b"caching_sha2_password" | b"client_ed25519" => {
            let proof = plugin.gen_data(Some(password), nonce);
            Ok(Zeroizing::new(
                proof.map(|proof| proof.to_vec()).unwrap_or_default(),
            ))
        }
        b"sha256_password" if is_encrypted => Ok(with_nul(password)),
        b"sha256_password" => Err(TAKES_TLS),
        // Anybody who answers could ask for it.
        b"mysql_clear_password" if safety == Safety::Safe => Ok(with_nul(password)),
        b"mysql_clear_password" => Err(WireError::Configuration(
            "it asks for the password itself, which is only sent over TLS with a checked certificate: \
             add ssl_ca to the URL",
        )),
        _ => Err(WireError::Configuration(
            "the user's authentication plug-in is not supported; supported are \
             caching_sha2_password, mysql_native_password, sha256_password, mysql_clear_password \
             and MariaDB's ed25519",
        )),
    }
}

fn with_nul(password: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    bytes.put_slice(password.as_bytes());
    bytes.put_u8(0);
    bytes
}

fn cell(value: Value, column: ColumnType) -> Cell {
    use ColumnType::{
        MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_SHORT, MYSQL_TYPE_TINY,
    };
    let Value::Bytes(bytes) = value else {
        return Cell::Null;
    };
    let is_integer = matches!(
        column,
        MYSQL_TYPE_TINY
            | MYSQL_TYPE_SHORT
            | MYSQL_TYPE_INT24
            | MYSQL_TYPE_LONG
            | MYSQL_TYPE_LONGLONG
    );
    match String::from_utf8(bytes) {
        Ok(number) if is_integer => number.parse().map_or(Cell::Bytes, Cell::Integer),
        Ok(text) => Cell::Text(Zeroizing::new(text)),
        Err(_) => Cell::Bytes,
    }
}
