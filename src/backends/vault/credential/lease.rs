//! A token and its lease: pure rules of time, each given the current time.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use tokio::time::Instant;

/// The longest pause before another try to renew.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What a login or a renewal gave.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// As it is sent.
    pub(crate) token: HeaderValue,
    /// How long it lasts; `None` if it does not end, or if that is not known.
    pub(crate) lease: Option<Duration>,
    pub(crate) renewable: bool,
    /// How many requests it may be used for; `None` means any number.
    pub(crate) uses: Option<u64>,
    /// Whether Vault itself has just given it.
    pub(crate) proven: bool,
}

/// A token that is in use.
#[derive(Debug)]
pub(crate) struct Token {
    header: HeaderValue,
    /// The number of its login, which a renewal does not change.
    generation: u64,
    granted_at: Instant,
    lease: Option<Duration>,
    /// The lease that its login gave. A renewal that gives much less is near the token's maximum age.
    first_lease: Option<Duration>,
    renewable: AtomicBool,
    /// A random part of the lease, so that many programs do not renew at once.
    refresh_after: Option<Duration>,
    uses_left: Option<AtomicU64>,
    used: AtomicBool,
    proven_at: Mutex<Option<Instant>>,
}

impl Token {
    pub(super) fn granted(grant: Grant, generation: u64, now: Instant) -> Self {
        let first_lease = grant.lease;
        Self::new(grant, generation, first_lease, now)
    }

    /// The same token with the lease that a renewal gave.
    pub(super) fn renewed(&self, grant: &Grant, now: Instant) -> Self {
        let near_its_end = match (grant.lease, self.first_lease) {
            (Some(lease), Some(first)) => lease < first / 2,
            _ => false,
        };
        let grant = Grant {
            token: self.header.clone(),
            renewable: grant.renewable && !near_its_end,
            uses: None,
            proven: true,
            lease: grant.lease,
        };
        Self::new(grant, self.generation, self.first_lease, now)
    }

    fn new(grant: Grant, generation: u64, first_lease: Option<Duration>, now: Instant) -> Self {
        Self {
            header: grant.token,
            generation,
            granted_at: now,
            lease: grant.lease,
            first_lease,
            // A renewal is a use, and such a token's uses are counted.
            renewable: AtomicBool::new(grant.renewable && grant.uses.is_none()),
            refresh_after: grant
                .lease
                .map(|lease| lease.mul_f64(0.6 + fastrand::f64() / 15.0)),
            uses_left: grant.uses.map(AtomicU64::new),
            used: AtomicBool::new(false),
            proven_at: Mutex::new(grant.proven.then_some(now)),
        }
    }

    /// The token as it is sent: no request makes a copy of it.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_renewable(&self) -> bool {
        self.renewable.load(Ordering::Relaxed)
    }

    /// Records that Vault does not renew it.
    pub(super) fn refuse_renewal(&self) {
        self.renewable.store(false, Ordering::Relaxed);
    }

    /// Whether a lookup has used it.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes one use of it, if one is left.
    pub(super) fn take_use(&self) -> bool {
        self.used.store(true, Ordering::Relaxed);
        self.uses_left.as_ref().is_none_or(|left| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
        })
    }

    /// Whether the lease is over, or so near its end that a request could come too late.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.lease.is_some_and(|lease| {
            let margin = (lease / 10).min(SHORTEST_PAUSE);
            now >= self.granted_at + lease.saturating_sub(margin)
        })
    }

    /// When to renew it or to log in anew, with time left to do so.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        Some(self.granted_at + self.refresh_after?)
    }

    /// How long to wait before another try to refresh it, after one that failed.
    pub(super) fn pause_before_retry(&self, now: Instant) -> Duration {
        let left = self.lease.map_or(LONGEST_PAUSE, |lease| {
            (self.granted_at + lease).saturating_duration_since(now)
        });
        (left / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    /// Records that Vault accepted it.
    pub(super) fn prove(&self, now: Instant) {
        *self
            .proven_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether Vault accepted it within `window` before `now`, and its lease is not over.
    pub(super) fn is_proven(&self, window: Duration, now: Instant) -> bool {
        let proven_at = *self
            .proven_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        !self.is_over(now) && proven_at.is_some_and(|at| now.saturating_duration_since(at) < window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn grant(lease: Duration) -> Grant {
        Grant {
            token: HeaderValue::from_static("s.token"),
            lease: Some(lease),
            renewable: true,
            uses: None,
            proven: true,
        }
    }

    #[test]
    fn a_lease_is_over_a_little_before_its_end() {
        let now = Instant::now();
        let token = Token::granted(grant(Duration::from_secs(5)), 1, now);
        assert!(!token.is_over(now + Duration::from_millis(4499)));
        assert!(token.is_over(now + Duration::from_millis(4500)));
    }

    #[test]
    fn a_token_is_refreshed_about_two_thirds_into_its_lease() {
        let now = Instant::now();
        for _ in 0..100 {
            let refresh = Token::granted(grant(HOUR), 1, now).refresh_at().unwrap() - now;
            assert!(
                refresh >= HOUR * 6 / 10 && refresh <= HOUR * 2 / 3,
                "{refresh:?}"
            );
        }
    }

    #[test]
    fn a_token_without_a_lease_is_never_refreshed() {
        let now = Instant::now();
        let forever = Grant {
            lease: None,
            ..grant(HOUR)
        };
        let token = Token::granted(forever, 1, now);
        assert_eq!(token.refresh_at(), None);
        assert!(!token.is_over(now + HOUR * 24 * 365));
    }

    #[test]
    fn a_use_is_taken_once() {
        let now = Instant::now();
        let limited = Grant {
            uses: Some(2),
            ..grant(HOUR)
        };
        let token = Token::granted(limited, 1, now);
        assert!(!token.is_renewable());
        assert_eq!(
            [true, true, false, false],
            [(); 4].map(|()| token.take_use())
        );
    }

    #[test]
    fn proof_lasts_for_its_window_and_not_beyond_the_lease() {
        let now = Instant::now();
        let window = Duration::from_secs(30);
        let token = Token::granted(grant(HOUR), 1, now);
        assert!(token.is_proven(window, now + Duration::from_secs(29)));
        assert!(!token.is_proven(window, now + window));
        token.prove(now + window);
        assert!(token.is_proven(window, now + window + Duration::from_secs(29)));
        let short = Token::granted(grant(Duration::from_secs(5)), 1, now);
        assert!(!short.is_proven(window, now + Duration::from_secs(5)));
    }

    #[test]
    fn a_renewal_that_gives_less_than_half_is_the_last() {
        let now = Instant::now();
        let token = Token::granted(grant(HOUR), 1, now);
        assert!(token.renewed(&grant(HOUR / 2), now).is_renewable());
        let last = token.renewed(&grant(HOUR / 3), now);
        assert!(!last.is_renewable());
        assert_eq!(last.header(), token.header());
        assert_eq!(last.generation(), token.generation());
    }
}
