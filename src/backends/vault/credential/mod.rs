//! The token's life: one login for all callers, a lease that is renewed before it ends, and what
//! a 403 means.

mod lease;
pub(super) mod login;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};

pub(super) use self::lease::Token;
use self::lease::{Grant, pause_after_failed_logins};
use crate::{Failure, Secret};

/// Who gives tokens: Vault, or a file.
#[async_trait]
pub(super) trait Authority: fmt::Debug + Send + Sync + 'static {
    /// Gets a token.
    async fn log_in(&self) -> Result<Grant, Failure>;

    /// Whether [`log_in`](Self::log_in) could ever give another token than before.
    fn can_log_in_anew(&self) -> bool;

    /// Renews `token`.
    async fn renew(&self, token: &Secret) -> Result<Grant, RenewalFailure>;
}

/// Why a token was not renewed.
#[derive(Debug)]
pub(super) enum RenewalFailure {
    /// It will not be: only a login helps.
    Refused,
    /// Vault could not be asked.
    Unavailable,
}

/// What is to be done about a 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The token is good, so the path is denied.
    Denied,
    /// The token is replaced: the read is worth a repeat.
    Repeat,
}

/// Keeps the token of one backend. Whoever needs it asks for it here.
#[derive(Debug)]
pub(super) struct TokenKeeper(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    authority: Box<dyn Authority>,
    /// For how long a token that Vault took stays above suspicion.
    proof_window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// The login under way; it ends by itself, whoever waits for it.
    login: Option<watch::Receiver<Option<Result<(), Failure>>>>,
    /// The last login's failure, and until when it is not repeated.
    failed: Option<(Failure, Instant)>,
    failures: u32,
    logins: u64,
}

/// The token in use, and the task that refreshes it.
#[derive(Debug)]
struct Held {
    token: Arc<Token>,
    refresher: Option<Refresher>,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Refresher(AbortHandle);

impl Drop for Refresher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TokenKeeper {
    pub(super) fn new(authority: Box<dyn Authority>, proof_window: Duration) -> Self {
        Self(Arc::new(Shared {
            authority,
            proof_window,
            state: Mutex::default(),
        }))
    }

    /// The token, for one request. Whoever asks while there is none waits for the same login.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Failure> {
        loop {
            let mut login = match self.0.token_or_login()? {
                TokenOrLogin::Token(token) => return Ok(token),
                TokenOrLogin::Login(login) => login,
            };
            let outcome = login.wait_for(Option::is_some).await;
            match outcome.map(|outcome| outcome.clone()) {
                Ok(Some(Err(failure))) => return Err(failure),
                Ok(_) => {}
                // The runtime that the login ran on is gone.
                Err(_) => self.0.forget_login(&login),
            }
        }
    }

    /// Notes that Vault took `token`.
    pub(super) fn prove(token: &Token) {
        token.prove(Instant::now());
    }

    /// What a 403 for a request with `token` means. Where it makes the token suspect, nobody gets
    /// that token again.
    pub(super) fn judge(&self, token: &Token) -> Verdict {
        let mut state = self.0.state();
        let is_current = state
            .held
            .as_ref()
            .is_some_and(|held| held.token.generation() == token.generation());
        if !is_current {
            return Verdict::Repeat;
        }
        let is_proven = token.is_proven(self.0.proof_window, Instant::now());
        if is_proven || !self.0.authority.can_log_in_anew() {
            return Verdict::Denied;
        }
        state.held = None;
        Verdict::Repeat
    }
}

enum TokenOrLogin {
    Token(Arc<Token>),
    Login(watch::Receiver<Option<Result<(), Failure>>>),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token_or_login(self: &Arc<Self>) -> Result<TokenOrLogin, Failure> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(held) = &mut state.held {
            if held.token.take_use(now) {
                self.keep_fresh(held, now);
                return Ok(TokenOrLogin::Token(Arc::clone(&held.token)));
            }
            state.held = None;
        }
        if let Some(login) = &state.login {
            return Ok(TokenOrLogin::Login(login.clone()));
        }
        if let Some((failure, until)) = &state.failed
            && now < *until
        {
            return Err(not_repeated(failure, *until - now));
        }
        Ok(TokenOrLogin::Login(self.start_login(&mut state)))
    }

    /// Starts a login in a task of its own, so that it does not end with the caller who was first.
    fn start_login(
        self: &Arc<Self>,
        state: &mut State,
    ) -> watch::Receiver<Option<Result<(), Failure>>> {
        let (outcome, login) = watch::channel(None);
        state.login = Some(login.clone());
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let granted = shared.authority.log_in().await;
            outcome.send_replace(Some(shared.settle_login(granted)));
        });
        login
    }

    fn settle_login(self: &Arc<Self>, granted: Result<Grant, Failure>) -> Result<(), Failure> {
        let now = Instant::now();
        let mut state = self.state();
        state.login = None;
        match granted {
            Ok(grant) => {
                state.failed = None;
                state.failures = 0;
                state.logins += 1;
                let token = Token::granted(grant, state.logins, now);
                state.held = Some(self.hold(token, now));
                Ok(())
            }
            Err(failure) => {
                state.failures = state.failures.saturating_add(1);
                let pause = pause_after_failed_logins(state.failures);
                state.failed = Some((failure.clone(), now + pause));
                Err(failure)
            }
        }
    }

    fn forget_login(&self, gone: &watch::Receiver<Option<Result<(), Failure>>>) {
        let mut state = self.state();
        if state
            .login
            .as_ref()
            .is_some_and(|login| login.same_channel(gone))
        {
            state.login = None;
        }
    }

    fn hold(self: &Arc<Self>, token: Token, now: Instant) -> Held {
        let mut held = Held {
            token: Arc::new(token),
            refresher: None,
        };
        self.start_refresher(&mut held, now);
        held
    }

    /// Sees to it that the token is refreshed even where the runtime of its task is gone.
    fn keep_fresh(self: &Arc<Self>, held: &mut Held, now: Instant) {
        let is_gone = |refresher: &Refresher| refresher.0.is_finished();
        let is_due = held.token.refresh_at().is_some_and(|at| now >= at);
        if is_due && held.refresher.as_ref().is_none_or(is_gone) {
            self.start_refresher(held, now);
        }
    }

    fn start_refresher(self: &Arc<Self>, held: &mut Held, now: Instant) {
        held.refresher = held.token.refresh_at().map(|at| {
            let shared = Arc::downgrade(self);
            let token = Arc::clone(&held.token);
            Refresher(tokio::spawn(refresh(shared, token, at.max(now))).abort_handle())
        });
    }

    /// Puts the renewed token in place of the one it was, unless that is no longer in use.
    fn settle_renewal(self: &Arc<Self>, token: &Token, grant: &Grant) {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(held) = &mut state.held
            && held.token.generation() == token.generation()
        {
            *held = self.hold(token.renewed(grant, now), now);
        }
    }

    /// Logs in while the old token is still in use, unless a login is under way or has just
    /// failed.
    fn log_in_ahead(self: &Arc<Self>) {
        let mut state = self.state();
        let has_failed = state
            .failed
            .as_ref()
            .is_some_and(|(_, until)| Instant::now() < *until);
        if state.login.is_none() && !has_failed {
            self.start_login(&mut state);
        }
    }
}

/// Renews `token` at `at` or, where that does not help, logs in anew; tries again until its lease
/// is over. A token that nobody has used is not replaced: the next lookup will see to it.
async fn refresh(shared: Weak<Shared>, token: Arc<Token>, at: Instant) {
    sleep_until(at).await;
    let mut renewable = token.is_renewable();
    while !token.is_over(Instant::now()) {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if renewable {
            match shared.authority.renew(token.secret()).await {
                Ok(grant) => return shared.settle_renewal(&token, &grant),
                Err(RenewalFailure::Refused) => renewable = false,
                Err(RenewalFailure::Unavailable) => {}
            }
        }
        if !renewable && token.is_used() {
            shared.log_in_ahead();
        }
        drop(shared);
        sleep(token.pause_before_retry(Instant::now())).await;
    }
}

fn not_repeated(failure: &Failure, pause: Duration) -> Failure {
    let message = format!(
        "{}; the login is not repeated for another {:.1} s",
        failure.message(),
        pause.as_secs_f64()
    );
    Failure::new(failure.kind(), message)
}

#[cfg(test)]
mod tests;
