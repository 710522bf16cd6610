//! The wire: TLS, and a bound on what the server sends before the driver reads it.
//!
//! The driver is told to begin TLS at once; [`Connector`] then speaks it, or not, as the mode says. So
//! every stream, encrypted or not, comes back from it as a [`Watched`] one.

use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    sync::SemaphorePermit,
};
use tokio_postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{super::driver::LONGEST_ANSWER, options::Mode};
use crate::backends::long_answers::{self, SHORT_ANSWER};

/// All but rows, in answer to one message: settings, notices, an error.
const MOST_BESIDES_ROWS: usize = 64 * 1024;

/// What asks a server for TLS.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

type Encrypted<S> = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
type Handshake = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

/// Begins a connection.
#[derive(Clone)]
pub(super) struct Connector {
    mode: Mode,
    is_direct: bool,
    tls: MakeRustlsConnect,
    excess: Arc<OnceLock<Excess>>,
}

/// [`Connector`] for one host.
pub(super) struct ToHost {
    connector: Connector,
    handshake: Handshake,
}

impl Connector {
    /// For connections in `mode`. If it `is_direct`, TLS begins without a request for it.
    pub(super) fn new(mode: Mode, is_direct: bool, tls: ClientConfig) -> Self {
        Self {
            mode,
            is_direct,
            tls: MakeRustlsConnect::new(tls),
            excess: Arc::default(),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Why the connection was given up, if it was.
    pub(super) fn excess(&self) -> Option<Excess> {
        self.excess.get().copied()
    }

    /// For a server at `host`.
    pub(super) fn to(&self, host: &str) -> ToHost {
        let made = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.tls.clone(), host);
        let Ok(handshake) = made;
        ToHost {
            connector: self.clone(),
            handshake,
        }
    }
}

impl<S: Stream + 'static> MakeTlsConnect<S> for Connector {
    type Stream = Watched<S>;
    type TlsConnect = ToHost;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<ToHost, Infallible> {
        Ok(self.to(host))
    }
}

impl<S: Stream + 'static> TlsConnect<S> for ToHost {
    type Stream = Watched<S>;
    type Error = Box<dyn StdError + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Watched<S>, Self::Error>> + Send>>;

    fn connect(self, mut stream: S) -> Self::Future {
        Box::pin(async move {
            let Connector {
                mode,
                is_direct,
                excess,
                ..
            } = self.connector;
            let is_encrypted = match mode {
                Mode::Plain => false,
                _ if is_direct => true,
                _ => asks_for_tls(&mut stream).await.map_err(BeforeTls)?,
            };
            let layer = if is_encrypted {
                Layer::Encrypted(self.handshake.connect(stream).await?)
            } else if mode == Mode::Tls {
                return Err("server does not support TLS".into());
            } else {
                Layer::Plain(stream)
            };
            Ok(Watched {
                layer,
                watch: Watch::default(),
                share: Share::None,
                excess,
            })
        })
    }
}

/// Whether the server speaks TLS from now on. No more is read than its answer: what follows must not be
/// taken for what comes under TLS.
async fn asks_for_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<bool> {
    stream.write_all(&TLS_REQUEST).await?;
    Ok(stream.read_u8().await? == b'S')
}

/// The connection broke before TLS began.
#[derive(Debug)]
pub(super) struct BeforeTls(pub(super) io::Error);

impl fmt::Display for BeforeTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for BeforeTls {}

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

enum Layer<S: Stream + 'static> {
    Plain(S),
    Encrypted(Encrypted<S>),
}

/// A stream that fails once the server sends more than a lookup can need.
pub(super) struct Watched<S: Stream + 'static> {
    layer: Layer<S>,
    watch: Watch,
    share: Share,
    excess: Arc<OnceLock<Excess>>,
}

/// The share of a long answer in the budget of all.
enum Share {
    None,
    Awaited(Pin<Box<dyn Future<Output = Option<SemaphorePermit<'static>>> + Send + Sync>>),
    Held(
        #[expect(dead_code, reason = "gives its share back when it is dropped")]
        Option<SemaphorePermit<'static>>,
    ),
}

/// The server sent too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Rows,
    BesidesRows,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows => write!(f, "is longer than {LONGEST_ANSWER} bytes (DB-21)"),
            Self::BesidesRows => write!(
                f,
                "contains more than {MOST_BESIDES_ROWS} bytes besides rows (DB-21)"
            ),
        }
    }
}

impl StdError for Excess {}

/// Reads the head of each message, <https://www.postgresql.org/docs/current/protocol-overview.html>.
#[derive(Default)]
struct Watch {
    /// The kind of the message and its length, as far as they have arrived.
    head: Vec<u8>,
    /// How much of the message is still to come.
    rest: usize,
    /// How long the rows are, since the last message to the server.
    rows: usize,
    /// The same of all else.
    besides: usize,
    /// How long the settings are that the driver keeps, over the life of the connection.
    settings: usize,
}

impl Watch {
    /// The server is asked something new.
    fn ask(&mut self) {
        (self.rows, self.besides) = (0, 0);
    }

    /// # Errors
    /// When the server announces more than it may send.
    fn look(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        loop {
            let skipped = bytes.len().min(self.rest);
            self.rest -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((first, others)) = bytes.split_first() else {
                return Ok(());
            };
            self.head.push(*first);
            bytes = others;
            if let [kind, length @ ..] = self.head.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                let (kind, length) = (*kind, u32::from_be_bytes(length));
                self.head.clear();
                self.begin(kind, usize::try_from(length).unwrap_or(usize::MAX))?;
            }
        }
    }

    /// A message of `kind` begins, `length` bytes long without the kind.
    fn begin(&mut self, kind: u8, length: usize) -> Result<(), Excess> {
        let (count, most, excess) = match kind {
            b'D' => (&mut self.rows, LONGEST_ANSWER, Excess::Rows),
            b'S' => (&mut self.settings, MOST_BESIDES_ROWS, Excess::BesidesRows),
            _ => (&mut self.besides, MOST_BESIDES_ROWS, Excess::BesidesRows),
        };
        *count = count.saturating_add(length).saturating_add(1);
        if *count > most {
            return Err(excess);
        }
        // The length counts itself.
        self.rest = length.saturating_sub(4);
        if kind == b'Z' {
            // The answer is complete.
            self.ask();
        }
        Ok(())
    }
}

impl<S: Stream + 'static> Watched<S> {
    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream),
            Layer::Encrypted(stream) => Pin::new(stream),
        }
    }
}

impl<S: Stream + 'static> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Share::Awaited(share) = &mut self.share {
            self.share = Share::Held(ready!(share.as_mut().poll(context)));
        }
        let before = buffer.filled().len();
        ready!(self.stream().poll_read(context, buffer))?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        if let Err(excess) = self.watch.look(received) {
            let _ = self.excess.set(excess);
            return Poll::Ready(Err(io::Error::other(excess)));
        }
        if self.watch.rows <= SHORT_ANSWER {
            self.share = Share::None;
        } else if let Share::None = self.share {
            self.share = Share::Awaited(Box::pin(long_answers::share(LONGEST_ANSWER)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream + 'static> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch.ask();
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

impl<S: Stream + 'static> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.layer {
            Layer::Plain(_) => ChannelBinding::none(),
            Layer::Encrypted(stream) => stream.channel_binding(),
        }
    }
}
