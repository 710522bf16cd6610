//! What was listed, and how it is listed anew: for all callers at once, by the keeper.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{client::Client, objects::Kind, rules::Seen};
use crate::{Environment, Failure, backends::keeper::Login, clock::Clock};

/// What a listing gave.
pub(super) struct Snapshot {
    /// When it was begun, and when it was whole.
    pub(super) taken_at: Instant,
    pub(super) whole_at: Instant,
    pub(super) seen: HashMap<String, Seen>,
    /// Of environment variables those that Airflow reads; masked ones are there without a value.
    pub(super) environment: Environment,
}

/// Lists the objects of a kind.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) client: Arc<Client>,
    pub(super) kind: Kind,
    pub(super) clock: Clock,
    /// For how long a listing counts.
    pub(super) interval: Duration,
}

impl Login for Listing {
    type Kept = Snapshot;

    async fn log_in(&self) -> Result<Snapshot, Failure> {
        let taken_at = self.clock.now();
        let seen = self.client.list(self.kind).await?;
        let environment = match self.kind {
            Kind::EnvironmentVariable => environment(&seen),
            Kind::Connection | Kind::AirflowVariable => Environment::default(),
        };
        Ok(Snapshot {
            taken_at,
            whole_at: self.clock.now(),
            seen,
            environment,
        })
    }

    fn is_observed(&self) -> bool {
        false
    }

    fn is_good(&self, snapshot: &Snapshot) -> bool {
        let age = self
            .clock
            .now()
            .saturating_duration_since(snapshot.taken_at);
        age < self.interval
    }
}

/// The variables that give connections and variables.
fn environment(seen: &HashMap<String, Seen>) -> Environment {
    let (mut readable, mut masked) = (Vec::new(), HashSet::new());
    for (name, seen) in seen {
        if !name.starts_with("AIRFLOW_CONN_") && !name.starts_with("AIRFLOW_VAR_") {
            continue;
        }
        match seen.value() {
            Ok(value) => readable.push((name.clone(), value.into_exposed())),
            Err(_) => {
                masked.insert(name.clone());
            }
        }
    }
    Environment::from_iter(readable).with_unreadable(masked)
}
