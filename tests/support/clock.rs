//! A clock that the test moves.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Stands still until it is moved. A clone is the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    pub(crate) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// What a resolver or a breaker takes.
    pub(crate) fn hands(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let clock = self.clone();
        move || *clock.0.lock().unwrap()
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}
