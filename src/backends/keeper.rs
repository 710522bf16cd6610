//! One login for all callers: the keeper gives the token or credentials of the last login.
//!
//! - Callers wait for the same login where there is none, or where its result is no longer valid. It
//!   runs in a task of its own: a caller that gives up does not end it.
//! - A login that failed is not repeated at once. Until its pause is over, callers get its error. The
//!   pause doubles with each failure in a row, from 1 s to 60 s, plus or minus a tenth.
//! - A login that panics counts as failed.
//! - A login runs in the runtime of the caller who began it. Callers of another runtime wait 5 s for it at
//!   most, and then log in by themselves: nobody may be driving that runtime, as between two calls of
//!   `block_on`.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    runtime::{Handle, Id},
    sync::watch,
    time::{Instant, timeout},
};
use tracing::Instrument as _;

use super::subscriber;
use crate::{
    Failure,
    observer::{Current, login::observed},
};

const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a login of another runtime is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to log in, and how long the result is valid.
pub(super) trait Login: fmt::Debug + Send + Sync + 'static {
    /// What a login gives.
    type Kept: Send + Sync + 'static;
    /// The pause after the first failure.
    const FIRST_PAUSE: Duration = Duration::from_secs(1);

    /// Logs in. All callers wait for it, so it must end.
    fn log_in(&self) -> impl Future<Output = Result<Self::Kept, Failure>> + Send;

    /// Whether this asks somebody for credentials, so that observers are told.
    fn is_observed(&self) -> bool {
        true
    }

    /// Whether the result of an earlier login is still valid.
    fn is_good(&self, kept: &Self::Kept) -> bool;

    /// Takes one use, where their number is limited. If none is left, a new login follows.
    fn take_use(&self, _: &Self::Kept) -> bool {
        true
    }

    /// The error for a caller during the pause after `error`, with the time that is left.
    fn not_repeated(&self, failure: &Failure, pause: Duration) -> Failure {
        failure.clone().with_retry_after(pause)
    }
}

fn panicked() -> Failure {
    Failure::unavailable("the login panicked: this is a defect of the library that logs in")
}

/// Keeps the result of the last login. Clones share it.
pub(super) struct Keeper<L: Login>(Arc<Shared<L>>);

struct Shared<L: Login> {
    login: L,
    state: Mutex<State<L>>,
}

struct State<L: Login> {
    kept: Option<Arc<L::Kept>>,
    under_way: Option<UnderWay<L>>,
    /// Why the last login failed, and until when it is not repeated.
    failed: Option<(Failure, Instant)>,
    /// How many logins failed in a row.
    failures: u32,
}

/// A login, and the runtime that it runs in.
struct UnderWay<L: Login> {
    outcome: Outcome<L>,
    runtime: Option<Id>,
}

impl<L: Login> UnderWay<L> {
    fn is(&self, outcome: &Outcome<L>) -> bool {
        self.outcome.same_channel(outcome)
    }
}

fn current_runtime() -> Option<Id> {
    Handle::try_current().ok().map(|runtime| runtime.id())
}

/// `None` until the login has ended.
type Outcome<L> = watch::Receiver<Option<Result<Arc<<L as Login>::Kept>, Failure>>>;

enum KeptOrLogin<L: Login> {
    Kept(Arc<L::Kept>),
    Login(Outcome<L>),
    /// One of another runtime.
    Elsewhere(Outcome<L>),
}

impl<L: Login> Keeper<L> {
    pub(super) fn new(login: L) -> Self {
        Self(Arc::new(Shared {
            login,
            state: Mutex::new(State {
                kept: None,
                under_way: None,
                failed: None,
                failures: 0,
            }),
        }))
    }

    /// The result of the last login if it is still valid, else that of a new one.
    ///
    /// # Errors
    /// The error of the login, or of the last one during the pause after it.
    pub(super) async fn get(&self) -> Result<Arc<L::Kept>, Failure> {
        loop {
            let (mut login, patience) = match self.kept_or_login()? {
                KeptOrLogin::Kept(kept) => return Ok(kept),
                KeptOrLogin::Login(login) => (login, None),
                KeptOrLogin::Elsewhere(login) => (login, Some(PATIENCE)),
            };
            let outcome = login.wait_for(Option::is_some);
            let outcome = match patience {
                None => Ok(outcome.await),
                Some(patience) => timeout(patience, outcome).await,
            };
            let Ok(outcome) = outcome.map(|outcome| outcome.map(|given| given.clone())) else {
                self.forget_login(&login);
                continue;
            };
            match outcome {
                Ok(Some(Ok(kept))) if self.0.login.take_use(&kept) => return Ok(kept),
                Ok(Some(Err(error))) => return Err(error),
                // Others took all uses.
                Ok(_) => {}
                // The runtime that the login ran on has ended.
                Err(_) => self.forget_login(&login),
            }
        }
    }

    #[cfg(any(feature = "azure", feature = "vault"))]
    pub(super) fn login(&self) -> &L {
        &self.0.login
    }

    /// The result of the last login, valid or not.
    #[cfg(any(
        test,
        feature = "vault",
        feature = "_aws",
        feature = "azure",
        feature = "astro"
    ))]
    pub(super) fn kept(&self) -> Option<Arc<L::Kept>> {
        self.0.state().kept.clone()
    }

    /// Whether a login is under way.
    #[cfg(feature = "azure")]
    pub(super) fn is_logging_in(&self) -> bool {
        self.0.state().under_way.is_some()
    }

    fn kept_or_login(&self) -> Result<KeptOrLogin<L>, Failure> {
        let login = &self.0.login;
        let mut state = self.0.state();
        if let Some(kept) = &state.kept
            && login.is_good(kept)
            && login.take_use(kept)
        {
            return Ok(KeptOrLogin::Kept(Arc::clone(kept)));
        }
        if let Some(under_way) = &state.under_way {
            let login = under_way.outcome.clone();
            return Ok(if under_way.runtime == current_runtime() {
                KeptOrLogin::Login(login)
            } else {
                KeptOrLogin::Elsewhere(login)
            });
        }
        if let Some((error, pause)) = state.pause() {
            return Err(login.not_repeated(error, pause));
        }
        Ok(KeptOrLogin::Login(self.start_login(&mut state)))
    }

    fn start_login(&self, state: &mut State<L>) -> Outcome<L> {
        let (sender, outcome) = watch::channel(None);
        state.under_way = Some(UnderWay {
            outcome: outcome.clone(),
            runtime: current_runtime(),
        });
        let (shared, own) = (Arc::clone(&self.0), outcome.clone());
        let login = async move {
            let login = AssertUnwindSafe(shared.login.log_in()).catch_unwind();
            let login = login.map(|given| given.unwrap_or_else(|_| Err(panicked())));
            let given = if shared.login.is_observed() {
                observed(login).await
            } else {
                login.await
            };
            sender.send_replace(Some(shared.settle(given, &own)));
        };
        let login = Current::scope(Current::get(), login.in_current_span());
        tokio::spawn(subscriber::with_current(login));
        outcome
    }

    fn forget_login(&self, ended: &Outcome<L>) {
        let mut state = self.0.state();
        state.under_way.take_if(|login| login.is(ended));
    }
}

/// For tokens that may be revoked.
#[cfg(any(
    test,
    feature = "astro",
    feature = "execution-api",
    feature = "gcp",
    feature = "kubernetes",
    feature = "vault"
))]
impl<L: Login> Keeper<L> {
    /// Drops `kept`, so that the next caller logs in.
    pub(super) fn forget(&self, kept: &Arc<L::Kept>) {
        self.0.state().take(kept);
    }
}

/// For tokens that are renewed.
#[cfg(any(test, feature = "vault"))]
impl<L: Login> Keeper<L> {
    /// Replaces `old` by `new`, if `old` is still kept.
    pub(super) fn replace(&self, old: &Arc<L::Kept>, new: L::Kept) {
        let mut state = self.0.state();
        if state.take(old) {
            state.kept = Some(Arc::new(new));
        }
    }

    /// Logs in while the last result is still in use; no caller waits for it. Does nothing while a login
    /// is under way, or during the pause after a failed one.
    pub(super) fn log_in_ahead(&self) {
        let mut state = self.0.state();
        if state.under_way.is_none() && state.pause().is_none() {
            self.start_login(&mut state);
        }
    }
}

impl<L: Login> Shared<L> {
    fn state(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(
        &self,
        given: Result<L::Kept, Failure>,
        login: &Outcome<L>,
    ) -> Result<Arc<L::Kept>, Failure> {
        let mut state = self.state();
        // Another may have taken its place.
        state.under_way.take_if(|under_way| under_way.is(login));
        match given {
            Ok(kept) => {
                let kept = Arc::new(kept);
                (state.failed, state.failures) = (None, 0);
                state.kept = Some(Arc::clone(&kept));
                Ok(kept)
            }
            Err(error) => {
                state.fail(error.clone());
                Err(error)
            }
        }
    }
}

impl<L: Login> State<L> {
    /// Drops `kept`; whether it was kept.
    #[cfg(any(
        test,
        feature = "astro",
        feature = "execution-api",
        feature = "gcp",
        feature = "kubernetes",
        feature = "vault"
    ))]
    fn take(&mut self, kept: &Arc<L::Kept>) -> bool {
        let is_it = |held: &mut Arc<L::Kept>| Arc::ptr_eq(held, kept);
        self.kept.take_if(is_it).is_some()
    }

    fn fail(&mut self, error: Failure) {
        self.failures = self.failures.saturating_add(1);
        self.failed = Some((
            error,
            Instant::now() + pause_after(L::FIRST_PAUSE, self.failures),
        ));
    }

    /// The error of the last login, and how long the pause after it still lasts.
    fn pause(&self) -> Option<(&Failure, Duration)> {
        let (error, until) = self.failed.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((error, left))
    }
}

/// The pause after `failures` in a row.
fn pause_after(first_pause: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    let pause = (first_pause * (1 << doublings)).min(LONGEST_PAUSE);
    pause.mul_f64(0.9 + fastrand::f64() / 5.0)
}

impl<L: Login> Clone for Keeper<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The kept result is not shown.
impl<L: Login> fmt::Debug for Keeper<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeper").field(&self.0.login).finish()
    }
}

#[cfg(test)]
mod tests;
