//! What the two services do each in its own way.

use std::fmt;

use async_trait::async_trait;

use super::{Readings, session::Session};
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
    /// The backend's name in reports.
    const NAME: &'static str;
    /// The name of Airflow's class.
    const CLASS: &'static str;
    /// The name of the service, as the SDKs have it.
    const SERVICE_ID: &'static str;
    /// The one version of the API there is.
    const API_VERSION: &'static str;
    /// Airflow's default prefixes for connections, variables and configuration entries.
    const PREFIXES: [&'static str; 3];
    /// Whether every name begins with a slash, the prefix may be empty before a team's name, and
    /// the separator is always a slash.
    const IS_PATH: bool;
    /// The permission that a read needs.
    const ACTION: &'static str;
    /// The permission that a batch needs.
    const BATCH_ACTION: &'static str;
    /// How many names go into a batch.
    const BATCH_SIZE: usize;

    /// A client for the session.
    fn connect(session: Session) -> Self;

    /// What is under `name`.
    async fn read(&self, name: &str) -> Result<Reading, Failure>;

    /// What is under each of `names`, which are at most [`BATCH_SIZE`](Self::BATCH_SIZE), and each
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

/// Why a batch gave nothing.
#[derive(Debug)]
pub(crate) enum BatchTrouble {
    /// The permission for batches is missing, perhaps.
    Denied,
    /// One of the names spoils it for all.
    NotAsBatch,
    Failed(Failure),
}
