//! Requests that are repeated after a transient failure.

use std::time::Duration;

#[cfg(feature = "_retry")]
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

#[cfg(feature = "_retry")]
use crate::{Failure, backends::deadline::Deadline};

/// How often a request is repeated, and how long the pauses before it are.
///
/// A request is repeated after connection errors, throttling and 5xx. The pauses before it grow and
/// have a random part; if the server asks for a longer pause, that is kept (AWS is not asked). A
/// request is not repeated if its pause would end after the
/// [total time](super::HttpOptions::with_timeout), or after the
/// [deadline](crate::backend::LookupOptions::with_deadline) of the lookup.
///
/// | option | default | AWS | Execution API |
/// |---|---|---|---|
/// | [`with_max_retries`](Self::with_max_retries) | 3 | 2 | 4 |
/// | [`with_first_pause`](Self::with_first_pause) | 100 ms | 1 s | 1 s |
/// | [`with_longest_pause`](Self::with_longest_pause) | 2 s | 20 s | 90 s |
///
/// AWS's defaults are those that its documentation gives for all its SDKs; the Execution API's are those of
/// Airflow's settings, and it is not asked again after throttling.
///
/// ```
/// use airflow_secrets::backends::RetryOptions;
///
/// let retries = RetryOptions::new().with_max_retries(5);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RetryOptions {
    pub(crate) max_retries: Option<u32>,
    pub(crate) first_pause: Option<Duration>,
    pub(crate) longest_pause: Option<Duration>,
}

impl RetryOptions {
    /// Options of which none is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a request is repeated at most; with 0 it is sent once. Default: 3.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// How long the first pause is; each further one is about twice as long. Default: 100 ms.
    #[must_use]
    pub fn with_first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = Some(pause);
        self
    }

    /// How long a pause is at most, unless the server asks for a longer one. Default: 2 s.
    #[must_use]
    pub fn with_longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = Some(pause);
        self
    }

    /// These options, and those of `others` that are not set here.
    pub(crate) fn or(self, others: &Self) -> Self {
        Self {
            max_retries: self.max_retries.or(others.max_retries),
            first_pause: self.first_pause.or(others.first_pause),
            longest_pause: self.longest_pause.or(others.longest_pause),
        }
    }
}

#[cfg(any(feature = "_retry", feature = "azure"))]
impl RetryOptions {
    pub(crate) fn max_retries(&self) -> u32 {
        self.max_retries.unwrap_or(3)
    }

    pub(crate) fn first_pause(&self) -> Duration {
        self.first_pause.unwrap_or(Duration::from_millis(100))
    }

    pub(crate) fn longest_pause(&self) -> Duration {
        self.longest_pause.unwrap_or(Duration::from_secs(2))
    }
}

/// Repeats `attempt` while its failure is transient, as `options` say, unless the pause before it
/// would end after `deadline`. `None` where the deadline passes before the first attempt has an answer;
/// where it passes later, the failure of the attempt before.
#[cfg(feature = "_retry")]
pub(super) async fn with_retries<T, F>(
    options: &RetryOptions,
    deadline: Deadline,
    attempt: impl FnMut() -> F,
) -> Option<Result<T, Failure>>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut before = None;
    let answer = async {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(options.first_pause())
            .with_max_delay(options.longest_pause())
            .with_max_times(usize::try_from(options.max_retries()).unwrap_or(usize::MAX))
            .with_jitter();
        let repeated = attempt.retry(pauses.build()).when(Failure::is_transient);
        let repeated = repeated.adjust(|failure, pause| {
            let pause = pause?.max(failure.retry_after().unwrap_or_default());
            Some(pause).filter(|pause| deadline.allows(*pause))
        });
        repeated
            .notify(|failure, _| before = Some(failure.clone()))
            .await
    };
    match deadline.wait_for(answer).await {
        Some(answer) => Some(answer),
        None => before.map(Err),
    }
}

#[cfg(test)]
#[cfg(feature = "_retry")]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::Instant;

    use super::*;
    use crate::backend::LookupOptions;

    const SECOND: Duration = Duration::from_secs(1);

    fn busy() -> Failure {
        Failure::unavailable("busy")
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_would_end_after_the_callers_deadline_is_not_begun() {
        let start = Instant::now();
        let options = LookupOptions::new().with_deadline((start + 5 * SECOND).into_std());
        let deadline = Deadline::new(30 * SECOND, &options);
        let retries = RetryOptions::new();
        let mut attempts = 0;
        let answer = with_retries(&retries, deadline, || {
            attempts += 1;
            ready(Err::<(), _>(busy().with_retry_after(4 * SECOND)))
        });
        assert_eq!(answer.await, Some(Err(busy().with_retry_after(4 * SECOND))));
        assert_eq!((attempts, start.elapsed()), (2, 4 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_that_has_no_answer_in_time_leaves_the_failure_before_it() {
        let retries = RetryOptions::new();
        let mut first = Some(busy());
        let answer = with_retries(&retries, Deadline::after(SECOND), || {
            let failure = first.take();
            async move {
                match failure {
                    Some(failure) => Err::<(), _>(failure),
                    None => pending().await,
                }
            }
        });
        assert_eq!(answer.await, Some(Err(busy())));
        let silent = || pending::<Result<(), Failure>>();
        let answer = with_retries(&retries, Deadline::after(SECOND), silent);
        assert_eq!(answer.await, None);
    }
}
