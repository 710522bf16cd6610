//! [`TcpTransport`]: the socket to the supervisor, for a program that owns it.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::zeroize::Zeroizing;
use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, oneshot},
    task::AbortHandle,
    time::timeout,
};

use super::frame::{self, FrameError, FrameReader};
use crate::{
    Failure,
    backend::async_trait,
    backends::{
        runtime,
        supervisor::{Answer, Body, StartupDetails, Transport, body::not_msgpack},
    },
};

/// How long the supervisor has for the connection and its first message: as long as it gives the task.
const STARTUP: Duration = Duration::from_secs(10);

/// The longest message that is read, and the most that waits to be sent unless it is one message: 64 MiB.
const LONGEST: usize = 64 * 1024 * 1024;

/// The socket to the supervisor: Airflow's `--comm=127.0.0.1:PORT`.
///
/// A clone is a handle on the same socket, which is closed when the last is dropped. Requests of any
/// number of callers are under way at once; a task of its own reads the answers, so a caller who does
/// not wait for his holds nobody up. The task runs on the runtime of [`connect`](Self::connect), and
/// the connection ends with that runtime.
///
/// The supervisor takes one connection. Once it has ended, every request fails.
#[derive(Clone)]
pub struct TcpTransport(Arc<Handle>);

/// Ends the tasks of the connection, and so the connection.
struct Handle {
    connection: Arc<Connection>,
    tasks: [AbortHandle; 2],
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

struct Connection {
    peer: SocketAddr,
    stream: OwnedWriteHalf,
    unsent: Mutex<Unsent>,
    /// Something is unsent.
    wake: Notify,
    waiting: Mutex<Waiting>,
    next_id: AtomicU64,
}

/// Frames that the socket did not take at once. The first may be sent in part.
#[derive(Default)]
struct Unsent {
    frames: VecDeque<Zeroizing<Vec<u8>>>,
    /// How much of the first has been sent.
    sent: usize,
    bytes: usize,
}

/// Who waits for an answer.
#[derive(Default)]
struct Waiting {
    callers: HashMap<u64, oneshot::Sender<Result<Answer, Failure>>>,
    /// Why the connection has ended.
    end: Option<Failure>,
}

impl TcpTransport {
    /// Connects to the supervisor at `address`, the value of the argument `--comm`, and waits for its
    /// first message. It must be called once, within 10 s of the program's start; the supervisor wants
    /// a connection to `--logs` in that time as well.
    ///
    /// # Errors
    /// A [`Failure`] when the supervisor cannot be reached, gives no [`StartupDetails`] within 10 s, or
    /// outside a Tokio runtime with I/O and timers.
    pub async fn connect(address: SocketAddr) -> Result<(Self, StartupDetails), Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let start = timeout(STARTUP, Self::start(address)).await;
        start.unwrap_or_else(|_| {
            Err(Failure::unavailable(format!(
                "the supervisor at {address} did not send StartupDetails within {} s; it takes one \
                 connection: is there another, such as that of the task's SDK?",
                STARTUP.as_secs()
            )))
        })
    }

    async fn start(address: SocketAddr) -> Result<(Self, StartupDetails), Failure> {
        let stream = TcpStream::connect(address).await.map_err(|error| {
            Failure::unavailable(format!(
                "the supervisor at {address} cannot be reached: {error}"
            ))
            .with_source(error)
        })?;
        // A request is small, and the next one waits for its answer.
        let _ = stream.set_nodelay(true);
        let (incoming, outgoing) = stream.into_split();
        let mut frames = FrameReader::new(incoming, LONGEST);
        let first = frames.next().await.map_err(|error| ended(address, error))?;
        let startup = frame::response(&first)
            .and_then(|(_, answer)| answer)
            .map_err(|_| not_msgpack())?;
        let startup = StartupDetails::from_body(startup.body.unwrap_or_else(Body::empty))?;
        let connection = Arc::new(Connection {
            peer: address,
            stream: outgoing,
            unsent: Mutex::default(),
            wake: Notify::new(),
            waiting: Mutex::default(),
            // The supervisor's own first message has the id 0.
            next_id: AtomicU64::new(1),
        });
        let reader = Reader(Arc::clone(&connection));
        let tasks = [
            tokio::spawn(reader.run(frames)).abort_handle(),
            tokio::spawn(Arc::clone(&connection).write()).abort_handle(),
        ];
        Ok((Self(Arc::new(Handle { connection, tasks })), startup))
    }
}

#[async_trait]
impl Transport for TcpTransport {
    async fn exchange(&self, request: Body) -> Result<Answer, Failure> {
        let connection = &self.0.connection;
        let id = connection.next_id.fetch_add(1, Ordering::Relaxed);
        let Some(frame) = frame::request(id, &request) else {
            return Err(Failure::invalid_value(
                "the message is longer than 4 GiB, which the protocol cannot hold",
            ));
        };
        let (sender, answer) = oneshot::channel();
        let _caller = connection.wait(id, sender)?;
        connection.send(frame)?;
        // A sender that is dropped belonged to a connection that has ended.
        answer.await.unwrap_or_else(|_| Err(connection.why_ended()))
    }
}

/// A caller who waits. When he gives up, nobody waits any more.
struct Caller<'c> {
    connection: &'c Connection,
    id: u64,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.connection.waiting().callers.remove(&self.id);
    }
}

impl Connection {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(
        &self,
        id: u64,
        sender: oneshot::Sender<Result<Answer, Failure>>,
    ) -> Result<Caller<'_>, Failure> {
        let mut waiting = self.waiting();
        if let Some(end) = &waiting.end {
            return Err(end.clone());
        }
        waiting.callers.insert(id, sender);
        Ok(Caller {
            connection: self,
            id,
        })
    }

    /// Sends `frame` at once, or as soon as the socket takes it. A caller who gives up does not leave
    /// half a frame behind: what is begun is sent to its end.
    fn send(&self, frame: Zeroizing<Vec<u8>>) -> Result<(), Failure> {
        let mut unsent = self.unsent();
        let waits = unsent.bytes;
        if waits > 0 && waits.saturating_add(frame.len()) > LONGEST {
            return Err(Failure::unavailable(format!(
                "the supervisor at {} does not read: {waits} bytes wait to be sent already",
                self.peer
            )));
        }
        unsent.bytes += frame.len();
        unsent.frames.push_back(frame);
        // Others wait already, and the socket is not ready.
        if unsent.frames.len() > 1 {
            return Ok(());
        }
        match self.flush(&mut unsent) {
            Ok(true) => {}
            Ok(false) => self.wake.notify_one(),
            Err(error) => {
                drop(unsent);
                self.end(FrameError::Io(error));
            }
        }
        Ok(())
    }

    /// Sends what the socket takes now; whether that is all.
    fn flush(&self, unsent: &mut Unsent) -> io::Result<bool> {
        while let Some(frame) = unsent.frames.front() {
            let rest = frame.get(unsent.sent..).unwrap_or_default();
            if rest.is_empty() {
                unsent.bytes = unsent.bytes.saturating_sub(frame.len());
                unsent.frames.pop_front();
                unsent.sent = 0;
                continue;
            }
            match self.stream.try_write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => unsent.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends what waits, whenever the socket is ready.
    async fn write(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            loop {
                let ready = self.stream.writable().await;
                let flushed = ready.and_then(|()| self.flush(&mut self.unsent()));
                match flushed {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) => return self.end(FrameError::Io(error)),
                }
            }
        }
    }

    /// Gives `answer` to who waits for it. Nobody waits for what was given up, or never asked.
    fn give(&self, id: i128, answer: Result<Answer, Failure>) {
        let caller = u64::try_from(id).ok();
        let caller = caller.and_then(|id| self.waiting().callers.remove(&id));
        if let Some(caller) = caller {
            // He may have given up just now.
            drop(caller.send(answer));
        } else {
            tracing::debug!("the supervisor answered request {id}, for which nobody waits");
        }
    }

    fn end(&self, why: FrameError) {
        self.end_because(ended(self.peer, why));
    }

    /// The first reason stays.
    fn end_because(&self, why: Failure) {
        let callers = {
            let mut waiting = self.waiting();
            waiting.end.get_or_insert(why);
            std::mem::take(&mut waiting.callers)
        };
        // They see that their senders are gone.
        drop(callers);
        *self.unsent() = Unsent::default();
    }

    fn why_ended(&self) -> Failure {
        let end = self.waiting().end.clone();
        end.unwrap_or_else(|| runtime_has_ended(self.peer))
    }
}

/// Reads the answers. When it ends in any way, so does the connection.
struct Reader(Arc<Connection>);

impl Reader {
    async fn run(self, mut frames: FrameReader<OwnedReadHalf>) {
        loop {
            let frame = match frames.next().await {
                Ok(frame) => frame,
                Err(error) => return self.0.end(error),
            };
            match frame::response(&frame) {
                Ok((id, answer)) => self.0.give(id, answer.map_err(|_| not_msgpack())),
                // Whose answer it was cannot be told: nobody may wait for it in vain.
                Err(_) => return self.0.end_because(not_msgpack()),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.end_because(runtime_has_ended(self.0.peer));
    }
}

fn ended(peer: SocketAddr, why: FrameError) -> Failure {
    let failure = Failure::unavailable(format!("{why} ({peer}); it takes no second one"));
    match why {
        FrameError::Io(error) => failure.with_source(error),
        FrameError::End { .. } | FrameError::TooLong { .. } => failure,
    }
    .with_transient(false)
}

fn runtime_has_ended(peer: SocketAddr) -> Failure {
    Failure::unavailable(format!(
        "the connection to the supervisor at {peer} ended with the Tokio runtime that it was made in; \
         keep that runtime as long as the task runs"
    ))
    .with_transient(false)
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport")
            .field("peer", &self.0.connection.peer)
            .finish_non_exhaustive()
    }
}
