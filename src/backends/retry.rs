//! Attempts that are repeated while what went wrong may pass.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

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

/// Repeats `attempt` while its trouble is transient, at most `max_retries` times, with growing
/// pauses. A server that asks to wait for `total_timeout` or longer is not asked again: no answer
/// in time is to be had.
pub(super) async fn with_retries<T, F>(
    max_retries: usize,
    total_timeout: Duration,
    attempt: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(max_retries)
        .with_jitter();
    attempt
        .retry(pauses.build())
        .when(|trouble: &Trouble| trouble.is_transient)
        .adjust(|trouble, pause| match trouble.retry_after {
            Some(after) if after >= total_timeout => None,
            Some(after) => pause.map(|pause| pause.max(after)),
            None => pause,
        })
        .await
        .map_err(|trouble| trouble.failure)
}
