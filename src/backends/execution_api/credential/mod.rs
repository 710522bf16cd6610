//! The token: read from its source, replaced by what the server gives, read again where it is denied.

mod claims;
mod source;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::HeaderValue;
use tokio::time::{Instant, timeout};

pub use self::source::ExecutionApiCredential;
use self::{claims::Claims, source::Source};
use crate::{
    Failure, Secret,
    backends::keeper::{Keeper, Login},
};

/// How long a source that has just given the same token again is not asked once more.
const UNCHANGED_FOR: Duration = Duration::from_secs(1);

/// The longest pause before the next look at a token that is kept alive: timers stand still while a
/// machine sleeps.
const NO_HURRY: Duration = Duration::from_secs(60);

/// A token that requests carry.
#[derive(Debug)]
pub(super) struct Token {
    /// The value of `Authorization`, marked as sensitive.
    bearer: HeaderValue,
    claims: Option<Claims>,
}

impl Token {
    /// # Errors
    /// When no header can hold it.
    fn new(text: &Secret) -> Result<Self, Failure> {
        let unusable = || {
            Failure::configuration(
                "the Execution API's token is empty, or contains a character that no token has",
            )
        };
        let is_plain = |byte: u8| byte.is_ascii_graphic();
        if text.is_empty() || !text.expose().bytes().all(is_plain) {
            return Err(unusable());
        }
        let bearer = Secret::from(format!("Bearer {}", text.expose()));
        let bearer = HeaderValue::from_str(bearer.expose());
        let mut bearer = bearer.map_err(|_| unusable())?;
        bearer.set_sensitive(true);
        Ok(Self {
            bearer,
            claims: Claims::of(text),
        })
    }

    pub(super) fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }

    /// How long ago it ended, as far as it says itself.
    pub(super) fn ended(&self) -> Option<Duration> {
        self.claims?.ended()
    }
}

/// The token of all requests.
#[derive(Debug)]
pub(super) struct Tokens {
    source: Source,
    given: Keeper<Reads>,
    state: Mutex<Option<Held>>,
}

/// The token in use.
#[derive(Debug)]
struct Held {
    /// What the source gave last; it, or what the server gave in its place, is in use.
    given: Arc<Given>,
    token: Arc<Token>,
    /// When the source last gave the same again.
    unchanged: Option<Instant>,
}

impl Tokens {
    /// Tokens of `credential`, which has `limit` to give one.
    pub(super) fn new(credential: &ExecutionApiCredential, limit: Duration) -> Self {
        let source = credential.0.clone();
        Self {
            given: Keeper::new(Reads {
                source: source.clone(),
                limit,
            }),
            source,
            state: Mutex::new(None),
        }
    }

    /// The source as messages name it.
    pub(super) fn named(&self) -> String {
        self.source.named()
    }

    /// The token in use; the first time that of the source.
    ///
    /// # Errors
    /// When the source gives none.
    pub(super) async fn get(&self) -> Result<Arc<Token>, Failure> {
        if let Some(held) = &*self.state() {
            return Ok(Arc::clone(&held.token));
        }
        self.read().await
    }

    /// Another token than `denied`, if there is one: what is in use by now, else what the source gives
    /// if that is another than before.
    ///
    /// # Errors
    /// When the source gives none.
    pub(super) async fn another_than(
        &self,
        denied: &Arc<Token>,
    ) -> Result<Option<Arc<Token>>, Failure> {
        {
            let state = self.state();
            let Some(held) = &*state else {
                return Ok(None);
            };
            if !Arc::ptr_eq(&held.token, denied) {
                return Ok(Some(Arc::clone(&held.token)));
            }
            let is_recent = |at: Instant| at.elapsed() < UNCHANGED_FOR;
            if !self.source.can_change() || held.unchanged.is_some_and(is_recent) {
                return Ok(None);
            }
            self.given.forget(&held.given);
        }
        let token = self.read().await?;
        Ok((!Arc::ptr_eq(&token, denied)).then_some(token))
    }

    /// Puts `new`, which the server gave to a request with `old`, in the place of `old`.
    pub(super) fn replace(&self, old: &Arc<Token>, new: &HeaderValue) {
        let Ok(new) = new.to_str().map(Secret::from) else {
            return;
        };
        // One that no header can hold is none.
        let Ok(new) = Token::new(&new) else { return };
        if let Some(held) = &mut *self.state()
            && Arc::ptr_eq(&held.token, old)
        {
            held.token = Arc::new(new);
        }
    }

    /// What the source gives, taken into use if it is another than before.
    async fn read(&self) -> Result<Arc<Token>, Failure> {
        let given = self.given.get().await?;
        let mut state = self.state();
        match &mut *state {
            Some(held) if held.given.text == given.text => {
                if !Arc::ptr_eq(&held.given, &given) {
                    held.given = given;
                    held.unchanged = Some(Instant::now());
                }
                Ok(Arc::clone(&held.token))
            }
            state => {
                let token = Arc::clone(&given.token);
                *state = Some(Held {
                    given,
                    token: Arc::clone(&token),
                    unchanged: None,
                });
                Ok(token)
            }
        }
    }

    /// The token in use, where it is time to ask for the next one; else how long to wait before the next
    /// look. The server gives the next one in the last part of a token's life: it is asked in the middle
    /// of that.
    pub(super) fn to_renew(&self) -> Result<Arc<Token>, Duration> {
        let state = self.state();
        let held = state.as_ref().ok_or(NO_HURRY)?;
        let claims = held.token.claims.ok_or(NO_HURRY)?;
        let (left, middle) = (claims.left(), claims.last_part() / 2);
        if left.is_zero() {
            return Err(NO_HURRY);
        }
        match left.checked_sub(middle) {
            Some(early) if !early.is_zero() => Err(early.min(NO_HURRY)),
            _ => Ok(Arc::clone(&held.token)),
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Held>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the source gave.
#[derive(Debug)]
struct Given {
    text: Secret,
    token: Arc<Token>,
}

/// Reads the source.
#[derive(Debug)]
struct Reads {
    source: Source,
    limit: Duration,
}

impl Login for Reads {
    type Kept = Given;

    async fn log_in(&self) -> Result<Given, Failure> {
        let text = timeout(self.limit, self.source.read()).await;
        let text = text.unwrap_or_else(|_| {
            let seconds = self.limit.as_secs_f64();
            Err(Failure::unavailable(format!(
                "no token for the Execution API within {seconds} s"
            )))
        })?;
        let token = Arc::new(Token::new(&text)?);
        Ok(Given { text, token })
    }

    fn is_observed(&self) -> bool {
        self.source.can_change()
    }

    fn is_good(&self, _: &Given) -> bool {
        true
    }
}
