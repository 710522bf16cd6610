//! Waiting for an answer, but no longer than it is needed.

use std::time::Duration;

use super::{Failure, LookupOptions};
use crate::clock;

/// How much longer than its deadline a source is waited for: one that keeps the deadline by itself
/// says better what it was waiting for, and keeps what has come of a batch.
const GRACE: Duration = Duration::from_millis(50);

/// What `asking`, one of a batch's requests, gives, or a failure where the deadline of `options` passes
/// before. Past the deadline nothing is asked. It waits for half of the grace, so that the batch has
/// time to hand over what has come.
pub(crate) async fn in_time<T>(
    options: &LookupOptions,
    asking: impl Future<Output = T>,
) -> Result<T, Failure> {
    let Some(deadline) = options.deadline() else {
        return Ok(asking.await);
    };
    let left = deadline.saturating_duration_since(clock::now());
    if left.is_zero() {
        return Err(not_asked("the lookup's deadline"));
    }
    let answer = until(left.saturating_add(GRACE / 2), asking).await;
    answer.ok_or_else(|| no_answer("the lookup's deadline"))
}

/// What `asking` gives, or `None` where it takes longer than `left` and a little.
pub(crate) async fn within<F: Future>(left: Duration, asking: F) -> Option<F::Output> {
    until(left.saturating_add(GRACE), asking).await
}

/// What `asking` gives, or `None` where it takes longer than `left`. Without a Tokio runtime there is no
/// timer, and it takes as long as it takes.
#[cfg(feature = "_tokio")]
async fn until<F: Future>(left: Duration, asking: F) -> Option<F::Output> {
    use std::{
        future::poll_fn,
        pin::pin,
        task::{Poll, ready},
    };
    let mut asking = pin!(asking);
    let mut timer = pin!(None);
    poll_fn(|context| {
        if let Poll::Ready(answer) = asking.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        // An answer that is there at once needs no timer.
        if timer.is_none() && crate::backends::runtime_has_timers() {
            timer.set(Some(tokio::time::sleep(left)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => {
                ready!(timer.poll(context));
                Poll::Ready(None)
            }
            None => Poll::Pending,
        }
    })
    .await
}

/// What `asking` gives: this build has no timer.
#[cfg(not(feature = "_tokio"))]
async fn until<F: Future>(_: Duration, asking: F) -> Option<F::Output> {
    Some(asking.await)
}

/// A source did not answer before `limit` passed.
pub(crate) fn no_answer(limit: &str) -> Failure {
    Failure::unavailable(format!("no answer before {limit} passed"))
}

/// A source was not asked, since `limit` had passed.
pub(crate) fn not_asked(limit: &str) -> Failure {
    Failure::unavailable(format!("not asked: {limit} had passed before"))
}
