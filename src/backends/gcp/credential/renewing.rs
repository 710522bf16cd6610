//! Credentials that come back: Google's library gives up for good on what it takes for a lasting
//! failure, but a role may be granted, and a clock set right, while a program runs.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use google_cloud_auth::{
    credentials::{CacheableResource, Credentials, CredentialsProvider},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap};
use tokio::time::Instant;

use super::identity::Identity;

/// How long a failed login is not repeated: first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Credentials that are made anew some time after they failed.
#[derive(Debug)]
pub(in crate::backends::gcp) struct Renewing {
    identity: Identity,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Credentials,
    /// How often they were made.
    generation: u32,
    /// Since when they are of no use.
    failed: Option<Instant>,
    pause: Duration,
}

impl Renewing {
    /// Those of `identity`.
    ///
    /// # Errors
    /// When Google's library does not take them.
    pub(in crate::backends::gcp) fn new(identity: Identity) -> Result<Self, CredentialsError> {
        let state = State {
            current: identity.credentials()?,
            generation: 0,
            failed: None,
            pause: FIRST_PAUSE,
        };
        Ok(Self {
            identity,
            state: Mutex::new(state),
        })
    }

    fn current(&self) -> Result<(Credentials, u32), CredentialsError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .failed
            .is_some_and(|since| since.elapsed() >= state.pause)
        {
            state.current = self.identity.credentials()?;
            state.generation = state.generation.wrapping_add(1);
            state.failed = None;
            state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        }
        Ok((state.current.clone(), state.generation))
    }

    /// Notes how it went with the credentials of `generation`.
    fn judge(&self, generation: u32, has_failed: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if generation != state.generation {
            return;
        }
        if !has_failed {
            (state.failed, state.pause) = (None, FIRST_PAUSE);
        } else if state.failed.is_none() {
            state.failed = Some(Instant::now());
        }
    }
}

impl CredentialsProvider for Renewing {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let (credentials, generation) = self.current()?;
        // The library panics at a token that has ended already, as one has by a clock that is
        // ahead; nothing of ours is left half done then.
        let headers = AssertUnwindSafe(credentials.headers(extensions));
        let headers = headers.catch_unwind().await.unwrap_or_else(|_| {
            let message = "the token cannot be used, maybe for its end";
            Err(CredentialsError::from_msg(false, message))
        });
        self.judge(generation, headers.is_err());
        headers
    }

    async fn universe_domain(&self) -> Option<String> {
        let (credentials, _) = self.current().ok()?;
        credentials.universe_domain().await
    }
}
