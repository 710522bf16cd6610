//! How much a backend takes of a server.

use std::time::Duration;

/// How many connections there may be, and how long anything may take.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_connections: usize,
    pub(super) acquire_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) idle_timeout: Duration,
}
