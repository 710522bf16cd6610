//! The options of a lookup.

use std::{sync::Arc, time::Instant};

use crate::Dialect;

/// The options of a lookup: the team, the dialect and the deadline.
///
/// The resolver makes one for each question. Further options may come; a backend reads those it
/// knows.
///
/// ```
/// use airflow_secrets::{Dialect, backend::LookupOptions};
///
/// let options = LookupOptions::new().with_team("sales").with_dialect(Dialect::TaskSdk);
/// assert_eq!(options.team(), Some("sales"));
/// assert_eq!(options.dialect(), Dialect::TaskSdk);
/// assert_eq!(options.deadline(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct LookupOptions {
    team: Option<Arc<str>>,
    dialect: Dialect,
    deadline: Option<Instant>,
}

impl LookupOptions {
    /// No team, [`Dialect::Core`], no deadline.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            team: None,
            dialect: Dialect::Core,
            deadline: None,
        }
    }

    /// Asks on behalf of `team`, or of no team for `None`.
    #[must_use]
    pub fn with_team<'a>(mut self, team: impl Into<Option<&'a str>>) -> Self {
        self.team = team.into().map(Arc::from);
        self
    }

    /// Reads connections in `dialect`.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets the moment after which the answer is no longer needed, or `None` for no such moment. A backend that sees that it cannot
    /// answer by then may answer *unavailable* at once. The resolver waits no longer, whatever the
    /// backend does, where it has a Tokio runtime for a timer.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Instant>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// The team that asks, in a multi-team deployment; the resolver passes one only there.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.team.as_deref()
    }

    /// How connections are read.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The moment after which the answer is no longer needed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
