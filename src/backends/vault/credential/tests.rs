//! The token's life under a clock that the tests set.

use std::sync::atomic::AtomicUsize;

use tokio::time::{advance, sleep};

use super::*;
use crate::backend::FailureKind;

const WINDOW: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

/// Grants numbered tokens, and counts logins and renewals.
#[derive(Debug, Default, Clone)]
struct Fake(Arc<Script>);

#[derive(Debug)]
struct Script {
    lease: Mutex<Option<Duration>>,
    uses: Option<u64>,
    renewable: bool,
    fails: std::sync::atomic::AtomicBool,
    refuses_renewal: bool,
    logins: AtomicUsize,
    renewals: AtomicUsize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            lease: Mutex::new(Some(HOUR)),
            uses: None,
            renewable: true,
            fails: false.into(),
            refuses_renewal: false,
            logins: AtomicUsize::new(0),
            renewals: AtomicUsize::new(0),
        }
    }
}

impl Fake {
    fn new(script: Script) -> Self {
        Self(Arc::new(script))
    }

    fn keeper(&self) -> TokenKeeper {
        TokenKeeper::new(Box::new(self.clone()), WINDOW)
    }

    fn logins(&self) -> usize {
        self.0.logins.load(Ordering::Relaxed)
    }

    fn renewals(&self) -> usize {
        self.0.renewals.load(Ordering::Relaxed)
    }

    fn grant(&self) -> Grant {
        Grant {
            token: format!("token {}", self.logins()).parse().unwrap(),
            lease: *self.0.lease.lock().unwrap(),
            renewable: self.0.renewable,
            uses: self.0.uses,
            proven: true,
        }
    }
}

#[async_trait]
impl Authority for Fake {
    async fn log_in(&self) -> Result<Grant, Failure> {
        self.0.logins.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(Failure::access_denied("refused"));
        }
        Ok(self.grant())
    }

    fn source(&self) -> TokenSource {
        TokenSource::Login
    }

    async fn renew(&self, _: &HeaderValue) -> Result<Grant, RenewalFailure> {
        self.0.renewals.fetch_add(1, Ordering::Relaxed);
        if self.0.refuses_renewal {
            Err(RenewalFailure::Refused)
        } else {
            Ok(self.grant())
        }
    }
}

async fn name(keeper: &TokenKeeper) -> String {
    let token = keeper.token().await.unwrap();
    token.header().to_str().unwrap().to_owned()
}

/// Lets time pass in small steps, so that each task runs when it is due.
async fn pass(time: Duration) {
    let step = (time / 500).max(Duration::from_millis(10));
    let mut left = time;
    while left > Duration::ZERO {
        advance(step.min(left)).await;
        tokio::task::yield_now().await;
        left = left.saturating_sub(step);
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_login_says_how_long_it_is_not_repeated() {
    let fake = Fake::default();
    fake.0.fails.store(true, Ordering::Relaxed);
    let keeper = fake.keeper();
    assert_eq!(keeper.token().await.unwrap_err().message(), "refused");
    let failure = keeper.token().await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::AccessDenied);
    assert!(
        failure
            .message()
            .starts_with("refused; the login is not repeated for another ")
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewable_token_lives_on_without_another_login() {
    let fake = Fake::default();
    let keeper = fake.keeper();
    name(&keeper).await;
    pass(HOUR * 10).await;
    assert_eq!(name(&keeper).await, "token 1");
    assert_eq!(fake.logins(), 1);
    assert!(
        (14..=17).contains(&fake.renewals()),
        "{} renewals",
        fake.renewals()
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_renewed_is_replaced_before_it_ends() {
    for script in [
        Script {
            renewable: false,
            ..Script::default()
        },
        Script {
            refuses_renewal: true,
            ..Script::default()
        },
    ] {
        let fake = Fake::new(script);
        let keeper = fake.keeper();
        name(&keeper).await;
        pass(HOUR * 7 / 10).await;
        let start = Instant::now();
        assert_eq!(name(&keeper).await, "token 2");
        assert_eq!(start.elapsed(), Duration::ZERO, "no lookup waits for it");
        assert_eq!(fake.logins(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_gives_little_is_followed_by_a_login() {
    let fake = Fake::default();
    let keeper = fake.keeper();
    name(&keeper).await;
    *fake.0.lease.lock().unwrap() = Some(HOUR / 4);
    pass(HOUR).await;
    assert_eq!(name(&keeper).await, "token 2");
    assert_eq!(fake.renewals(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_with_few_uses_is_replaced_when_they_are_gone() {
    let fake = Fake::new(Script {
        uses: Some(2),
        ..Script::default()
    });
    let keeper = fake.keeper();
    let mut names = Vec::new();
    for _ in 0..5 {
        names.push(name(&keeper).await);
    }
    assert_eq!(
        names,
        ["token 1", "token 1", "token 2", "token 2", "token 3"]
    );
    assert_eq!(fake.renewals(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_403_that_does_not_tell_is_the_paths_soon_after_a_proof() {
    let keeper = Fake::default().keeper();
    let token = keeper.token().await.unwrap();
    pass(Duration::from_secs(29)).await;
    assert_eq!(keeper.judge(&token, Denial::Unknown), Verdict::Denied);
    TokenKeeper::prove(&token);
    pass(Duration::from_secs(29)).await;
    assert_eq!(keeper.judge(&token, Denial::NotVaults), Verdict::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_403_that_is_the_paths_never_causes_a_login() {
    let keeper = Fake::default().keeper();
    let token = keeper.token().await.unwrap();
    pass(WINDOW * 2).await;
    assert_eq!(keeper.judge(&token, Denial::Path), Verdict::Denied);
    assert_eq!(name(&keeper).await, "token 1");
}

#[tokio::test(start_paused = true)]
async fn a_403_that_is_the_tokens_is_one_login_a_second_at_most() {
    let fake = Fake::default();
    let keeper = fake.keeper();
    let start = Instant::now();
    for n in 1..=5 {
        let token = keeper.token().await.unwrap();
        assert_eq!(token.header(), &format!("token {n}"));
        assert_eq!(keeper.judge(&token, Denial::Token), Verdict::Repeat);
        assert_eq!(keeper.judge(&token, Denial::Token), Verdict::Repeat);
    }
    let names = futures_util::future::join_all((0..100).map(|_| name(&keeper))).await;
    assert_eq!(names, vec!["token 6"; 100]);
    assert_eq!(fake.logins(), 6);
    let elapsed = start.elapsed();
    assert!((5..6).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_403_that_is_the_tokens_causes_no_login_while_logins_are_refused() {
    let fake = Fake::default();
    let keeper = fake.keeper();
    let token = keeper.token().await.unwrap();
    fake.0.fails.store(true, Ordering::Relaxed);
    for _ in 0..50 {
        assert_eq!(keeper.judge(&token, Denial::Token), Verdict::Repeat);
        assert!(keeper.token().await.is_err());
    }
    assert_eq!(fake.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_403_that_does_not_tell_is_one_login_for_all_long_after_any_proof() {
    let fake = Fake::default();
    let keeper = fake.keeper();
    let token = keeper.token().await.unwrap();
    pass(WINDOW).await;
    for _ in 0..100 {
        assert_eq!(keeper.judge(&token, Denial::Unknown), Verdict::Repeat);
    }
    let callers = (0..100).map(|_| name(&keeper));
    let names = futures_util::future::join_all(callers).await;
    assert_eq!(names, vec!["token 2"; 100]);
    assert_eq!(fake.logins(), 2);
    let fresh = keeper.token().await.unwrap();
    assert_eq!(keeper.judge(&fresh, Denial::Unknown), Verdict::Denied);
}

#[tokio::test(start_paused = true)]
async fn an_idle_token_that_cannot_be_renewed_is_left_to_end() {
    let fake = Fake::new(Script {
        renewable: false,
        ..Script::default()
    });
    let keeper = fake.keeper();
    name(&keeper).await;
    pass(HOUR * 5).await;
    assert_eq!(fake.logins(), 2, "the second token was never used");
    assert_eq!(name(&keeper).await, "token 3");
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_token() {
    let keeper = Fake::default().keeper();
    name(&keeper).await;
    assert!(!format!("{keeper:?}").contains("token 1"), "{keeper:?}");
}
