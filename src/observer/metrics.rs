//! What happens, counted and measured through the `metrics` facade.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::{
    AnswerEvent, Asking, AttemptEvent, BreakerEvent, BreakerState, CacheEvent, LoginEvent, Observer,
};
use crate::report::Source;

/// Counts and measures what happens, through the [`metrics`](https://docs.rs/metrics) facade: for
/// whichever recorder the program installs.
///
/// | name | type | unit | labels |
/// |---|---|---|---|
/// | `airflow_secrets_lookups_total` | counter | lookups | `kind`, `backend`, `outcome` |
/// | `airflow_secrets_lookup_duration_seconds` | histogram | seconds | `kind`, `outcome` |
/// | `airflow_secrets_lookups_in_flight` | gauge | lookups | `kind` |
/// | `airflow_secrets_attempts_total` | counter | attempts | `kind`, `backend`, `outcome` |
/// | `airflow_secrets_attempt_duration_seconds` | histogram | seconds | `backend`, `outcome` |
/// | `airflow_secrets_cache_total` | counter | events | `kind`, `event` |
/// | `airflow_secrets_logins_total` | counter | logins | `backend`, `outcome` |
/// | `airflow_secrets_login_duration_seconds` | histogram | seconds | `backend`, `outcome` |
/// | `airflow_secrets_breaker_state` | gauge | 0 closed, 1 trial, 2 open | `backend` |
///
/// | label | values |
/// |---|---|
/// | `kind` | `connection`, `variable`, `config` |
/// | `backend` | the source's name, such as `vault`; in `lookups_total` that of the source that answered, or `none` |
/// | `outcome` of lookups | `found`, `stale`, `given_up`, or an error's kind: `not_found`, `unavailable`, `access_denied`, `invalid_value`, `configuration` |
/// | `outcome` of attempts | `found`, `missing`, `skipped`, `unavailable`, `access_denied`, `invalid_value`, `configuration` |
/// | `outcome` of logins | `ok`, or a failure's kind |
/// | `event` | `hit`, `miss`, `refresh`, `stale` |
///
/// A lookup here is one that asks the sources. What the cache answers is `airflow_secrets_cache_total`
/// with `event="hit"`; those who join a lookup that is under way are not counted. For many ids asked at
/// once, each is a lookup, and an attempt takes as long as all of them together.
///
/// No label holds an id, a native key or a message. Resolvers with sources of one name share series.
///
/// ```
/// use airflow_secrets::{Resolver, backends::memory::MemoryBackend, observer::MetricsObserver};
///
/// let resolver = Resolver::builder()
///     .backend(MemoryBackend::new("mine"))
///     .observer(MetricsObserver::new())
///     .build();
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MetricsObserver {}

const LOOKUPS: &str = "airflow_secrets_lookups_total";
const LOOKUP_DURATION: &str = "airflow_secrets_lookup_duration_seconds";
const LOOKUPS_IN_FLIGHT: &str = "airflow_secrets_lookups_in_flight";
const ATTEMPTS: &str = "airflow_secrets_attempts_total";
const ATTEMPT_DURATION: &str = "airflow_secrets_attempt_duration_seconds";
const CACHE: &str = "airflow_secrets_cache_total";
const LOGINS: &str = "airflow_secrets_logins_total";
const LOGIN_DURATION: &str = "airflow_secrets_login_duration_seconds";
const BREAKER_STATE: &str = "airflow_secrets_breaker_state";

impl MetricsObserver {
    /// An observer for the recorder that is installed. Describes the metrics to it, so install it
    /// before.
    #[must_use]
    pub fn new() -> Self {
        describe_counter!(LOOKUPS, Unit::Count, "Lookups that asked the sources");
        describe_histogram!(LOOKUP_DURATION, Unit::Seconds, "How long a lookup took");
        describe_gauge!(LOOKUPS_IN_FLIGHT, Unit::Count, "Lookups under way");
        describe_counter!(ATTEMPTS, Unit::Count, "What single sources did");
        describe_histogram!(ATTEMPT_DURATION, Unit::Seconds, "How long a source took");
        describe_counter!(CACHE, Unit::Count, "What the cache did");
        describe_counter!(LOGINS, Unit::Count, "Logins of sources");
        describe_histogram!(LOGIN_DURATION, Unit::Seconds, "How long a login took");
        describe_gauge!(BREAKER_STATE, "Breakers: 0 closed, 1 trial, 2 open");
        Self {}
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for MetricsObserver {
    fn began(&self, asked: &Asking<'_>) {
        gauge!(LOOKUPS_IN_FLIGHT, "kind" => asked.kind.as_str()).increment(1.0);
    }

    fn attempt(&self, event: &AttemptEvent<'_>) {
        let backend = event.attempt.backend().to_owned();
        let outcome = event.attempt.outcome().as_str();
        histogram!(ATTEMPT_DURATION, "backend" => backend.clone(), "outcome" => outcome)
            .record(event.attempt.elapsed());
        let kind = event.asked.kind.as_str();
        counter!(ATTEMPTS, "kind" => kind, "backend" => backend, "outcome" => outcome).increment(1);
    }

    fn answer(&self, event: &AnswerEvent<'_>) {
        let (kind, outcome) = (event.asked.kind.as_str(), event.ending.as_str());
        let backend = event
            .ending
            .source()
            .map_or("none", Source::backend)
            .to_owned();
        gauge!(LOOKUPS_IN_FLIGHT, "kind" => kind).decrement(1.0);
        histogram!(LOOKUP_DURATION, "kind" => kind, "outcome" => outcome).record(event.elapsed);
        counter!(LOOKUPS, "kind" => kind, "backend" => backend, "outcome" => outcome).increment(1);
    }

    fn cache(&self, event: &CacheEvent<'_>) {
        let (kind, event) = (event.asked.kind.as_str(), event.what.as_str());
        counter!(CACHE, "kind" => kind, "event" => event).increment(1);
    }

    fn login(&self, event: &LoginEvent<'_>) {
        let (backend, outcome) = (event.backend.to_owned(), event.outcome());
        histogram!(LOGIN_DURATION, "backend" => backend.clone(), "outcome" => outcome)
            .record(event.elapsed);
        counter!(LOGINS, "backend" => backend, "outcome" => outcome).increment(1);
    }

    fn breaker(&self, event: &BreakerEvent<'_>) {
        let state = match event.state {
            BreakerState::Closed => 0.0,
            BreakerState::Trial => 1.0,
            BreakerState::Open => 2.0,
        };
        gauge!(BREAKER_STATE, "backend" => event.backend.to_owned()).set(state);
    }
}

#[cfg(test)]
mod tests;
