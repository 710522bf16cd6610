//! Until when a lookup waits: for answers, for pauses before retries, for free slots.

use std::{fmt, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::{backend::LookupOptions, clock};

/// When a lookup has to be over. `Display` says how long it may take, such as `30 s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    /// The deadline of the caller, or `limit` from now if that comes first.
    pub(super) fn new(limit: Duration, options: &LookupOptions) -> Self {
        let left = options
            .deadline()
            .map(|end| end.saturating_duration_since(clock::now()));
        Self::after(left.map_or(limit, |left| left.min(limit)))
    }

    /// `limit` from now.
    pub(super) fn after(limit: Duration) -> Self {
        const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 86_400);
        let now = Instant::now();
        Self {
            end: now.checked_add(limit).unwrap_or(now + FAR_FUTURE),
            limit,
        }
    }

    /// This deadline, or `limit` from now if that comes first.
    #[cfg(feature = "vault")]
    pub(super) fn or_after(self, limit: Duration) -> Self {
        let other = Self::after(limit);
        if other.end < self.end { other } else { self }
    }

    /// How long the lookup may take in all.
    #[cfg(any(feature = "_network", test))]
    pub(super) fn limit(self) -> Duration {
        self.limit
    }

    /// Whether a pause of this length is over before the deadline.
    #[cfg(any(feature = "_network", test))]
    pub(super) fn allows(self, pause: Duration) -> bool {
        pause < self.end.saturating_duration_since(Instant::now())
    }

    /// What `work` gives, or `None` where the deadline passes before.
    pub(super) async fn wait_for<W: Future>(self, work: W) -> Option<W::Output> {
        timeout_at(self.end, work).await.ok()
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.limit.as_secs_f64() * 100.0).round() / 100.0;
        write!(f, "{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_deadline_that_comes_first_counts() {
        let caller_has = |left| LookupOptions::new().with_deadline(clock::now() + left);
        for (options, limit, expected) in [
            (LookupOptions::new(), 30 * SECOND, "30 s"),
            (caller_has(SECOND / 5), 30 * SECOND, "0.2 s"),
            (caller_has(31 * SECOND), 30 * SECOND, "30 s"),
        ] {
            let deadline = Deadline::new(limit, &options);
            assert_eq!(deadline.to_string(), expected);
            assert!(deadline.allows(deadline.limit().mul_f64(0.99)));
            assert!(!deadline.allows(deadline.limit()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_too_long() {
        assert!(Deadline::after(Duration::MAX).allows(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_ends_the_wait_at_once() {
        let now = clock::now();
        let options = LookupOptions::new().with_deadline(now);
        let deadline = Deadline::new(SECOND, &options);
        assert_eq!(deadline.wait_for(std::future::pending::<()>()).await, None);
        assert_eq!(clock::now(), now);
    }
}
