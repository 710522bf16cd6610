//! The [`SecretsBackend`] trait, the options of a lookup ([`LookupOptions`]), what it gives
//! ([`Lookup`]) and how it fails ([`Failure`]).

mod changes;
mod check;
pub(crate) mod deadline;
mod failure;
mod lookup;
mod options;
mod shared;
mod variables;

use std::fmt;

use futures_util::{StreamExt, stream};

pub use async_trait::async_trait;

pub use self::{
    changes::Changes,
    check::{CHECK_ID, CheckOutcome},
    failure::{Failure, FailureKind},
    lookup::{Freshness, Lookup, SkipReason},
    options::LookupOptions,
    variables::VariableStore,
};
use crate::{Connection, Secret, config::Warning, report::Asked};

/// How many lookups a backend runs at once when it is asked for many ids and has no request of
/// its own for that: 16.
pub const MAX_CONCURRENT_LOOKUPS: usize = 16;

/// A place that holds connections, variables and configuration values.
///
/// Mirrors Airflow's `BaseSecretsBackend`. A backend answers for itself alone: precedence,
/// fall-through and provenance belong to the [`Resolver`](crate::Resolver). It tells apart:
///
/// - what it *found*,
/// - what it looked for and did not find (*missing*),
/// - what it never asks for (*skipped*),
/// - why it could not answer ([`Failure`]).
///
/// None of these may hold a secret, except the value itself.
///
/// The resolver asks once for all callers who ask the same at the same time. Whichever of their tasks
/// is awake drives the lookup, so it may move from thread to thread, and it ends early only when all
/// of them have given up.
///
/// Every method but [`name`](Self::name) has a default, so that a backend implements what it
/// offers. Further methods may come, with a default each. A wrapper around another backend must
/// forward all of them: `#[deny(clippy::missing_trait_methods)]` on its `impl` checks that.
///
/// ```
/// use airflow_secrets::{
///     Lookup, Secret, SecretsBackend,
///     backend::{Failure, LookupOptions, async_trait},
/// };
///
/// /// Gives every variable its own name as its value.
/// #[derive(Debug)]
/// struct Echo;
///
/// #[async_trait]
/// impl SecretsBackend for Echo {
///     fn name(&self) -> &str {
///         "echo"
///     }
///     async fn get_variable(
///         &self,
///         key: &str,
///         _: &LookupOptions,
///     ) -> Result<Lookup<Secret>, Failure> {
///         Ok(Lookup::found(Secret::from(key), key))
///     }
/// }
/// ```
#[async_trait]
pub trait SecretsBackend: fmt::Debug + Send + Sync + 'static {
    /// The backend's short name in reports and logs, such as `vault`.
    fn name(&self) -> &str;

    /// The settings of this backend that were ignored, as in Airflow.
    /// The resolver gathers the warnings of all its sources. By default there are none.
    fn warnings(&self) -> &[Warning] {
        &[]
    }

    /// Forgets what the backend itself keeps of earlier answers, so that the next lookup asks for it anew.
    /// The resolver calls it where a program invalidates answers (`Resolver::invalidate_all`) or
    /// reports one as [refused](crate::Resolved::refused). By default nothing is kept.
    fn invalidate(&self) {}

    /// The text that describes connection `conn_id`: a URI or a JSON object. The default is
    /// *skipped: not offered*; a backend that holds connections as fields keeps it and implements
    /// [`get_connection`](Self::get_connection).
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not answer; an id that it does not define is not an error.
    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let _ = (conn_id, options);
        Ok(Lookup::skipped(SkipReason::NotOffered))
    }

    /// Connection `conn_id`, read in the dialect of `options`.
    ///
    /// The default parses what [`get_conn_value`](Self::get_conn_value) gives, as
    /// [`Connection::from_value`] does; an empty text counts as missing, as in Airflow.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not answer, or when the value is not a connection.
    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        self.get_conn_value(conn_id, options)
            .await?
            .into_connection(conn_id, options.dialect())
    }

    /// The value of variable `key`, as text. The default is *skipped: not offered*.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not answer.
    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let _ = (key, options);
        Ok(Lookup::skipped(SkipReason::NotOffered))
    }

    /// The value of configuration entry `key`. The default is *skipped: not offered*.
    ///
    /// # Errors
    /// A [`Failure`] when the backend could not answer.
    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let _ = (key, options);
        Ok(Lookup::skipped(SkipReason::NotOffered))
    }

    /// Asks the cheapest question that proves the system reachable and allowed: one request at most,
    /// without retries. A login may come before. The default is *skipped: not offered*.
    ///
    /// | source | what is asked |
    /// |---|---|
    /// | environment variables | nothing: they are always there |
    /// | local files | each file is read |
    /// | metadata DB | the connection [`CHECK_ID`], in one `SELECT` |
    /// | Execution API | a read of the connection [`CHECK_ID`] |
    /// | mounted files | the folder is listed |
    /// | Vault, AWS, Google, Azure, Kubernetes | a read of [`CHECK_ID`], as a connection or else as a variable or a configuration entry: the first that is configured |
    ///
    /// That [`CHECK_ID`] does not exist is the expected answer. Where the system denies the read, so does
    /// the check: also where a policy allows single names only, or where Google is asked by an account
    /// that may read single secrets only.
    ///
    /// # Errors
    /// A [`Failure`] when the system could not be reached or refused, or a setting is invalid.
    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let _ = options;
        Ok(CheckOutcome::skipped(SkipReason::NotOffered))
    }

    /// When the answer to `asked` may have changed, for a source that is told: whoever watches it
    /// (`Watch`) then asks at once, besides at its interval. The default is `None`: the
    /// source cannot tell.
    ///
    /// | source | what it needs |
    /// |---|---|
    /// | Kubernetes | the verb `watch` on secrets, besides `list` |
    fn changes(&self, asked: &Asked, options: &LookupOptions) -> Option<Changes> {
        let _ = (asked, options);
        None
    }

    /// Many connections at once: one result for each id, in the order asked.
    ///
    /// The default asks for each id by itself, [`MAX_CONCURRENT_LOOKUPS`] at a time, and for none
    /// past the deadline. A backend that can ask for many ids in one request overrides it.
    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let lookups = conn_ids.iter().map(|id| self.get_connection(id, options));
        some_at_once(lookups.collect(), options).await
    }

    /// Many variables at once, as [`get_connections`](Self::get_connections).
    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let lookups = keys.iter().map(|key| self.get_variable(key, options));
        some_at_once(lookups.collect(), options).await
    }

    /// Many configuration entries at once, as [`get_connections`](Self::get_connections).
    async fn get_configs(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let lookups = keys.iter().map(|key| self.get_config(key, options));
        some_at_once(lookups.collect(), options).await
    }
}

/// The results of `lookups` in their order, [`MAX_CONCURRENT_LOOKUPS`] at a time.
async fn some_at_once<T, F>(
    lookups: Vec<F>,
    options: &LookupOptions,
) -> Vec<Result<Lookup<T>, Failure>>
where
    F: Future<Output = Result<Lookup<T>, Failure>>,
{
    stream::iter(lookups)
        .map(|lookup| async { deadline::in_time(options, lookup).await.flatten() })
        .buffered(MAX_CONCURRENT_LOOKUPS)
        .collect()
        .await
}
