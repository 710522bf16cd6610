//! The limit on concurrent requests.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// Slots for `requests` concurrent requests: at least one, at most what a semaphore can count.
pub(super) fn slots(requests: usize) -> Semaphore {
    Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))
}

/// How long a lookup has waited for slots, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Waited(AtomicU64);

impl Waited {
    /// A free slot among `slots`. The wait for it counts, also where it is given up.
    pub(super) async fn for_slot<'s>(&self, slots: &'s Semaphore) -> Option<SemaphorePermit<'s>> {
        let _wait = Wait {
            since: Instant::now(),
            total: self,
        };
        // A semaphore is never closed here; if it were, there would be no limit.
        slots.acquire().await.ok()
    }

    /// Whether more than half of `limit` went into waiting. By its end the slot may have become free, so
    /// what a lookup waits for last tells nothing.
    pub(super) fn was_most_of(&self, limit: Duration) -> bool {
        Duration::from_millis(self.0.load(Ordering::Relaxed)) > limit / 2
    }
}

struct Wait<'w> {
    since: Instant,
    total: &'w Waited,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let millis = self.since.elapsed().as_millis();
        let millis = millis.try_into().unwrap_or(u64::MAX);
        self.total.0.fetch_add(millis, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    #[test]
    fn there_is_room_for_one_at_least_and_for_any_number_without_a_panic() {
        let room = |requests| slots(requests).available_permits();
        assert_eq!([room(0), room(1), room(7)], [1, 1, 7]);
        assert_eq!(room(usize::MAX), Semaphore::MAX_PERMITS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_counts_though_the_slot_becomes_free_in_the_moment_of_its_end() {
        let limit = Duration::from_millis(300);
        let (slots, served, waited) = (slots(1), Waited::default(), Waited::default());
        let lookup = async |waits: &Waited| {
            let work = async {
                let _slot = waits.for_slot(&slots).await;
                sleep(limit * 10).await;
            };
            timeout(limit, work).await.unwrap_err();
            waits.was_most_of(limit)
        };
        assert_eq!(
            tokio::join!(lookup(&served), lookup(&waited)),
            (false, true)
        );
    }
}
