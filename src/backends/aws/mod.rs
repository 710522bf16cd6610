//! AWS Secrets Manager and Systems Manager's Parameter Store: Airflow's
//! `airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend` and
//! `airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend`.
//!
//! [`SecretsManagerBackend`] and [`SystemsManagerParameterStoreBackend`] are one [`AwsBackend`]
//! with two [`Service`]s: names, session, credentials, time-outs and retries are the same, the
//! calls differ.
//!
//! * **Names** are `<prefix><sep><id>`, a team's `<prefix><sep><team>--<id>`; a team's own comes
//!   first.
//! * **Region and profile** are found in boto3's order; credentials are those that are given, else
//!   those of boto3's default chain (environment; profile, with roles, web identity, SSO and
//!   `credential_process`; ECS and EKS; EC2), and with `role_arn` those that STS gives for it. They
//!   are loaded once for however many lookups start at once, and again a minute before they expire.
//! * **Logs**: the SDK's own records are not passed on, since at level TRACE they hold session
//!   tokens.
//! * **The wire**: the client is made at the first lookup. A lookup is one call, repeated with
//!   jitter on throttling, 5xx and connection errors; the SDK's adaptive mode slows down a client
//!   that is throttled. Many ids at once are as few calls as the service offers.

mod assume_role;
mod builder;
mod credential;
#[cfg(feature = "aws-secrets-manager")]
mod document;
mod facts;
mod http;
mod kwargs;
mod names;
mod options;
#[cfg(feature = "aws-parameter-store")]
mod parameter_store;
mod pattern;
mod profile_files;
mod proxy;
mod retries;
#[cfg(feature = "aws-secrets-manager")]
mod secrets_manager;
mod service;
mod session;
mod shared_config;
#[cfg(test)]
#[cfg(all(feature = "aws-secrets-manager", feature = "aws-parameter-store"))]
mod tests;
mod tls;
mod trouble;
mod words;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};
use tracing::{
    Dispatch,
    instrument::{WithDispatch, WithSubscriber},
};

#[cfg(feature = "aws-parameter-store")]
pub use self::parameter_store::ParameterStore;
#[cfg(feature = "aws-secrets-manager")]
pub use self::secrets_manager::SecretsManager;
pub use self::{
    assume_role::{AssumeRole, WebIdentityToken},
    builder::AwsBuilder,
    options::RetryMode,
    service::Service,
};
use self::{
    names::{Kind, Names},
    options::SessionOptions,
    service::{Reading, Readings},
    trouble::BatchTrouble,
};
use crate::{
    BackendSetup, ConfigurationError, Connection, Dialect, Failure, Lookup, Secret, SecretsBackend,
};

/// Airflow's `SecretsManagerBackend`.
#[cfg(feature = "aws-secrets-manager")]
pub type SecretsManagerBackend = AwsBackend<SecretsManager>;

/// Airflow's `SystemsManagerParameterStoreBackend`.
#[cfg(feature = "aws-parameter-store")]
pub type SystemsManagerParameterStoreBackend = AwsBackend<ParameterStore>;

/// Reads connections, variables and configuration entries from one of AWS's services.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct AwsBackend<S: Service> {
    names: Names,
    options: SessionOptions,
    /// Made once, at the first lookup; an attempt that fails is made again at the next.
    service: OnceCell<S>,
    /// For a call with its retries.
    timeout: Duration,
    slots: Semaphore,
    max_concurrent_requests: usize,
    /// Whether AWS refused the call for many names, which is then not made again.
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
    /// When an argument is wrong. Unknown ones are warnings, as Airflow passes over them.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    async fn service(&self) -> Result<&S, Failure> {
        let connect = || {
            silently(async {
                Ok(S::connect(
                    session::connect(&self.options, &S::FACTS).await?,
                ))
            })
        };
        let made = timeout(self.timeout, self.service.get_or_try_init(connect));
        made.await.unwrap_or_else(|_| {
            Err(Failure::unavailable(
                "the files that AWS's settings name (profiles, certificates) could not be read in \
                 time",
            ))
        })
    }

    /// What each id comes to: the names of all are asked for at once, a team's own first, and the
    /// global ones of those ids that have none.
    async fn look_up(
        &self,
        kind: Kind,
        ids: &[&str],
        team: Option<&str>,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let mut asked = Vec::with_capacity(ids.len());
        for id in ids {
            asked.push(Asked::new(self.names.locate(kind, id, team)));
        }
        while asked.iter().any(|asked| asked.next_name().is_some()) {
            let mut names = asked
                .iter()
                .filter_map(Asked::next_name)
                .collect::<Vec<_>>();
            names.sort_unstable();
            names.dedup();
            let readings = match self.service().await {
                Ok(service) => self.read(service, &names).await,
                Err(failure) => all_failed(&names, &failure),
            };
            for asked in &mut asked {
                if let Some(name) = asked.next_name() {
                    asked.take(readings.get(name).cloned());
                }
            }
        }
        asked.into_iter().map(Asked::lookup).collect()
    }

    /// Each name's reading, in as few calls as may be.
    async fn read(&self, service: &S, names: &[&str]) -> Readings {
        let size = if self.batch_is_denied.load(Ordering::Relaxed) {
            1
        } else {
            S::FACTS.batch_size
        };
        let chunks = names
            .chunks(size.max(1))
            .map(|chunk| self.read_chunk(service, chunk));
        let chunks = chunks.collect::<Vec<_>>();
        let mut readings = HashMap::with_capacity(names.len());
        let mut chunks = stream::iter(chunks).buffer_unordered(self.max_concurrent_requests);
        while let Some(chunk) = chunks.next().await {
            readings.extend(chunk);
        }
        readings
    }

    async fn read_chunk(&self, service: &S, names: &[&str]) -> Readings {
        if names.len() > 1 && !self.batch_is_denied.load(Ordering::Relaxed) {
            let batch = self.in_time(service.read_batch(names)).await;
            match batch.unwrap_or_else(|failure| Err(BatchTrouble::Failed(failure))) {
                Ok(readings) => return readings,
                Err(BatchTrouble::Denied) => self.give_up_batches(),
                Err(BatchTrouble::NotAsBatch) => {}
                Err(BatchTrouble::Failed(failure)) => return all_failed(names, &failure),
            }
        }
        let reads = names
            .iter()
            .map(|name| async {
                let read = self.in_time(service.read(name)).await;
                ((*name).to_owned(), read.unwrap_or_else(Err))
            })
            .collect::<Vec<_>>();
        stream::iter(reads)
            .buffer_unordered(self.max_concurrent_requests)
            .collect()
            .await
    }

    /// Waits for a free slot and then for `call`, but no longer than a call may take.
    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, Failure> {
        let in_slot = async {
            // The semaphore is never closed; if it were, there would be no limit.
            let _slot = self.slots.acquire().await;
            silently(call).await
        };
        timeout(self.timeout, in_slot).await.map_err(|_| {
            let seconds = self.timeout.as_secs_f64();
            let message = format!("AWS did not answer in time ({seconds} s for a call in all)");
            Failure::unavailable(message)
        })
    }

    fn give_up_batches(&self) {
        if !self.batch_is_denied.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                backend = S::FACTS.name,
                "AWS denied {}: each id is asked for by itself from now on; allow that action for \
                 fewer calls",
                S::FACTS.batch_action,
            );
        }
    }

    /// The same for a single id, whose names are asked for by themselves.
    async fn look_up_one(
        &self,
        kind: Kind,
        id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        let mut asked = Asked::new(self.names.locate(kind, id, team));
        while let Some(name) = asked.next_name() {
            let reading = match self.service().await {
                Ok(service) => self.in_time(service.read(name)).await.unwrap_or_else(Err),
                Err(failure) => Err(failure),
            };
            asked.take(Some(reading));
        }
        asked.lookup()
    }
}

/// `work` without the log records of the libraries below: at level TRACE the SDK writes down the
/// headers that it signs, a session's token among them.
fn silently<W: Future>(work: W) -> WithDispatch<W> {
    work.with_subscriber(Dispatch::none())
}

/// The same failure for each of `names`.
fn all_failed(names: &[&str], failure: &Failure) -> Readings {
    let failed = names.iter();
    failed
        .map(|name| ((*name).to_owned(), Err(failure.clone())))
        .collect()
}

/// One id on its way: the names it may have, and what came of those that were asked for.
struct Asked {
    /// Those that are still to be asked for, the first one last.
    names: Vec<String>,
    /// Those that hold nothing.
    absent: Vec<String>,
    reason: Option<String>,
    /// Why a name that counts as absent could not be read.
    failure: Option<Failure>,
    answer: Option<Result<Lookup<Secret>, Failure>>,
}

impl Asked {
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

    /// Takes what came of the name that was next.
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
                self.reason = self.reason.take().or_else(|| reason.map(str::to_owned));
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
            (None, None) => Ok(Lookup::Missing {
                native_key: self.absent.join(", "),
                reason: self.reason,
            }),
        }
    }
}

#[async_trait]
impl<S: Service> SecretsBackend for AwsBackend<S> {
    fn name(&self) -> &'static str {
        S::FACTS.name
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        let found = self.look_up_one(Kind::Connections, conn_id, team).await?;
        self.conn_value(found)
    }

    async fn get_variable(&self, key: &str, team: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        self.look_up_one(Kind::Variables, key, team).await
    }

    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        self.look_up_one(Kind::Config, key, None).await
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        team: Option<&str>,
        dialect: Dialect,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let found = self.look_up(Kind::Connections, conn_ids, team).await;
        let answers = conn_ids.iter().zip(found);
        answers
            .map(|(conn_id, found)| self.conn_value(found?)?.into_connection(conn_id, dialect))
            .collect()
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        team: Option<&str>,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.look_up(Kind::Variables, keys, team).await
    }
}

impl<S: Service> AwsBackend<S> {
    /// A connection's text as the service's class gives it.
    fn conn_value(&self, found: Lookup<Secret>) -> Result<Lookup<Secret>, Failure> {
        match found {
            Lookup::Found { value, native_key } => match self.names.words.conn_value(value) {
                Ok(value) => Ok(Lookup::found(value, native_key)),
                Err(failure) => Err(failure.at(native_key)),
            },
            other => Ok(other),
        }
    }
}
