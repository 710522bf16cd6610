//! Astro's Environment Manager. Airflow has no backend for it: Astro gives its connections, variables and
//! environment variables to Deployments, and the Astro CLI to local ones.
//!
//! [`AstroBackend`] lists them over Astro's Platform API (v1), keeps what it was told, and answers every
//! id from that.
//!
//! * **Credentials**: `ASTRO_API_TOKEN`, an API token of a Deployment, Workspace or Organization. It goes
//!   to `api.<domain>` alone, over TLS. One that has ended is not sent.
//! * **Scope**: a Deployment, for which Astro resolves links and overrides; a Workspace; or a Workspace as
//!   a Deployment would see it, resolved here. See [`AstroBuilder`].
//! * **Requests**: one for each kind that is asked for (connections, variables, environment variables) and
//!   each 1,000 of them, again after [`AstroBuilder::refresh_interval`], and where answers are invalidated or
//!   refused. However many lookups start at
//!   once, there is one listing. It is repeated at most 3 times on 429, 5xx and connection errors.
//!   Redirects are not followed.
//! * **Secrets** that Astro masks are a failure, never an empty value.
//! * **An object that cannot be read**, such as one whose port is a text, is a failure for its own key: every
//!   other one answers.
//! * **The report** names the level that answered and, where Astro or this crate applied overrides, the
//!   fields.
//!
//! **The environment variables** of the Environment Manager that are named `AIRFLOW_CONN_…` and
//! `AIRFLOW_VAR_…` are a source of their own, [`AstroEnvironmentVariables`], which belongs right after the
//! process's own environment: a variable of the process comes before one of Astro's, as it does with an
//! `.env` file.
//!
//! With `AIRFLOW_SECRETS_ASTRO=true` in the environment, [`Resolver::from_env`](crate::Resolver::from_env)
//! asks, in this order: the secrets backend of `airflow.cfg`, if there is one; this one; the environment;
//! Astro's environment variables; the metadata DB. [`FromEnvironment::astro`](crate::FromEnvironment::astro)
//! does the same with a backend made in code.

mod answer;
mod builder;
mod client;
mod credential;
mod domain;
mod environment;
mod fields;
mod member;
mod naming;
mod objects;
mod rules;
mod snapshot;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::{builder::AstroBuilder, environment::AstroEnvironmentVariables};
use self::{
    client::Client,
    objects::Kind,
    rules::Seen,
    snapshot::{Listing, Snapshot},
};
use crate::{
    ConfigurationError, Connection, Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, Freshness, LookupOptions},
    backends::{keeper::Keeper, runtime},
    clock::Clock,
};

/// Reads connections and variables from Astro's Environment Manager.
///
/// Made from code by [`builder`](Self::builder), or from the environment by
/// [`from_environment`](Self::from_environment). It connects at the first lookup, and needs a Tokio runtime
/// then. A clone shares what was listed. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct AstroBackend(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Arc<Client>,
    connections: Keeper<Listing>,
    variables: Keeper<Listing>,
    environment: Keeper<Listing>,
    clock: Clock,
}

impl AstroBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "astro";

    /// A builder. It reads the environment only where it is given one.
    #[must_use]
    pub fn builder() -> AstroBuilder {
        AstroBuilder::default()
    }

    /// The backend that the variables of `environment` describe: see [`AstroBuilder::environment`].
    ///
    /// # Errors
    /// As [`AstroBuilder::build`].
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigurationError> {
        Self::builder().environment(environment).build()
    }

    /// The source of the environment variables that the Environment Manager holds, which shares what this
    /// backend lists. `multi_team` is `[core] multi_team`.
    #[must_use]
    pub fn environment_variables(&self, multi_team: bool) -> AstroEnvironmentVariables {
        AstroEnvironmentVariables::new(self.clone(), multi_team)
    }

    /// What is listed of `kind`, and how fresh that is.
    async fn snapshot(
        &self,
        kind: Kind,
        options: &LookupOptions,
    ) -> Result<(Arc<Snapshot>, Freshness), Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let shared = &self.0;
        let listed = match kind {
            Kind::Connection => &shared.connections,
            Kind::AirflowVariable => &shared.variables,
            Kind::EnvironmentVariable => &shared.environment,
        };
        let begun = shared.clock.now();
        let deadline = shared.client.deadline(options);
        let snapshot = deadline.wait_for(listed.get()).await;
        let snapshot = snapshot.unwrap_or_else(|| Err(shared.client.too_late(deadline)))?;
        let freshness = if snapshot.whole_at >= begun {
            Freshness::Live
        } else {
            Freshness::cached(begun.saturating_duration_since(snapshot.taken_at))
        };
        Ok((snapshot, freshness))
    }

    /// What each of `keys` is in what is listed of `kind`, as `make` makes it.
    async fn look_up<T>(
        &self,
        kind: Kind,
        keys: &[&str],
        options: &LookupOptions,
        make: impl Fn(&str, &Seen) -> Result<T, Failure>,
    ) -> Vec<Result<Lookup<T>, Failure>> {
        let native_key = |key: &str| naming::native_key(self.0.client.view(), kind, key);
        let (snapshot, freshness) = match self.snapshot(kind, options).await {
            Ok(listed) => listed,
            Err(failure) => {
                let failures = keys
                    .iter()
                    .map(|key| Err(failure.clone().at(native_key(key))));
                return failures.collect();
            }
        };
        let answers = keys.iter().map(|key| {
            let Some(seen) = snapshot.seen.get(*key) else {
                return Ok(Lookup::missing(native_key(key)));
            };
            let native_key = format!("{} ({})", native_key(key), seen.level);
            match make(key, seen) {
                Ok(value) => Ok(Lookup::found(value, native_key).with_freshness(freshness.clone())),
                Err(failure) => Err(failure.at(native_key)),
            }
        });
        answers.collect()
    }
}

/// The one answer of a lookup for one id.
fn only<T>(answers: Vec<Result<Lookup<T>, Failure>>) -> Result<Lookup<T>, Failure> {
    let none = || Err(Failure::unavailable("Astro was not asked"));
    answers.into_iter().next().unwrap_or_else(none)
}

#[async_trait]
impl SecretsBackend for AstroBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn invalidate(&self) {
        for listed in [&self.0.connections, &self.0.variables, &self.0.environment] {
            if let Some(snapshot) = listed.kept() {
                listed.forget(&snapshot);
            }
        }
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        only(self.get_connections(&[conn_id], options).await)
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        only(self.get_variables(&[key], options).await)
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let dialect = options.dialect();
        self.look_up(Kind::Connection, conn_ids, options, |conn_id, seen| {
            seen.connection(conn_id, dialect)
        })
        .await
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.look_up(Kind::AirflowVariable, keys, options, |_, seen| seen.value())
            .await
    }

    /// Lists one connection, once and without retries.
    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let client = &self.0.client;
        let native_key = naming::scope(client.view());
        runtime::check().map_err(|why| Failure::configuration(why).at(&*native_key))?;
        match client.check(client.deadline(options)).await {
            Ok(()) => Ok(CheckOutcome::reachable(native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }
}
