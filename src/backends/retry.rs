//! Attempts that are repeated while what went wrong may pass.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use tokio::time::Instant;

use crate::Failure;

/// An attempt failed: why, and whether another is worth it.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) is_transient: bool,
    /// How long the server asks to wait before the next.
    pub(super) retry_after: Option<Duration>,
}

impl Trouble {
    pub(super) fn lasting(failure: Failure) -> Self {
        Self {
            failure,
            is_transient: false,
            retry_after: None,
        }
    }

    pub(super) fn transient(failure: Failure) -> Self {
        Self {
            is_transient: true,
            ..Self::lasting(failure)
        }
    }
}

/// The moment that is `limit` from now.
pub(super) fn deadline_after(limit: Duration) -> Instant {
    const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now + FAR_FUTURE)
}

/// Repeats `attempt` while its trouble is transient, at most `max_retries` times, with growing
/// pauses, or longer ones where the server asks for them. A pause that would not end before
/// `deadline` is not made: no answer in time is to be had.
pub(super) async fn with_retries<T, F>(
    max_retries: u32,
    deadline: Instant,
    attempt: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(usize::try_from(max_retries).unwrap_or(usize::MAX))
        .with_jitter();
    attempt
        .retry(pauses.build())
        .when(|trouble: &Trouble| trouble.is_transient)
        .adjust(|trouble, pause| {
            let left = deadline.saturating_duration_since(Instant::now());
            let pause = pause?.max(trouble.retry_after.unwrap_or_default());
            Some(pause).filter(|pause| *pause < left)
        })
        .await
        .map_err(|trouble| trouble.failure)
}
