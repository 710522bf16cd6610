//! How a supervisor starts a task: its arguments, and its first message.

use std::{ffi::OsString, net::SocketAddr};

use super::{
    Body,
    body::not_msgpack,
    msgpack::{Malformed, Value},
};
use crate::Failure;

/// What the two arguments begin with.
const COMM: &str = "--comm=";
const LOGS: &str = "--logs=";

/// The arguments that Airflow's coordinator starts a native task with: `--comm=127.0.0.1:PORT` and
/// `--logs=127.0.0.1:PORT`. The task connects to both within 10 s.
///
/// ```
/// use airflow_secrets::backends::supervisor::SupervisorArguments;
///
/// let arguments = ["task", "--comm=127.0.0.1:4100", "--logs=127.0.0.1:4101"];
/// let arguments = SupervisorArguments::find(arguments).expect("a supervisor started it");
/// assert_eq!(arguments.comm().port(), 4100);
/// assert_eq!(arguments.logs().port(), 4101);
///
/// assert_eq!(SupervisorArguments::find(["task", "--help"]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupervisorArguments {
    comm: SocketAddr,
    logs: SocketAddr,
}

impl SupervisorArguments {
    /// Those among `arguments`, such as [`std::env::args_os`]; `None` where not both are there, with
    /// an address and a port each.
    pub fn find(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Option<Self> {
        Self::of(arguments)?.ok()
    }

    /// The same, with the failure where both are a supervisor's but one of the addresses is none.
    pub(crate) fn of(
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Option<Result<Self, Failure>> {
        let (mut comm, mut logs) = (None, None);
        for argument in arguments {
            let Ok(argument) = argument.into().into_string() else {
                continue;
            };
            if argument.starts_with(COMM) {
                comm = Some(argument);
            } else if argument.starts_with(LOGS) {
                logs = Some(argument);
            }
        }
        let (comm, logs) = (comm?, logs?);
        let address = |argument: &str, name| argument.strip_prefix(name)?.parse().ok();
        match (address(&comm, COMM), address(&logs, LOGS)) {
            (Some(comm), Some(logs)) => Some(Ok(Self { comm, logs })),
            // Options of the program's own have the same names.
            _ if !has_port(&comm) || !has_port(&logs) => None,
            (None, _) => Some(Err(no_address(&comm, COMM))),
            (_, None) => Some(Err(no_address(&logs, LOGS))),
        }
    }

    /// Where requests and their answers go: for [`TcpTransport::connect`](super::TcpTransport::connect).
    #[must_use]
    pub fn comm(&self) -> SocketAddr {
        self.comm
    }

    /// Where the task's log goes: a JSON object a line, with `level`, `event` and what else there is.
    #[must_use]
    pub fn logs(&self) -> SocketAddr {
        self.logs
    }
}

/// Whether `argument` ends with a port.
fn has_port(argument: &str) -> bool {
    let port = argument.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn no_address(argument: &str, name: &str) -> Failure {
    Failure::configuration(format!(
        "the program was started with {argument:?}, which is not the address of a supervisor: it must be \
         an IP address and a port, such as {name}127.0.0.1:4100"
    ))
}

/// The supervisor's first message: which task is to be run. `Debug` shows what its methods give, and
/// nothing of the DAG run's configuration.
#[derive(Clone, PartialEq)]
pub struct StartupDetails {
    body: Body,
    task: Value,
}

impl StartupDetails {
    /// The details in the body of the first message.
    ///
    /// # Errors
    /// A [`Failure`] when it is not a `StartupDetails`.
    pub fn from_body(body: Body) -> Result<Self, Failure> {
        let value = body.read().map_err(|Malformed| not_msgpack())?;
        let task = value.get("ti");
        match (value.get("type").and_then(Value::as_text), task) {
            (Some("StartupDetails"), Some(task)) => {
                let task = task.clone();
                Ok(Self { body, task })
            }
            _ => Err(Failure::unavailable(
                "the supervisor's first message is not StartupDetails: what listens there is no \
                 supervisor of a task",
            )
            .with_transient(false)),
        }
    }

    /// The whole message, with all that Airflow tells a task.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The task instance's id, a UUID.
    #[must_use]
    pub fn ti_id(&self) -> Option<&str> {
        self.text("id")
    }

    /// The DAG's id.
    #[must_use]
    pub fn dag_id(&self) -> Option<&str> {
        self.text("dag_id")
    }

    /// The task's id.
    #[must_use]
    pub fn task_id(&self) -> Option<&str> {
        self.text("task_id")
    }

    /// The DAG run's id.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.text("run_id")
    }

    /// Which try this is, from 1.
    #[must_use]
    pub fn try_number(&self) -> Option<u32> {
        self.task.get("try_number")?.as_int()?.try_into().ok()
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.task.get(field)?.as_text()
    }
}

impl std::fmt::Debug for StartupDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartupDetails")
            .field("ti_id", &self.ti_id())
            .field("dag_id", &self.dag_id())
            .field("task_id", &self.task_id())
            .field("run_id", &self.run_id())
            .field("try_number", &self.try_number())
            .finish_non_exhaustive()
    }
}
