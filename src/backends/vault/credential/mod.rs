//! The token's life: a lease that is renewed before it ends, and what a 403 means.

pub(super) mod file;
mod lease;
pub(super) mod login;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::HeaderValue;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use self::lease::Grant;
pub(super) use self::lease::Token;
use super::answer::Denial;
use crate::{
    Failure,
    backends::keeper::{Keeper, Login},
    observer::Current,
};

/// The shortest time from any login to one that Vault's refusal of a token causes.
const LOGIN_INTERVAL: Duration = Duration::from_secs(1);

/// Gives tokens: Vault, or a file.
#[async_trait]
pub(super) trait Authority: fmt::Debug + Send + Sync + 'static {
    /// Gets a token.
    async fn log_in(&self) -> Result<Grant, Failure>;

    /// Where [`log_in`](Self::log_in) gets the token from.
    fn source(&self) -> TokenSource;

    /// Whether the file that the token was read from has changed since.
    async fn has_changed(&self) -> bool {
        false
    }

    /// Renews `token`.
    async fn renew(&self, token: &HeaderValue) -> Result<Grant, RenewalFailure>;
}

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenSource {
    /// The program's settings: it never changes.
    Settings,
    /// A file, which costs Vault nothing.
    File,
    /// A login.
    Login,
}

/// Why a token was not renewed.
#[derive(Debug)]
pub(super) enum RenewalFailure {
    /// Vault refused: only a login helps.
    Refused,
    /// Vault could not be asked.
    Unavailable,
}

/// What follows from a 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The path is denied, or there is no other token.
    Denied,
    /// The token is replaced: the read is repeated.
    Repeat,
}

/// Keeps the token of one backend, for all its requests.
#[derive(Debug)]
pub(super) struct TokenKeeper {
    keeper: Keeper<Logins>,
    /// For how long a token is not suspected after Vault accepted it, where a 403 does not tell
    /// whether token or path is the cause.
    proof_window: Duration,
    refresher: Mutex<Option<Refresher>>,
}

impl TokenKeeper {
    pub(super) fn new(authority: Box<dyn Authority>, proof_window: Duration) -> Self {
        Self {
            keeper: Keeper::new(Logins {
                authority,
                count: AtomicU64::new(0),
                last: Mutex::default(),
                is_after_refusal: AtomicBool::new(false),
            }),
            proof_window,
            refresher: Mutex::default(),
        }
    }

    /// The token, for one request.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Failure> {
        if let Some(kept) = self.keeper.kept()
            && self.keeper.login().authority.has_changed().await
        {
            self.keeper.forget(&kept);
        }
        let token = self.keeper.get().await?;
        self.keep_fresh(&token);
        Ok(token)
    }

    /// Records that Vault accepted `token`.
    pub(super) fn prove(token: &Token) {
        token.prove(Instant::now());
    }

    /// What follows from a 403 with this `denial` for a request with `token`. Where the token is at
    /// fault or suspect, no further request uses it.
    pub(super) fn judge(&self, token: &Token, denial: Denial) -> Verdict {
        if denial == Denial::Path {
            return Verdict::Denied;
        }
        let current = self.keeper.kept();
        let Some(current) = current.filter(|kept| kept.generation() == token.generation()) else {
            return Verdict::Repeat;
        };
        let logins = self.keeper.login();
        let is_above_suspicion =
            denial != Denial::Token && token.is_proven(self.proof_window, Instant::now());
        if is_above_suspicion || logins.authority.source() == TokenSource::Settings {
            return Verdict::Denied;
        }
        logins.is_after_refusal.store(true, Ordering::Relaxed);
        self.keeper.forget(&current);
        Verdict::Repeat
    }

    /// Starts a task that refreshes `token`, unless one is running: the runtime of an earlier one may
    /// have ended.
    fn keep_fresh(&self, token: &Token) {
        if token.refresh_at().is_none() {
            return;
        }
        let mut refresher = self
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let generation = token.generation();
        let is_at_work = |it: &Refresher| it.generation == generation && !it.task.is_finished();
        if !refresher.as_ref().is_some_and(is_at_work) {
            *refresher = Some(Refresher {
                generation,
                task: tokio::spawn(Current::scope(Current::get(), refresh(self.keeper.clone()))),
            });
        }
    }
}

/// Logs in, and counts how often.
#[derive(Debug)]
struct Logins {
    authority: Box<dyn Authority>,
    count: AtomicU64,
    /// When the last login began.
    last: Mutex<Option<Instant>>,
    /// Whether Vault refused the last token.
    is_after_refusal: AtomicBool,
}

impl Logins {
    /// Waits, after a refusal, until the last login is [`LOGIN_INTERVAL`] ago.
    async fn keep_interval(&self) {
        let is_after_refusal = self.is_after_refusal.swap(false, Ordering::Relaxed);
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last
            && is_after_refusal
            && self.authority.source() == TokenSource::Login
        {
            sleep_until(last + LOGIN_INTERVAL).await;
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl Login for Logins {
    type Kept = Token;

    async fn log_in(&self) -> Result<Token, Failure> {
        self.keep_interval().await;
        let grant = self.authority.log_in().await?;
        let generation = self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Token::granted(grant, generation, Instant::now()))
    }

    fn is_observed(&self) -> bool {
        self.authority.source() == TokenSource::Login
    }

    fn is_good(&self, token: &Token) -> bool {
        !token.is_over(Instant::now())
    }

    fn take_use(&self, token: &Token) -> bool {
        token.take_use()
    }

    fn not_repeated(&self, failure: &Failure, pause: Duration) -> Failure {
        let message = format!(
            "{}; the login is not repeated for another {:.1} s",
            failure.message(),
            pause.as_secs_f64()
        );
        Failure::new(failure.kind(), message).with_retry_after(pause)
    }
}

/// A task that refreshes tokens, and ends when this is dropped.
#[derive(Debug)]
struct Refresher {
    /// Of the token that it began with.
    generation: u64,
    task: JoinHandle<()>,
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Renews the token when it is due or, where that does not help, logs in again; repeats both until the
/// lease is over. A token that no lookup has used is not replaced: the next lookup logs in.
async fn refresh(keeper: Keeper<Logins>) {
    let mut last_try = None;
    while let Some(token) = keeper.kept()
        && let Some(due) = token.refresh_at()
    {
        let tried = last_try.filter(|(generation, _)| *generation == token.generation());
        sleep_until(tried.map_or(due, |(_, pause_ends)| due.max(pause_ends))).await;
        if keeper.kept().is_none_or(|kept| !Arc::ptr_eq(&kept, &token)) {
            continue;
        }
        if token.is_over(Instant::now()) {
            return;
        }
        if token.is_renewable() {
            match keeper.login().authority.renew(token.header()).await {
                Ok(grant) => {
                    keeper.replace(&token, token.renewed(&grant, Instant::now()));
                    last_try = None;
                    continue;
                }
                Err(RenewalFailure::Refused) => token.refuse_renewal(),
                Err(RenewalFailure::Unavailable) => {}
            }
        }
        if !token.is_renewable() && token.is_used() {
            keeper.log_in_ahead();
        }
        let now = Instant::now();
        last_try = Some((token.generation(), now + token.pause_before_retry(now)));
    }
}

#[cfg(test)]
mod tests;
