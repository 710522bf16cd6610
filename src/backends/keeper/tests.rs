//! The rules, under a clock that is set by hand.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::{advance, sleep, timeout};

use super::*;

/// Numbers its logins. Each takes 100 ms.
#[derive(Debug, Clone, Default)]
struct Fake(Arc<Script>);

#[derive(Debug, Default)]
struct Script {
    logins: AtomicUsize,
    fails: AtomicBool,
    panics: AtomicBool,
    /// Of each login; `None` for any number.
    uses: Option<usize>,
    is_soon_over: bool,
}

struct Kept {
    number: usize,
    uses: Option<AtomicUsize>,
}

impl Login for Fake {
    type Kept = Kept;

    async fn log_in(&self) -> Result<Kept, Failure> {
        let number = self.0.logins.fetch_add(1, Ordering::Relaxed) + 1;
        sleep(Duration::from_millis(100)).await;
        assert!(!self.0.panics.load(Ordering::Relaxed), "as the test wants");
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(Failure::access_denied(format!("refusal {number}")));
        }
        let uses = self.0.uses.map(AtomicUsize::new);
        Ok(Kept { number, uses })
    }

    fn is_good(&self, _: &Kept) -> bool {
        !self.0.is_soon_over
    }

    fn take_use(&self, kept: &Kept) -> bool {
        kept.uses.as_ref().is_none_or(|uses| {
            let taken =
                uses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            taken.is_ok()
        })
    }
}

impl Fake {
    fn new(script: Script) -> (Self, Keeper<Self>) {
        let fake = Self(Arc::new(script));
        (fake.clone(), Keeper::new(fake))
    }

    fn logins(&self) -> usize {
        self.0.logins.load(Ordering::Relaxed)
    }

    fn fails(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::Relaxed);
    }
}

/// The number of the login that gave what the caller gets.
async fn number(keeper: &Keeper<Fake>) -> Result<usize, String> {
    let kept = keeper.get().await;
    kept.map(|kept| kept.number)
        .map_err(|error| error.message().to_owned())
}

fn refusal(number: usize) -> Result<usize, String> {
    Err(format!("refusal {number}"))
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_login() {
    let (fake, keeper) = Fake::new(Script::default());
    let numbers = join_all((0..1000).map(|_| number(&keeper))).await;
    assert_eq!(numbers, vec![Ok(1); 1000]);
    assert_eq!(number(&keeper).await, Ok(1));
    assert_eq!(fake.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_end_the_login() {
    let (fake, keeper) = Fake::new(Script::default());
    let impatient = timeout(Duration::from_millis(1), keeper.get()).await;
    assert!(impatient.is_err());
    assert_eq!(number(&keeper).await, Ok(1));
    assert_eq!(fake.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_refusal() {
    let (fake, keeper) = Fake::new(Script::default());
    fake.fails(true);
    let numbers = join_all((0..1000).map(|_| number(&keeper))).await;
    assert_eq!(numbers, vec![refusal(1); 1000]);
    assert_eq!(number(&keeper).await, refusal(1));
    assert_eq!(fake.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_repeated_after_pauses_that_grow() {
    let (fake, keeper) = Fake::new(Script::default());
    fake.fails(true);
    for (login, seconds) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        let pause = Duration::from_secs(seconds);
        assert_eq!(number(&keeper).await, refusal(login + 1));
        advance(pause.mul_f64(0.89)).await;
        assert_eq!(number(&keeper).await, refusal(login + 1));
        advance(pause.mul_f64(0.22)).await;
    }
    assert_eq!(fake.logins(), 8);
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_never_twice_the_same() {
    let pauses = (0..100)
        .map(|_| pause_after(Fake::FIRST_PAUSE, 7))
        .collect::<std::collections::HashSet<_>>();
    assert!(pauses.len() > 90, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_works_again_clears_the_refusals_before() {
    let (fake, keeper) = Fake::new(Script::default());
    fake.fails(true);
    for login in [1, 2] {
        assert_eq!(number(&keeper).await, refusal(login));
        advance(Duration::from_secs(3)).await;
    }
    fake.fails(false);
    assert_eq!(number(&keeper).await, Ok(3));
    fake.fails(true);
    keeper.forget(&keeper.kept().unwrap());
    assert_eq!(number(&keeper).await, refusal(4));
    advance(Duration::from_millis(1101)).await;
    assert_eq!(number(&keeper).await, refusal(5));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_panics_has_failed() {
    let (fake, keeper) = Fake::new(Script::default());
    fake.0.panics.store(true, Ordering::Relaxed);
    let panicked = Err(panicked().message().to_owned());
    assert_eq!(number(&keeper).await, panicked);
    assert_eq!(number(&keeper).await, panicked);
    assert_eq!(fake.logins(), 1);
    fake.0.panics.store(false, Ordering::Relaxed);
    advance(Duration::from_millis(1101)).await;
    assert_eq!(number(&keeper).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn no_more_callers_get_the_same_than_it_has_uses() {
    let (_, keeper) = Fake::new(Script {
        uses: Some(2),
        ..Script::default()
    });
    let mut numbers = join_all((0..5).map(|_| number(&keeper))).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 1, 2, 2, 3].map(Ok));
}

#[tokio::test(start_paused = true)]
async fn what_is_over_at_once_is_given_to_those_who_waited_for_it_alone() {
    let (fake, keeper) = Fake::new(Script {
        is_soon_over: true,
        ..Script::default()
    });
    let numbers = join_all((0..3).map(|_| number(&keeper))).await;
    assert_eq!(numbers, vec![Ok(1); 3]);
    assert_eq!(number(&keeper).await, Ok(2));
    assert_eq!(fake.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_replaced_or_forgotten_is_given_to_nobody() {
    let (fake, keeper) = Fake::new(Script::default());
    assert_eq!(number(&keeper).await, Ok(1));
    let first = keeper.kept().unwrap();
    let other = |number| Kept { number, uses: None };
    keeper.replace(&first, other(10));
    assert_eq!(number(&keeper).await, Ok(10));
    keeper.replace(&first, other(11));
    keeper.forget(&first);
    assert_eq!(
        number(&keeper).await,
        Ok(10),
        "it was no longer the first's place"
    );
    keeper.forget(&keeper.kept().unwrap());
    assert_eq!(number(&keeper).await, Ok(2));
    assert_eq!(fake.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_login_ahead() {
    let (fake, keeper) = Fake::new(Script::default());
    assert_eq!(number(&keeper).await, Ok(1));
    keeper.log_in_ahead();
    keeper.log_in_ahead();
    assert_eq!(number(&keeper).await, Ok(1));
    sleep(Duration::from_millis(101)).await;
    assert_eq!(number(&keeper).await, Ok(2));
    fake.fails(true);
    keeper.log_in_ahead();
    sleep(Duration::from_millis(101)).await;
    keeper.log_in_ahead();
    assert_eq!(number(&keeper).await, Ok(2));
    assert_eq!(fake.logins(), 3);
}

#[test]
fn a_login_in_a_runtime_that_rests_is_waited_for_5_s() {
    let (fake, keeper) = Fake::new(Script::default());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let (rests, other) = (runtime(), runtime());
    rests.block_on(async {
        assert!(
            timeout(Duration::from_millis(1), keeper.get())
                .await
                .is_err()
        );
    });
    other.block_on(async {
        let start = Instant::now();
        let numbers = join_all((0..10).map(|_| number(&keeper))).await;
        assert_eq!(numbers, vec![Ok(2); 10]);
        assert_eq!(start.elapsed(), PATIENCE + Duration::from_millis(100));
    });
    // Once it is driven again, its login ends too, and is in use from then on.
    rests.block_on(async { sleep(Duration::from_secs(1)).await });
    assert_eq!(other.block_on(number(&keeper)), Ok(1));
    assert_eq!(fake.logins(), 2);
}

#[test]
fn a_login_whose_runtime_has_ended_is_started_again() {
    let (_, keeper) = Fake::new(Script::default());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    runtime().block_on(async {
        let _ = timeout(Duration::from_millis(1), keeper.get()).await;
    });
    assert_eq!(runtime().block_on(number(&keeper)), Ok(2));
}
