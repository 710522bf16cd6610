//! AWS Secrets Manager and Systems Manager's Parameter Store: Airflow's
//! `airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend` and
//! `airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend`.
//!
//! [`SecretsManagerBackend`] and [`SystemsManagerParameterStoreBackend`] are one [`AwsBackend`]
//! with two [`Service`]s: names, session, credentials, time-outs and retries are the same, the
//! calls differ.
//!
//! * **Names** are `<prefix><sep><id>`. With a team, `<prefix><sep><team>--<id>` is read first.
//! * **Region and profile** are found in boto3's order.
//! * **Credentials** are those in the settings, else those of boto3's default chain (environment;
//!   profile, with roles, web identity, SSO and `credential_process`; ECS and EKS; EC2). With
//!   `role_arn` they are those that STS issues for that role. They are loaded once for all
//!   concurrent lookups, and again one minute before they expire.
//! * **Logs**: the SDK's own records do not reach a `tracing` subscriber. Where there is none, and
//!   `tracing` hands records to the `log` crate, they reach that; no record contains a secret, since
//!   the SDK sees neither tokens nor signatures.
//! * **Requests**: the client is made at the first lookup. A lookup is one call. Throttling, 5xx and
//!   connection errors are retried with jitter; the SDK's adaptive mode slows down a client that is
//!   throttled. Many ids are read in as few calls as the service allows.

mod answer;
mod builder;
#[cfg(feature = "vault")]
pub(super) mod caller_identity;
mod client;
mod credential;
pub(super) mod kwargs;
mod naming;
mod options;
mod profile_files;
mod shared_config;
#[cfg(test)]
#[cfg(all(feature = "aws-secrets-manager", feature = "aws-parameter-store"))]
mod tests;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;

#[cfg(feature = "aws-parameter-store")]
pub use self::client::parameter_store::ParameterStore;
#[cfg(feature = "aws-secrets-manager")]
pub use self::client::secrets_manager::SecretsManager;
use self::{
    answer::BatchError,
    client::{Reading, Readings, http},
    naming::{Names, SecretKind},
    options::SessionOptions,
};
pub use self::{
    builder::AwsBuilder,
    client::Service,
    credential::{
        AwsCredential,
        assume_role::{AssumeRole, WebIdentityToken},
    },
    options::RetryMode,
};
use crate::{
    ConfigurationError, Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, SkipReason},
    backends::{deadline::Deadline, registry::BackendSetup, runtime, subscriber::silently},
    config::Warning,
};

/// Airflow's `SecretsManagerBackend`.
#[cfg(feature = "aws-secrets-manager")]
pub type SecretsManagerBackend = AwsBackend<SecretsManager>;

/// Makes a [`SecretsManagerBackend`] from code.
#[cfg(feature = "aws-secrets-manager")]
pub type SecretsManagerBuilder = AwsBuilder<SecretsManager>;

/// Airflow's `SystemsManagerParameterStoreBackend`.
#[cfg(feature = "aws-parameter-store")]
pub type SystemsManagerParameterStoreBackend = AwsBackend<ParameterStore>;

/// Makes a [`SystemsManagerParameterStoreBackend`] from code.
#[cfg(feature = "aws-parameter-store")]
pub type SystemsManagerParameterStoreBuilder = AwsBuilder<ParameterStore>;

/// Reads connections, variables and configuration entries from one of AWS's services.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct AwsBackend<S: Service> {
    warnings: Vec<Warning>,
    names: Names,
    options: SessionOptions,
    /// Made at the first lookup. If that fails, the next lookup tries again.
    service: OnceCell<S>,
    /// The limit for one call with its retries.
    timeout: Duration,
    max_concurrent_requests: usize,
    /// Whether AWS denied the call for many names; it is then not made again.
    batch_is_denied: AtomicBool,
}

impl<S: Service> AwsBackend<S> {
    /// A builder with Airflow's defaults.
    #[must_use]
    pub fn builder() -> AwsBuilder<S> {
        AwsBuilder::default()
    }

    /// The backend that Airflow would make from the same keyword arguments and environment.
    ///
    /// # Errors
    /// When an argument is invalid. Unknown arguments are warnings, since Airflow ignores them.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    async fn service(&self, options: &LookupOptions) -> Result<&S, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let connect = || {
            silently(async {
                Ok(S::connect(
                    client::session::connect(&self.options, &S::FACTS).await?,
                ))
            })
        };
        let deadline = Deadline::new(self.timeout, options);
        let made = deadline.wait_for(self.service.get_or_try_init(connect));
        made.await.unwrap_or_else(|| {
            Err(Failure::unavailable(
                "reading the AWS profile files and certificates took too long: check the file \
                 system they are on",
            ))
        })
    }

    /// The answer for each id. The first name of every id is read at once, then the next name of
    /// those ids that were not found: with a team, its own name comes before the global one.
    async fn look_up(
        &self,
        kind: SecretKind,
        ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let mut search = Vec::with_capacity(ids.len());
        for id in ids {
            search.push(Search::new(self.names.locate(kind, id, options.team())));
        }
        while search.iter().any(|search| search.next_name().is_some()) {
            let mut names = search
                .iter()
                .filter_map(Search::next_name)
                .collect::<Vec<_>>();
            names.sort_unstable();
            names.dedup();
            let readings = match self.service(options).await {
                Ok(service) => self.read(service, &names, options).await,
                Err(failure) => all_failed(&names, &failure),
            };
            for search in &mut search {
                if let Some(name) = search.next_name() {
                    search.take(readings.get(name).cloned());
                }
            }
        }
        search.into_iter().map(Search::lookup).collect()
    }

    /// The reading of each name, in as few calls as possible. Each call ends at the deadline by itself,
    /// so that what others have read by then is kept.
    async fn read(&self, service: &S, names: &[&str], options: &LookupOptions) -> Readings {
        let size = if self.batch_is_denied.load(Ordering::Relaxed) {
            1
        } else {
            S::FACTS.batch_size
        };
        let chunks = names
            .chunks(size.max(1))
            .map(|chunk| self.read_chunk(service, chunk, options));
        let chunks = chunks.collect::<Vec<_>>();
        let mut readings = HashMap::with_capacity(names.len());
        let mut chunks = stream::iter(chunks).buffer_unordered(self.max_concurrent_requests);
        while let Some(chunk) = chunks.next().await {
            readings.extend(chunk);
        }
        readings
    }

    async fn read_chunk(&self, service: &S, names: &[&str], options: &LookupOptions) -> Readings {
        let mut readings = Readings::new();
        if names.len() > 1 && !self.batch_is_denied.load(Ordering::Relaxed) {
            let batch = self.in_time(options, service.read_batch(names)).await;
            match batch.unwrap_or_else(|failure| Err(BatchError::Failed(failure))) {
                Ok(batch) => readings = batch,
                Err(BatchError::Denied) => self.give_up_batches(),
                Err(BatchError::NotAsBatch) => {}
                Err(BatchError::Failed(failure)) => return all_failed(names, &failure),
            }
        }
        let open = names.iter().filter(|name| !readings.contains_key(**name));
        let reads = open
            .map(|name| async {
                let read = self.in_time(options, service.read(name)).await;
                ((*name).to_owned(), read.unwrap_or_else(Err))
            })
            .collect::<Vec<_>>();
        let reads = stream::iter(reads).buffer_unordered(self.max_concurrent_requests);
        readings.extend(reads.collect::<Vec<_>>().await);
        readings
    }

    /// Waits for `call`, at most for the time of one call, and not beyond the deadline in `options`.
    async fn in_time<T>(
        &self,
        options: &LookupOptions,
        call: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let deadline = Deadline::new(self.timeout, options);
        let call = http::within(deadline, silently(call)).await;
        call.map_err(|timed_out| {
            let last = timed_out.last_attempt;
            let last = last.map(|last| format!("; the last attempt: {last}"));
            Failure::unavailable(if timed_out.is_for_slots {
                format!(
                    "most of the {deadline} of this lookup passed in the wait for one of {} \
                     concurrent requests: raise \"max_pool_connections\" in config_kwargs, or look \
                     up many ids in one call",
                    self.max_concurrent_requests
                )
            } else {
                format!(
                    "AWS did not answer in time ({deadline} for credentials, call and retries, \
                     AWS-5){}",
                    last.unwrap_or_default()
                )
            })
        })
    }

    fn give_up_batches(&self) {
        if !self.batch_is_denied.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                backend = S::FACTS.name,
                "AWS denied {}: from now on each id is read by a call of its own; allow the action \
                 to save calls",
                S::FACTS.batch_action,
            );
        }
    }

    /// The answer for a single id, without batches.
    async fn look_up_one(
        &self,
        kind: SecretKind,
        id: &str,
        team: Option<&str>,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let mut search = Search::new(self.names.locate(kind, id, team));
        while let Some(name) = search.next_name() {
            let reading = match self.service(options).await {
                Ok(service) => self
                    .in_time(options, service.read(name))
                    .await
                    .unwrap_or_else(Err),
                Err(failure) => Err(failure),
            };
            search.take(Some(reading));
        }
        search.lookup()
    }
}

/// The same failure for each of `names`.
fn all_failed(names: &[&str], failure: &Failure) -> Readings {
    let failed = names.iter();
    failed
        .map(|name| ((*name).to_owned(), Err(failure.clone())))
        .collect()
}

/// The lookup of one id: its possible names, and the results of those that were read.
struct Search {
    /// The names that are still to be read, in reverse order.
    names: Vec<String>,
    /// The names that hold nothing.
    absent: Vec<String>,
    reason: Option<Cow<'static, str>>,
    /// Why a name that is treated as absent could not be read.
    failure: Option<Failure>,
    answer: Option<Result<Lookup<Secret>, Failure>>,
}

impl Search {
    fn new(located: Result<Vec<String>, Result<Lookup<Secret>, Failure>>) -> Self {
        let (mut names, answer) = match located {
            Ok(names) => (names, None),
            Err(answer) => (Vec::new(), Some(answer)),
        };
        names.reverse();
        Self {
            names,
            absent: Vec::new(),
            reason: None,
            failure: None,
            answer,
        }
    }

    fn next_name(&self) -> Option<&str> {
        let open = self.answer.is_none();
        self.names.last().filter(|_| open).map(String::as_str)
    }

    /// Takes the reading of the next name.
    fn take(&mut self, reading: Option<Result<Reading, Failure>>) {
        let Some(name) = self.names.pop() else {
            return;
        };
        match reading {
            Some(Ok(Reading::Found(value))) => self.answer = Some(Ok(Lookup::found(value, name))),
            Some(Ok(Reading::Skipped(reason))) => self.answer = Some(Ok(Lookup::skipped(reason))),
            Some(Ok(Reading::Absent { reason, failure })) => {
                let failure = failure.map(|failure| failure.at(name.as_str()));
                self.failure = self.failure.take().or(failure);
                self.reason = self.reason.take().or(reason);
                self.absent.push(name);
            }
            Some(Err(failure)) => self.answer = Some(Err(failure.at(name))),
            None => self.absent.push(name),
        }
    }

    fn lookup(self) -> Result<Lookup<Secret>, Failure> {
        match (self.answer, self.failure) {
            (Some(answer), _) => answer,
            (None, Some(failure)) => Err(failure),
            (None, None) => {
                let reason = self.reason.map(Cow::into_owned);
                Ok(Lookup::missing(self.absent.join(", ")).because(reason))
            }
        }
    }
}

#[async_trait]
impl<S: Service> SecretsBackend for AwsBackend<S> {
    fn name(&self) -> &'static str {
        S::FACTS.name
    }

    fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let found = self
            .look_up_one(SecretKind::Connections, conn_id, options.team(), options)
            .await?;
        self.conn_value(found)
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up_one(SecretKind::Variables, key, options.team(), options)
            .await
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up_one(SecretKind::Config, key, None, options)
            .await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let Some(name) = self.names.to_check(CHECK_ID) else {
            return Ok(CheckOutcome::skipped(SkipReason::NoPrefix));
        };
        let reading = match self.service(options).await {
            Ok(service) => self.in_time(options, service.read_once(&name)).await,
            Err(failure) => Err(failure),
        };
        match reading.unwrap_or_else(Err) {
            Err(failure)
            | Ok(Reading::Absent {
                failure: Some(failure),
                ..
            }) => Err(failure.at(name)),
            Ok(Reading::Skipped(reason)) => Ok(CheckOutcome::skipped(reason)),
            Ok(Reading::Found(_) | Reading::Absent { .. }) => Ok(CheckOutcome::reachable(name)),
        }
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let found = self
            .look_up(SecretKind::Connections, conn_ids, options)
            .await;
        let answers = conn_ids.iter().zip(found);
        answers
            .map(|(conn_id, found)| {
                self.conn_value(found?)?
                    .into_connection(conn_id, options.dialect())
            })
            .collect()
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.look_up(SecretKind::Variables, keys, options).await
    }
}

impl<S: Service> AwsBackend<S> {
    /// A connection's text, as Airflow's class for the service returns it.
    fn conn_value(&self, found: Lookup<Secret>) -> Result<Lookup<Secret>, Failure> {
        let Lookup::Found { native_key, .. } = &found else {
            return Ok(found);
        };
        let name = native_key.clone();
        found.try_map(|value| self.names.words.conn_value(value, &name))
    }
}
