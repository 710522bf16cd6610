//! The clock: the system's, or one that a program brings for its tests.

use std::{fmt, sync::Arc, time::Instant};

/// Tells the time. A clone is the same clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Instant {
        (self.0)()
    }
}

/// The system's, or Tokio's where a test has paused it.
impl Default for Clock {
    fn default() -> Self {
        Self::new(now)
    }
}

#[cfg(feature = "_tokio")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(not(feature = "_tokio"))]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
