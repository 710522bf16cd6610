//! The limits on connections and time.

use std::time::Duration;

/// How many connections there may be, and how long anything may take.
#[cfg_attr(
    not(feature = "_metastore-server"),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) idle_timeout: Duration,
}
