//! [`Masked`]: a source whose secrets are told to the supervisor.

use super::{Inner, SupervisorBackend, mask::Found};
use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{Changes, CheckOutcome, LookupOptions, async_trait},
    config::Warning,
    report::Asked,
};

/// A source whose secrets are told to the supervisor before they are given, so that it hides them in the
/// task's log: [`SupervisorBackend::masked`].
///
/// A secret that the supervisor could not be told of is not given: the lookup fails.
#[derive(Debug)]
pub struct Masked<B> {
    backend: B,
    supervisor: SupervisorBackend,
}

impl<B> Masked<B> {
    pub(super) fn new(backend: B, supervisor: SupervisorBackend) -> Self {
        Self {
            backend,
            supervisor,
        }
    }

    fn inner(&self) -> &Inner {
        &self.supervisor.0
    }

    /// `lookup`, once the supervisor knows of what was found.
    async fn told<T>(
        &self,
        lookup: Lookup<T>,
        id: &str,
        found: As<T>,
        options: &LookupOptions,
    ) -> Result<Lookup<T>, Failure> {
        if let Some(value) = lookup.value() {
            let told = self.inner().tell(&[found(id, value)], options).await;
            told.map_err(|failure| at(failure, &lookup))?;
        }
        Ok(lookup)
    }

    /// The same for many, in few messages. What the supervisor knows of is given, also where it cannot be
    /// told of the rest.
    async fn all_told<T>(
        &self,
        mut lookups: Vec<Result<Lookup<T>, Failure>>,
        ids: &[&str],
        found: As<T>,
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<T>, Failure>> {
        let mut told = Ok(());
        let parts = ids.chunks(AT_ONCE).zip(lookups.chunks_mut(AT_ONCE));
        for (ids, lookups) in parts {
            if told.is_ok() {
                let both = ids.iter().zip(&*lookups);
                let values =
                    both.filter_map(|(id, lookup)| Some((*id, lookup.as_ref().ok()?.value()?)));
                let all = values.map(|(id, value)| found(id, value));
                told = self.inner().tell(&all.collect::<Vec<_>>(), options).await;
            }
            if let Err(failure) = &told {
                withhold(lookups, failure);
            }
        }
        lookups
    }
}

/// How many answers the supervisor is told of at once.
const AT_ONCE: usize = 32;

/// Puts `failure` in the place of what was found.
fn withhold<T>(lookups: &mut [Result<Lookup<T>, Failure>], failure: &Failure) {
    for lookup in lookups {
        if let Ok(found) = lookup
            && found.value().is_some()
        {
            *lookup = Err(at(failure.clone(), found));
        }
    }
}

/// What a value under an id is to the supervisor.
type As<T> = for<'t> fn(&'t str, &'t T) -> Found<'t>;

fn connection<'t>(_: &'t str, connection: &'t Connection) -> Found<'t> {
    Found::Connection(connection)
}

fn variable<'t>(key: &'t str, value: &'t Secret) -> Found<'t> {
    Found::Variable(key, value)
}

fn config<'t>(_: &'t str, value: &'t Secret) -> Found<'t> {
    Found::Config(value)
}

fn at<T>(failure: Failure, lookup: &Lookup<T>) -> Failure {
    failure.at(lookup.native_key().unwrap_or_default())
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: SecretsBackend> SecretsBackend for Masked<B> {
    fn name(&self) -> &str {
        self.backend.name()
    }

    fn warnings(&self) -> &[Warning] {
        self.backend.warnings()
    }

    fn invalidate(&self) {
        self.backend.invalidate();
    }

    fn changes(&self, asked: &Asked, options: &LookupOptions) -> Option<Changes> {
        self.backend.changes(asked, options)
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let lookup = self.backend.get_conn_value(conn_id, options).await?;
        let Some(value) = lookup.value() else {
            return Ok(lookup);
        };
        let connection = Connection::from_value(conn_id, value.expose(), options.dialect());
        let found = match &connection {
            Ok(connection) => Found::Connection(connection),
            Err(_) => Found::Text(value),
        };
        let told = self.inner().tell(&[found], options).await;
        told.map_err(|failure| at(failure, &lookup))?;
        Ok(lookup)
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        let lookup = self.backend.get_connection(conn_id, options).await?;
        self.told(lookup, conn_id, connection, options).await
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let lookup = self.backend.get_variable(key, options).await?;
        self.told(lookup, key, variable, options).await
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let lookup = self.backend.get_config(key, options).await?;
        self.told(lookup, key, config, options).await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        self.backend.check(options).await
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let lookups = self.backend.get_connections(conn_ids, options).await;
        self.all_told(lookups, conn_ids, connection, options).await
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let lookups = self.backend.get_variables(keys, options).await;
        self.all_told(lookups, keys, variable, options).await
    }

    async fn get_configs(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let lookups = self.backend.get_configs(keys, options).await;
        self.all_told(lookups, keys, config, options).await
    }
}
