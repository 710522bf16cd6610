//! The environment variables that the Environment Manager holds, as a source of their own.

use async_trait::async_trait;

use super::{AstroBackend, naming, objects::Kind};
use crate::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, LookupOptions},
    backends::environment::EnvironmentVariablesBackend,
};

/// Connections from `AIRFLOW_CONN_<ID>` and variables from `AIRFLOW_VAR_<KEY>` among the environment
/// variables that Astro's Environment Manager holds; see
/// [`AstroBackend::environment_variables`].
///
/// A lookup is as that of [`EnvironmentVariablesBackend`], teams included. A variable that Astro masks is a
/// [`Failure`] of kind [`AccessDenied`](crate::backend::FailureKind::AccessDenied), one that cannot be read a
/// failure of kind [`InvalidValue`](crate::backend::FailureKind::InvalidValue).
#[derive(Debug, Clone)]
pub struct AstroEnvironmentVariables {
    astro: AstroBackend,
    multi_team: bool,
}

impl AstroEnvironmentVariables {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "astro_environment_variables";

    pub(super) fn new(astro: AstroBackend, multi_team: bool) -> Self {
        Self { astro, multi_team }
    }

    async fn look_up(
        &self,
        is_connection: bool,
        id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let view = self.astro.0.client.view();
        let at = |name: &str| naming::native_key(view, Kind::EnvironmentVariable, name);
        let listed = self
            .astro
            .snapshot(Kind::EnvironmentVariable, options)
            .await;
        let (snapshot, freshness) = listed.map_err(|failure| {
            let prefix = if is_connection {
                "AIRFLOW_CONN_…"
            } else {
                "AIRFLOW_VAR_…"
            };
            failure.at(at(prefix))
        })?;
        let environment = snapshot.environment.clone();
        let backend = EnvironmentVariablesBackend::new(environment, self.multi_team);
        let looked_up = if is_connection {
            backend.get_conn_value(id, options).await
        } else {
            backend.get_variable(id, options).await
        };
        let level = |name: &str| match snapshot.seen.get(name) {
            Some(seen) => format!("{} ({})", at(name), seen.level),
            None => at(name),
        };
        match looked_up {
            Ok(Lookup::Found {
                value, native_key, ..
            }) => Ok(Lookup::found(value, level(&native_key)).with_freshness(freshness)),
            Ok(Lookup::Missing { native_key, reason }) => {
                Ok(Lookup::missing(at(&native_key)).because(reason))
            }
            Ok(skipped) => Ok(skipped),
            // What cannot be read of these is masked or odd.
            Err(failure) => {
                let name = failure.native_key().unwrap_or_default();
                let value = snapshot.seen.get(name).map(super::rules::Seen::value);
                let failure = match value {
                    Some(Err(why)) => why.at(level(name)),
                    _ => failure,
                };
                Err(failure)
            }
        }
    }
}

#[async_trait]
impl SecretsBackend for AstroEnvironmentVariables {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn invalidate(&self) {
        self.astro.invalidate();
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(true, conn_id, options).await
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(false, key, options).await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.astro.check(options).await
    }
}
