//! The supervisor that runs an Airflow 3 task: the last source of a task, Airflow's
//! `airflow.sdk.execution_time.secrets.execution_api.ExecutionAPISecretsBackend`.
//!
//! Since Airflow 3.3 a task may be a native program, which a coordinator of the worker's starts with
//! `--comm=127.0.0.1:PORT --logs=127.0.0.1:PORT`. The program has no token and no metadata DB: it asks
//! its supervisor over the first socket. The supervisor looks neither into the worker's environment nor
//! into its secrets backend for it: [`FromEnvironment::supervisor`](crate::FromEnvironment::supervisor)
//! makes the whole chain.
//!
//! ```no_run
//! use airflow_secrets::{
//!     Environment, Resolver,
//!     backends::supervisor::{SupervisorArguments, SupervisorBackend, TcpTransport},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let arguments = SupervisorArguments::find(std::env::args_os()).ok_or("not started as a task")?;
//! let (transport, startup) = TcpTransport::connect(arguments.comm()).await?;
//! let resolver = Resolver::from_environment(Environment::process())
//!     .worker()
//!     .supervisor(SupervisorBackend::new(transport))
//!     .build()
//!     .await?;
//! let pg = resolver.get_connection("pg").await?;
//! # Ok(())
//! # }
//! ```
//!
//! * **The socket**: [`TcpTransport`] for a program that owns it; [`Transport`] where a task's SDK does.
//!   The example `native_task` is a whole task. [`Resolver::for_worker`](crate::Resolver::for_worker)
//!   takes the sockets by itself, at its first request to the supervisor
//!   ([`SupervisorBackend::started_by`]).
//! * **The task's end** is the program's to tell: a task succeeds that sends `SucceedTask`, as the
//!   example does. Of one that ends without a word, even with exit code 0, the API server learns
//!   nothing, and its state stays *running* until the scheduler finds it.
//! * **Missing** is what the supervisor says so of. A denial is final: no other source is asked. What
//!   the supervisor or the API server behind it fails at is *unavailable*.
//! * **Ids**: the supervisor puts an id into a URL as it is. An id that would be another there is
//!   skipped, and an answer about another id than the one that was asked for is a failure.
//! * **Time**: a request takes at most 30 s ([`SupervisorBuilder::timeout`]), since the supervisor never
//!   answers what it cannot read.
//! * **The task's log**: of each secret that any source of the chain gives, the supervisor is told before
//!   the program has it (`MaskSecret`), and hides it in the task's log and standard output by Airflow's
//!   rules: a connection's password, its `extra` as a whole, what stands in `extra` under a sensitive
//!   name; a variable whose key is a sensitive name, and what stands in a JSON variable under one.
//!   [`SupervisorBuilder::mask_secrets`] turns it off.
//! * **Variables both ways**: [`VariableStore`](crate::backend::VariableStore).

mod answer;
mod body;
mod builder;
mod client;
mod mask;
mod masked;
mod msgpack;
mod naming;
mod startup;
mod transport;
mod variables;

use std::sync::Arc;

pub use self::{
    body::Body,
    builder::SupervisorBuilder,
    client::TcpTransport,
    masked::Masked,
    startup::{StartupDetails, SupervisorArguments},
    transport::{Answer, Transport},
};
use self::{
    client::{Client, OutOfReach, StartedBy},
    mask::{Found, Masker},
    msgpack::Item,
    naming::{Kind, native_key},
};
use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, async_trait},
};

/// Reads connections and variables from the supervisor of the task that this program is. A clone is a
/// handle on the same source. It needs a Tokio runtime. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct SupervisorBackend(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    masker: Option<Masker>,
}

impl Inner {
    /// Tells the supervisor of what was found, where it is to be told.
    async fn tell(&self, found: &[Found<'_>], options: &LookupOptions) -> Result<(), Failure> {
        match &self.masker {
            Some(masker) => {
                let deadline = self.client.deadline(options);
                masker.tell(&self.client, found, deadline).await
            }
            None => Ok(()),
        }
    }
}

impl SupervisorBackend {
    /// The source's name in reports and logs.
    pub const NAME: &'static str = "supervisor";

    /// The source behind `transport`, with the defaults of [`builder`](Self::builder).
    #[must_use]
    pub fn new(transport: impl Transport) -> Self {
        Self::builder(transport).build()
    }

    /// The supervisor that started this program with `arguments`, for a program that leaves the sockets
    /// to this crate: [`Resolver::for_worker`](crate::Resolver::for_worker) asks it. Both sockets are
    /// taken at the first request, and kept as long as this source; the supervisor's first message is
    /// dropped. The supervisor ends a task that has not taken them within 10 s of its start.
    ///
    /// Where the task's SDK owns the sockets, each request is *unavailable*, and says what to do. A
    /// program that wants the [`StartupDetails`], or logs, calls [`TcpTransport::connect`] itself.
    #[must_use]
    pub fn started_by(arguments: SupervisorArguments) -> Self {
        Self::new(StartedBy::new(arguments))
    }

    /// The supervisor that started this program with `arguments`, where they are a supervisor's. Where
    /// one of its addresses cannot be read, each request says so.
    pub(crate) fn of_arguments(
        arguments: impl IntoIterator<Item = impl Into<std::ffi::OsString>>,
    ) -> Option<Self> {
        Some(match SupervisorArguments::of(arguments)? {
            Ok(arguments) => Self::started_by(arguments),
            Err(failure) => Self::new(OutOfReach(failure)),
        })
    }

    /// A builder of the source behind `transport`.
    pub fn builder(transport: impl Transport) -> SupervisorBuilder {
        SupervisorBuilder::new(Arc::new(transport))
    }

    /// `backend`, of whose secrets the supervisor is told; see [the module](self).
    /// [`FromEnvironment::supervisor`](crate::FromEnvironment::supervisor) does that for each source.
    pub fn masked<B: SecretsBackend>(&self, backend: B) -> Masked<B> {
        Masked::new(backend, self.clone())
    }

    async fn connection(
        &self,
        conn_id: &str,
        native_key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        let client = &self.0.client;
        let request = Body::message("GetConnection", [("conn_id", Item::Text(conn_id))]);
        let said = client.ask(request, client.deadline(options)).await?;
        let lookup = answer::connection(said, conn_id, native_key, options.dialect())?;
        if let Some(connection) = lookup.value() {
            let found = [Found::FromSupervisor(connection)];
            self.0.tell(&found, options).await?;
        }
        Ok(lookup)
    }

    async fn variable(
        &self,
        key: &str,
        native_key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let client = &self.0.client;
        let request = Body::message("GetVariable", [("key", Item::Text(key))]);
        let said = client.ask(request, client.deadline(options)).await?;
        let lookup = answer::variable(said, key, native_key)?;
        if let Some(value) = lookup.value() {
            let found = [Found::VariableFromSupervisor(key, value)];
            self.0.tell(&found, options).await?;
        }
        Ok(lookup)
    }
}

#[async_trait]
impl SecretsBackend for SupervisorBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        let native_key = match native_key(Kind::Connection, conn_id) {
            Ok(native_key) => native_key,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let lookup = self.connection(conn_id, &native_key, options).await;
        lookup.map_err(|failure| failure.at(native_key))
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let native_key = match native_key(Kind::Variable, key) {
            Ok(native_key) => native_key,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let lookup = self.variable(key, &native_key, options).await;
        lookup.map_err(|failure| failure.at(native_key))
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let native_key = match native_key(Kind::Connection, CHECK_ID) {
            Ok(native_key) => native_key,
            Err(reason) => return Ok(CheckOutcome::skipped(reason)),
        };
        let client = &self.0.client;
        let request = Body::message("GetConnection", [("conn_id", Item::Text(CHECK_ID))]);
        let said = client.ask(request, client.deadline(options)).await;
        let checked = said.and_then(|said| answer::check(said, &native_key));
        match checked {
            Ok(()) => Ok(CheckOutcome::reachable(native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }
}
