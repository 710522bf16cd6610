//! A task's last source: whoever runs the task, and asks Airflow's API server for it.

#[cfg(feature = "supervisor")]
use std::ffi::OsString;
#[cfg(feature = "execution-api")]
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

#[cfg(any(feature = "supervisor", feature = "execution-api"))]
use super::FromEnvironment;
#[cfg(feature = "execution-api")]
use crate::backends::execution_api::ExecutionApiBuilder;
#[cfg(feature = "supervisor")]
use crate::backends::supervisor::SupervisorBackend;
use crate::{
    ConfigurationError, Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, LookupOptions, SkipReason},
    config::Settings,
};

/// The last source of the worker side, as the program has set it up.
#[derive(Debug, Default)]
pub(super) struct LastSource {
    #[cfg(feature = "supervisor")]
    supervisor: Option<SupervisorBackend>,
    /// The supervisor that has started the program, where the program gave none.
    #[cfg(feature = "supervisor")]
    started_by: Option<SupervisorBackend>,
    #[cfg(feature = "execution-api")]
    execution_api: Option<ExecutionApi>,
}

#[cfg_attr(
    not(all(feature = "supervisor", feature = "execution-api")),
    allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "what is set up, and what can be wrong with it, depends on these features"
    )
)]
impl LastSource {
    /// The source to ask: the supervisor, or else the Execution API. Where there is none, one that
    /// says so.
    ///
    /// # Errors
    /// When a setting of the Execution API is invalid, or the program gave no token for it.
    pub(super) fn source(
        &self,
        settings: &Settings,
    ) -> Result<Arc<dyn SecretsBackend>, ConfigurationError> {
        #[cfg(feature = "supervisor")]
        if let Some(supervisor) = self.supervisor() {
            return Ok(Arc::new(supervisor.clone()));
        }
        #[cfg(feature = "execution-api")]
        if let Some(execution_api) = &self.execution_api {
            let builder = ExecutionApiBuilder::from_settings(settings)?;
            return Ok(Arc::new((execution_api.0)(builder).build()?));
        }
        let _ = settings;
        Ok(Arc::new(OutOfReach::None))
    }

    /// `backend`, as a source before this one: of what it gives, the supervisor is told.
    pub(super) fn before(&self, backend: Arc<dyn SecretsBackend>) -> Arc<dyn SecretsBackend> {
        #[cfg(feature = "supervisor")]
        if let Some(supervisor) = self.supervisor() {
            return Arc::new(supervisor.masked(backend));
        }
        backend
    }

    #[cfg(feature = "supervisor")]
    fn supervisor(&self) -> Option<&SupervisorBackend> {
        self.supervisor.as_ref().or(self.started_by.as_ref())
    }

    /// The error where the program has set up a last source and is on the server side, which asks none.
    pub(super) fn refused_on_the_server_side(&self) -> Result<(), ConfigurationError> {
        #[cfg(feature = "supervisor")]
        if self.supervisor.is_some() {
            return Err(of_tasks_alone("supervisor"));
        }
        #[cfg(feature = "execution-api")]
        if self.execution_api.is_some() {
            return Err(of_tasks_alone("execution_api"));
        }
        Ok(())
    }
}

#[cfg(any(feature = "supervisor", feature = "execution-api"))]
fn of_tasks_alone(method: &str) -> ConfigurationError {
    ConfigurationError::new(
        format!("FromEnvironment::{method}"),
        "the program",
        "only tasks have this source, and this is the server side: call `worker()`, or begin with \
         `Resolver::for_worker`",
    )
}

/// Fills the builder of the Execution API further, once the settings have.
#[cfg(feature = "execution-api")]
struct ExecutionApi(Box<dyn Fn(ExecutionApiBuilder) -> ExecutionApiBuilder + Send + Sync>);

#[cfg(feature = "execution-api")]
impl fmt::Debug for ExecutionApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionApi").finish_non_exhaustive()
    }
}

#[cfg(feature = "supervisor")]
impl FromEnvironment {
    /// Asks `supervisor` last, on the worker side, and tells it of the secrets that the sources before
    /// it give, so that it hides them in the task's log; see
    /// [`backends::supervisor`](crate::backends::supervisor).
    #[must_use]
    pub fn supervisor(mut self, supervisor: SupervisorBackend) -> Self {
        self.last_source.supervisor = Some(supervisor);
        self
    }

    /// The program was started with `arguments`, such as [`std::env::args_os`]. Where they are a
    /// supervisor's, that supervisor is asked last, unless another is [given](Self::supervisor): its
    /// sockets are taken at the first request, as [`SupervisorBackend::started_by`] says. Where both
    /// arguments have a port, but not an IP address, each lookup that needs the supervisor is an error
    /// that names the argument. Other arguments change nothing, nor does this on the server side.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.last_source.started_by = SupervisorBackend::of_arguments(arguments);
        self
    }
}

#[cfg(feature = "execution-api")]
impl FromEnvironment {
    /// Asks the Execution API last, on the worker side, unless a supervisor is given: what a task's
    /// supervisor asks. Airflow's settings fill the builder, as
    /// [`ExecutionApiBuilder::from_settings`] says; `change` gives the token, which Airflow has no
    /// setting for.
    ///
    /// ```
    /// # use airflow_secrets::{Environment, Resolver};
    /// use airflow_secrets::backends::execution_api::ExecutionApiCredential;
    ///
    /// let from = Resolver::from_environment(Environment::process())
    ///     .worker()
    ///     .execution_api(|api| api.credential(ExecutionApiCredential::file("/run/airflow/token")));
    /// ```
    #[must_use]
    pub fn execution_api(
        mut self,
        change: impl Fn(ExecutionApiBuilder) -> ExecutionApiBuilder + Send + Sync + 'static,
    ) -> Self {
        self.last_source.execution_api = Some(ExecutionApi(Box::new(change)));
        self
    }
}

/// A last source that cannot be asked, and why.
#[derive(Debug)]
pub(super) enum OutOfReach {
    /// There is none: it is skipped.
    None,
    /// A setting names it on the server side, where Airflow's finds nothing either.
    ServerSide,
}

impl OutOfReach {
    fn reason(&self) -> SkipReason {
        let why = match self {
            Self::None => {
                "there is no last source: no supervisor and no Execution API was given; what only \
                 Airflow's API server knows is not found"
            }
            Self::ServerSide => "the Execution API is the last source of tasks, on the worker side",
        };
        SkipReason::NotConfigured(why.into())
    }
}

#[async_trait]
impl SecretsBackend for OutOfReach {
    fn name(&self) -> &'static str {
        "execution_api"
    }

    async fn get_connection(
        &self,
        _: &str,
        _: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        Ok(Lookup::skipped(self.reason()))
    }

    async fn get_variable(&self, _: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        Ok(Lookup::skipped(self.reason()))
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        Ok(CheckOutcome::skipped(self.reason()))
    }
}
