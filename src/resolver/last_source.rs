//! A task's last source: whoever runs the task, and asks Airflow's API server for it.

use std::sync::Arc;

use async_trait::async_trait;

#[cfg(feature = "supervisor")]
use crate::backends::supervisor::{SupervisorArguments, SupervisorBackend};
use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, LookupOptions, SkipReason},
};

/// The last source of the worker side.
#[derive(Debug, Default)]
pub(super) enum LastSource {
    /// The supervisor, which the program has given.
    #[cfg(feature = "supervisor")]
    Supervisor(SupervisorBackend),
    /// A supervisor has started the program, and the program has not given it.
    #[cfg(feature = "supervisor")]
    NotGiven(SupervisorArguments),
    /// There is none.
    #[default]
    None,
}

impl LastSource {
    /// The source to ask. Where there is none, one that says so.
    pub(super) fn source(&self) -> Arc<dyn SecretsBackend> {
        match self {
            #[cfg(feature = "supervisor")]
            Self::Supervisor(supervisor) => Arc::new(supervisor.clone()),
            #[cfg(feature = "supervisor")]
            Self::NotGiven(arguments) => Arc::new(OutOfReach::Supervisor(*arguments)),
            Self::None => Arc::new(OutOfReach::None),
        }
    }

    /// `backend`, as a source before this one: of what it gives, the supervisor is told.
    pub(super) fn before(&self, backend: Arc<dyn SecretsBackend>) -> Arc<dyn SecretsBackend> {
        match self {
            #[cfg(feature = "supervisor")]
            Self::Supervisor(supervisor) => Arc::new(supervisor.masked(backend)),
            _ => backend,
        }
    }
}

/// A last source that cannot be asked, and why.
#[derive(Debug)]
pub(super) enum OutOfReach {
    /// There is none: it is skipped.
    None,
    /// A setting names it on the server side, where Airflow's finds nothing either.
    ServerSide,
    /// There is one, and it was not given: each lookup fails.
    #[cfg(feature = "supervisor")]
    Supervisor(SupervisorArguments),
}

impl OutOfReach {
    fn answer(&self) -> Result<SkipReason, Failure> {
        let why = match self {
            Self::None => {
                "there is no last source: no supervisor and no Execution API was given; what only \
                 Airflow's API server knows is not found"
            }
            Self::ServerSide => "the Execution API is the last source of tasks, on the worker side",
            #[cfg(feature = "supervisor")]
            Self::Supervisor(arguments) => {
                return Err(Failure::configuration(format!(
                    "a supervisor started this program (--comm={}), and the resolver was not given \
                     its socket: connect with `TcpTransport::connect`, or use the socket of the \
                     task's SDK, and give it with `FromEnvironment::supervisor`",
                    arguments.comm()
                )));
            }
        };
        Ok(SkipReason::NotConfigured(why.into()))
    }
}

#[async_trait]
impl SecretsBackend for OutOfReach {
    fn name(&self) -> &'static str {
        match self {
            Self::None | Self::ServerSide => "execution_api",
            #[cfg(feature = "supervisor")]
            Self::Supervisor(_) => SupervisorBackend::NAME,
        }
    }

    async fn get_connection(
        &self,
        _: &str,
        _: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        self.answer().map(Lookup::skipped)
    }

    async fn get_variable(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        self.answer().map(Lookup::skipped)
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.answer().map(CheckOutcome::skipped)
    }
}
