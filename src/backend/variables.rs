//! [`VariableStore`]: variables that can be set and deleted.

use super::{Failure, LookupOptions, SecretsBackend, async_trait};
use crate::Secret;

/// A source whose variables can be listed, set and deleted.
///
/// A trait of its own, so that whoever holds a [`SecretsBackend`] can only read. As in Airflow, only
/// what runs the task stores variables: the supervisor, or the Execution API. A variable that is set
/// there is not what a task reads when a source that comes before it has the same key.
#[async_trait]
pub trait VariableStore: SecretsBackend {
    /// The keys that begin with `prefix`, of those that the task may read, in ascending order; `""`
    /// asks for all. Where Airflow's metadata DB is SQLite or MySQL, those count too that begin with
    /// `prefix` in other letter cases.
    ///
    /// # Errors
    /// A [`Failure`] when the source could not answer, or denies the list, and when there are more than
    /// 1,000,000 keys.
    async fn variable_keys(
        &self,
        prefix: &str,
        options: &LookupOptions,
    ) -> Result<Vec<String>, Failure>;

    /// Sets variable `key` to `value`. `None` as the `description` leaves the variable without one,
    /// also where it had one.
    ///
    /// # Errors
    /// A [`Failure`] when the source could not be asked, denies it, or cannot hold the key.
    async fn set_variable(
        &self,
        key: &str,
        value: &Secret,
        description: Option<&str>,
        options: &LookupOptions,
    ) -> Result<(), Failure>;

    /// Deletes variable `key`. A key that is not defined is no error.
    ///
    /// # Errors
    /// A [`Failure`] when the source could not be asked, denies it, or cannot hold the key.
    async fn delete_variable(&self, key: &str, options: &LookupOptions) -> Result<(), Failure>;
}
