//! [`StartedBy`]: the sockets of the supervisor that started this program, taken at the first request.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{net::TcpStream, time::timeout};

use super::TcpTransport;
use crate::{
    Failure,
    backend::async_trait,
    backends::supervisor::{Answer, Body, SupervisorArguments, Transport},
};

/// How long the supervisor has to take the connection of the log.
const LOGS: Duration = Duration::from_secs(10);

/// The way to the supervisor for a program that leaves its sockets to this crate. All requests share one
/// connection, and those that come while it is made share the attempt. One that failed is made anew by
/// the next request.
pub(in crate::backends::supervisor) struct StartedBy {
    arguments: SupervisorArguments,
    attempt: Mutex<Option<Attempt>>,
}

/// A supervisor that started this program with arguments that cannot be read.
#[derive(Debug)]
pub(in crate::backends::supervisor) struct OutOfReach(pub(in crate::backends::supervisor) Failure);

#[async_trait]
impl Transport for OutOfReach {
    async fn exchange(&self, _: Body) -> Result<Answer, Failure> {
        Err(self.0.clone())
    }
}

/// It goes on where the caller who began it gives up: the supervisor takes no second connection.
type Attempt = Shared<BoxFuture<'static, Result<Sockets, Failure>>>;

#[derive(Clone)]
struct Sockets {
    transport: TcpTransport,
    /// The supervisor wants this connection too, though nothing is written there.
    _logs: Arc<TcpStream>,
}

impl StartedBy {
    pub(in crate::backends::supervisor) fn new(arguments: SupervisorArguments) -> Self {
        Self {
            arguments,
            attempt: Mutex::default(),
        }
    }

    /// The attempt that is under way or has succeeded, or else a new one.
    fn attempt(&self) -> Attempt {
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        match &*attempt {
            Some(made) if !matches!(made.peek(), Some(Err(_))) => made.clone(),
            _ => {
                let arguments = self.arguments;
                let task = tokio::spawn(async move { connect(arguments).await });
                let made = async move {
                    task.await.unwrap_or_else(|_| {
                        Err(Failure::unavailable(
                            "the Tokio runtime ended while the supervisor was connected to",
                        ))
                    })
                };
                attempt.insert(made.boxed().shared()).clone()
            }
        }
    }
}

async fn connect(arguments: SupervisorArguments) -> Result<Sockets, Failure> {
    let with_remedy = |failure: Failure| {
        let told = Failure::unavailable(format!(
            "{failure}; a supervisor takes one connection: where the task's SDK has it, give the SDK's \
             with `FromEnvironment::supervisor`; where another resolver of this program has it, use a \
             clone of that one"
        ));
        told.with_source(failure)
    };
    let logs = timeout(LOGS, TcpStream::connect(arguments.logs())).await;
    let logs = logs
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|error| {
            with_remedy(Failure::unavailable(format!(
                "the supervisor's socket for the log at {} cannot be reached: {error}",
                arguments.logs()
            )))
        })?;
    let connected = TcpTransport::connect(arguments.comm()).await;
    let (transport, _) = connected.map_err(with_remedy)?;
    Ok(Sockets {
        transport,
        _logs: Arc::new(logs),
    })
}

#[async_trait]
impl Transport for StartedBy {
    async fn exchange(&self, request: Body) -> Result<Answer, Failure> {
        let sockets = self.attempt().await?;
        sockets.transport.exchange(request).await
    }
}

impl fmt::Debug for StartedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedBy")
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}
