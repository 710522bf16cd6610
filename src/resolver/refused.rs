//! A value that turned out to be wrong: the sources are asked for it once more, but not again and again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::{Chain, Resolved, Resolver, question::Question};
use crate::{ConfigurationError, Error, backend::LookupOptions, report::Asked};

/// For how long the sources are not asked again at first; each time is twice as long as the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What came of it that a value was refused; see [`Resolved::refused`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Refused<T> {
    /// There is another value now: try that.
    Changed(Resolved<T>),
    /// The sources were asked, and give the value that was refused.
    Unchanged(Resolved<T>),
    /// The sources were asked a moment ago, and are not asked before this time has passed.
    TooSoon(Duration),
}

impl<T> Refused<T> {
    /// The other value, if there is one.
    #[must_use]
    pub fn changed(self) -> Option<Resolved<T>> {
        match self {
            Self::Changed(answer) => Some(answer),
            Self::Unchanged(_) | Self::TooSoon(_) => None,
        }
    }
}

impl<T> Resolved<T> {
    /// Reports that the value turned out to be wrong, a login with it was refused for instance: it may
    /// have been changed since it was looked up. Asks the sources for it once more, as the handle did that
    /// gave this answer, whether a cache keeps it or not, and says whether the value is another one.
    ///
    /// - Where a cache has a newer value already, that is given, and nobody is asked.
    /// - All who report the same at the same time share one search.
    /// - After it, the sources are not asked again on such a report for a second, then for two, four, and
    ///   so on up to five minutes, for each id by itself. Then it is [`Refused::TooSoon`]: a wrong
    ///   password in the source itself makes no program hammer it. Another value, or five calm minutes,
    ///   make the next time a second again.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use airflow_secrets::{Refused, Resolver, backends::memory::MemoryBackend};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let backend = Arc::new(MemoryBackend::new("mine").with_variable("token", "old"));
    /// let resolver = Resolver::builder()
    ///     .backend(Arc::clone(&backend))
    ///     .build();
    /// let token = resolver.get_variable("token").await?;
    /// backend.set_variable("token", "new");
    ///
    /// // The server says that the token is wrong.
    /// let Refused::Changed(token) = token.refused().await? else {
    ///     panic!("the token is wrong, and there is no other");
    /// };
    /// assert_eq!(token.expose(), "new");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error`], as the lookup itself: where no source defines the id any more, or one could not be
    /// asked. [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) where every handle on the
    /// resolver is gone.
    pub async fn refused(&self) -> Result<Refused<T>, Error> {
        let asker = self.asker();
        let resolver = asker.resolver().ok_or_else(|| {
            let problem = "every handle on it is gone: keep one as long as its answers are used";
            ConfigurationError::new("the resolver", "an answer that was refused", problem)
        })?;
        (asker.ask_again)(resolver, asker.asked.id().to_owned(), self.clone()).await
    }
}

/// Who asked for an answer, and how. It keeps no resolver alive: a resolver's cache holds answers.
pub(super) struct Asker<T> {
    chain: Weak<Chain>,
    options: LookupOptions,
    strict: bool,
    limit: Option<Duration>,
    asked: Asked,
    ask_again: AskAgain<T>,
}

type AskAgain<T> =
    fn(Resolver, String, Resolved<T>) -> BoxFuture<'static, Result<Refused<T>, Error>>;

impl<T> Asker<T> {
    /// What was asked for.
    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }

    fn resolver(&self) -> Option<Resolver> {
        Some(Resolver {
            chain: self.chain.upgrade()?,
            options: self.options.clone(),
            strict: self.strict,
            limit: self.limit,
            refreshed: false,
        })
    }

    #[cfg(all(test, feature = "cache"))]
    pub(super) fn nobody() -> Self {
        Self {
            chain: Weak::new(),
            options: LookupOptions::new(),
            strict: false,
            limit: None,
            asked: Asked::Variable(String::new()),
            ask_again: |_, _, _| async { Ok(Refused::TooSoon(Duration::ZERO)) }.boxed(),
        }
    }
}

impl Resolver {
    /// The one who asks for `id`.
    pub(super) fn asker<Q: Question>(&self, id: &str) -> Asker<Q::Value> {
        Asker {
            chain: Arc::downgrade(&self.chain),
            options: self.options.clone(),
            strict: self.strict,
            limit: self.limit,
            asked: Q::KIND.asked(id),
            ask_again: |resolver, id, refused| {
                async move { resolver.ask_again::<Q>(&id, &refused).await }.boxed()
            },
        }
    }

    async fn ask_again<Q: Question>(
        &self,
        id: &str,
        refused: &Q::Value,
    ) -> Result<Refused<Q::Value>, Error> {
        // Another caller may have found out since.
        if let Some(Ok(kept)) = self.kept::<Q>(id)
            && *kept != *refused
        {
            return Ok(Refused::Changed(kept));
        }
        let question = (Q::KIND.asked(id), self.options.clone());
        let search = {
            let mut refusals = self.chain.refusals.lock();
            let anew = self.refreshed();
            match anew.under_way::<Q>(id) {
                Some(search) => search,
                None => match refusals.claim(&question, self.chain.clock.now()) {
                    Ok(()) => {
                        self.invalidate_sources();
                        anew.join::<Q>(id, self.deadline())
                    }
                    Err(left) => return Ok(Refused::TooSoon(left)),
                },
            }
        };
        let answer = search.answer.await?;
        if *answer == *refused {
            return Ok(Refused::Unchanged(answer));
        }
        self.chain.refusals.lock().calm(&question);
        Ok(Refused::Changed(answer))
    }
}

/// When the sources may be asked again for what was refused.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Pauses>);

#[derive(Default)]
struct Pauses(HashMap<(Asked, LookupOptions), Pause>);

struct Pause {
    length: Duration,
    until: Instant,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, Pauses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pauses {
    /// Begins a pause for `question`, or gives what is left of one.
    fn claim(&mut self, question: &(Asked, LookupOptions), now: Instant) -> Result<(), Duration> {
        let is_calm = |pause: &Pause| now.saturating_duration_since(pause.until) > LONGEST_PAUSE;
        self.0.retain(|_, pause| !is_calm(pause));
        let length = match self.0.get(question) {
            None => FIRST_PAUSE,
            Some(pause) if pause.until <= now => (pause.length * 2).min(LONGEST_PAUSE),
            Some(pause) => return Err(pause.until.saturating_duration_since(now)),
        };
        if let Some(until) = now.checked_add(length) {
            self.0.insert(question.clone(), Pause { length, until });
        }
        Ok(())
    }

    /// There was another value for `question`: its next pause is short again.
    fn calm(&mut self, question: &(Asked, LookupOptions)) {
        if let Some(pause) = self.0.get_mut(question) {
            pause.length = FIRST_PAUSE / 2;
        }
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values were refused", self.lock().0.len())
    }
}
