//! What was listed, and how it is listed anew: for all callers at once, by the keeper.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    client::{Client, Listed},
    naming,
    objects::Kind,
    rules::AllSeen,
};
use crate::{Environment, Failure, backends::keeper::Login, clock::Clock};

/// What a listing gave.
pub(super) struct Snapshot {
    /// When it was begun, and when it was whole.
    pub(super) taken_at: Instant,
    pub(super) whole_at: Instant,
    pub(super) seen: AllSeen,
    /// Of environment variables those that Airflow reads; masked and odd ones are there without a value.
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
    /// Whether the last listing had objects without a key, which is logged once.
    pub(super) has_warned: AtomicBool,
}

impl Listing {
    fn warn_of(&self, without_key: usize) {
        let has_some = without_key > 0;
        if has_some && !self.has_warned.load(Ordering::Relaxed) {
            tracing::warn!(
                "Astro, {}: passed over what has no objectKey that is a text, in the list of {}: \
                 {without_key} of the environment objects; save them again in Astro's Environment Manager, or \
                 report it to Astro's support",
                naming::scope(self.client.view()),
                self.kind.object_type()
            );
        }
        self.has_warned.store(has_some, Ordering::Relaxed);
    }
}

impl Login for Listing {
    type Kept = Snapshot;

    async fn log_in(&self) -> Result<Snapshot, Failure> {
        let taken_at = self.clock.now();
        let Listed { seen, without_key } = self.client.list(self.kind).await?;
        self.warn_of(without_key);
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
fn environment(seen: &AllSeen) -> Environment {
    let (mut readable, mut unreadable) = (Vec::new(), HashSet::new());
    for (name, seen) in seen {
        if !name.starts_with("AIRFLOW_CONN_") && !name.starts_with("AIRFLOW_VAR_") {
            continue;
        }
        match seen.value() {
            Ok(value) => readable.push((name.clone(), value.into_exposed())),
            Err(_) => {
                unreadable.insert(name.clone());
            }
        }
    }
    Environment::from_iter(readable).with_unreadable(unreadable)
}
