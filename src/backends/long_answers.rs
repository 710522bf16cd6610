//! The budget of long answers: those that all backends of the process read at once stay within 64 MiB.

use tokio::sync::{Semaphore, SemaphorePermit};

/// The length, in bytes, up to which any number of answers may be read at once.
pub(super) const SHORT_ANSWER: usize = 256 * 1024;

/// The sum of the bounds of all longer answers that are read at once, by all backends of the process,
/// in KiB. Their buffers may be twice as large while they grow.
const LONG_ANSWERS: u32 = 24 * 1024;

static BUDGET: Semaphore = Semaphore::const_new(LONG_ANSWERS as usize);

/// A share of the budget, for an answer of at most `longest` bytes. It waits until so much is free.
pub(super) async fn share(longest: usize) -> Option<SemaphorePermit<'static>> {
    let bound = u32::try_from(longest / 1024).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    BUDGET.acquire_many(bound.min(LONG_ANSWERS)).await.ok()
}
