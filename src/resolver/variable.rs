//! Variables: read as JSON, and with a default.

use std::sync::Arc;

use serde_core::de::DeserializeOwned;

use super::{Resolved, Resolver, question::Variables};
use crate::{Error, ErrorKind, Secret, report::Source};

/// The source of an answer that is the caller's default.
const DEFAULT: &str = "default";

impl Resolved<Secret> {
    /// The variable or configuration entry, read as JSON: `Variable.get(…, deserialize_json=True)`.
    ///
    /// It is read as [`Secret::json`] reads it, by Python's rules; the error also names what was asked for
    /// and its source.
    ///
    /// ```
    /// use airflow_secrets::{ErrorKind, Resolver, backends::memory::MemoryBackend};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let resolver = Resolver::builder()
    ///     .backend(MemoryBackend::new("mine").with_variable("ports", "[5432, 5433]"))
    ///     .build();
    /// let ports = resolver.get_variable("ports").await?;
    /// assert_eq!(ports.json::<Vec<u16>>()?, [5432, 5433]);
    ///
    /// let error = ports.json::<Vec<String>>().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidValue);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the value of variable \"ports\" is invalid: mine (variable ports): the value is JSON, but not \
    ///      of the expected type (line 1, column 5)",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] when the text is not valid JSON, nests deeper than 127 levels, or is
    /// not what `T` is read from. Its source is a [`JsonError`](crate::JsonError); no message holds the text.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Secret::json(self).map_err(|error| {
            let (asked, source) = (self.asker().asked().clone(), self.source().clone());
            Error::not_json(asked, source, self.report().clone(), error)
        })
    }
}

impl Resolver {
    /// Variable `key` as text, or `default` where every source looked and none defines it:
    /// `Variable.get(key, default=…)`.
    ///
    /// - An empty text is a value: the default does not count.
    /// - Where a source could not be asked, refused, or holds an invalid value, that is the error. Airflow
    ///   gives the default then, and so takes an outage for "not defined" (`RES-13`).
    /// - The answer is the default where its [`source`](Resolved::source) is `default`; its
    ///   [`report`](Resolved::report) says where the sources looked. A cache does not keep it.
    ///
    /// Airflow's default of `None` is [`find_variable`](Self::find_variable). So is a default beside
    /// `deserialize_json=True`, which is a value of its own, not JSON text:
    ///
    /// ```
    /// use airflow_secrets::{Resolver, backends::memory::MemoryBackend};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let resolver = Resolver::builder().backend(MemoryBackend::new("mine")).build();
    /// let colour = resolver.get_variable_or("colour", "blue").await?;
    /// assert_eq!((colour.expose(), colour.source().backend()), ("blue", "default"));
    ///
    /// let ports: Vec<u16> = match resolver.find_variable("ports").await? {
    ///     Some(ports) => ports.json()?,
    ///     None => vec![5432],
    /// };
    /// assert_eq!(ports, [5432]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`get_variable`](Self::get_variable), but never [`ErrorKind::NotFound`].
    pub async fn get_variable_or(
        &self,
        key: &str,
        default: impl Into<Secret>,
    ) -> Result<Resolved<Secret>, Error> {
        let error = match self.get_variable(key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            answer => return answer,
        };
        let source = Source {
            backend: Arc::from(DEFAULT),
            native_key: "given by the caller".to_owned(),
        };
        let report = error.report().cloned().unwrap_or_default();
        let asker = self.asker::<Variables>(key);
        let freshness = error.freshness().clone();
        Ok(Resolved::new(default.into(), source, report, asker).with_freshness(freshness))
    }
}
