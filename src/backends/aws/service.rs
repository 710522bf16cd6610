//! What the two services do each in its own way.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;

use super::{facts::Facts, session::Session, trouble::BatchTrouble};
use crate::{Failure, Secret, SkipReason};

/// One of AWS's services that an [`AwsBackend`](super::AwsBackend) reads:
#[cfg_attr(
    feature = "aws-secrets-manager",
    doc = "[`SecretsManager`](super::SecretsManager)"
)]
#[cfg_attr(
    feature = "aws-parameter-store",
    doc = "[`ParameterStore`](super::ParameterStore)"
)]
/// and no others: it cannot be implemented elsewhere.
#[allow(private_bounds, reason = "this seals it")]
pub trait Service: Calls {}

/// The calls themselves.
#[async_trait]
pub(crate) trait Calls: fmt::Debug + Send + Sync + Sized + 'static {
    /// What is true of the service.
    const FACTS: Facts;

    /// A client for the session.
    fn connect(session: Session) -> Self;

    /// What is under `name`.
    async fn read(&self, name: &str) -> Result<Reading, Failure>;

    /// What is under each of `names`, which are at most its `batch_size`, and each
    /// another.
    async fn read_batch(&self, names: &[&str]) -> Result<Readings, BatchTrouble>;
}

/// What was under a name.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    Found(Secret),
    /// Nothing, or what Airflow takes for nothing: then why, where there is more to say, and the
    /// failure it is if no other name holds anything.
    Absent {
        reason: Option<&'static str>,
        failure: Option<Failure>,
    },
    /// AWS has no such names.
    Skipped(SkipReason),
}

impl Reading {
    pub(crate) fn absent() -> Self {
        Self::Absent {
            reason: None,
            failure: None,
        }
    }

    pub(crate) fn absent_because(reason: &'static str) -> Self {
        Self::Absent {
            reason: Some(reason),
            failure: None,
        }
    }
}

/// The readings of names.
pub(crate) type Readings = HashMap<String, Result<Reading, Failure>>;
