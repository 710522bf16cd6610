//! The wire: a session for both services, and the calls of each.

pub(super) mod facts;
pub(super) mod http;
#[cfg(feature = "aws-parameter-store")]
pub(super) mod parameter_store;
pub(super) mod retries;
#[cfg(feature = "aws-secrets-manager")]
pub(super) mod secrets_manager;
pub(super) mod session;
pub(super) mod signing;

use std::{borrow::Cow, collections::HashMap, fmt};

use async_trait::async_trait;

use self::{facts::Facts, session::Session};
use super::answer::BatchError;
use crate::{Failure, Secret, backend::SkipReason};

/// A service that an [`AwsBackend`](super::AwsBackend) reads:
#[cfg_attr(
    feature = "aws-secrets-manager",
    doc = "[`SecretsManager`](super::SecretsManager)"
)]
#[cfg_attr(
    feature = "aws-parameter-store",
    doc = "[`ParameterStore`](super::ParameterStore)"
)]
/// This trait is sealed: no other type can implement it.
#[allow(private_bounds, reason = "this seals it")]
pub trait Service: Calls {}

/// The calls of a service.
#[async_trait]
pub(crate) trait Calls: fmt::Debug + Send + Sync + Sized + 'static {
    /// The constants of the service.
    const FACTS: Facts;

    /// A client for the session.
    fn connect(session: Session) -> Self;

    /// Reads `name`.
    async fn read(&self, name: &str) -> Result<Reading, Failure>;

    /// The same without retries.
    async fn read_once(&self, name: &str) -> Result<Reading, Failure>;

    /// Reads all of `names`: at most `batch_size`, no two alike. A name without a reading is one that
    /// has to be read by itself.
    async fn read_batch(&self, names: &[&str]) -> Result<Readings, BatchError>;
}

/// The result of reading a name.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    Found(Secret),
    /// Nothing, or what Airflow treats as nothing, and why. `failure` is the result of the lookup if
    /// no other name holds anything.
    Absent {
        reason: Option<Cow<'static, str>>,
        failure: Option<Failure>,
    },
    /// AWS does not accept the name.
    Skipped(SkipReason),
}

impl Reading {
    pub(crate) fn absent(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Absent {
            reason: Some(reason.into()),
            failure: None,
        }
    }
}

/// The readings of names.
pub(crate) type Readings = HashMap<String, Result<Reading, Failure>>;
