//! How many requests are under way at once.

use tokio::sync::Semaphore;

/// Room for as many as `requests`: at least one, and as many at most as a semaphore counts.
pub(super) fn slots(requests: usize) -> Semaphore {
    Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_one_at_least_and_for_any_number_without_a_panic() {
        let room = |requests| slots(requests).available_permits();
        assert_eq!([room(0), room(1), room(7)], [1, 1, 7]);
        assert_eq!(room(usize::MAX), Semaphore::MAX_PERMITS);
    }
}
