//! The observers of one resolver.

use std::{sync::Arc, time::Instant};

use tracing::Span;

use super::{
    AnswerEvent, Asking, AttemptEvent, BreakerEvent, CacheEvent, Ending, LoginEvent, Observer,
    tracing::TracingObserver,
};
use crate::{Error, Resolved};

/// All of them. A clone is the same list.
#[derive(Debug, Clone)]
pub(crate) struct Observers {
    all: Arc<[Arc<dyn Observer>]>,
    has_spans: bool,
}

impl Observers {
    /// `further` ones, after the one that writes to `tracing` if it is wanted.
    pub(crate) fn new(has_tracing: bool, further: Vec<Arc<dyn Observer>>) -> Self {
        let tracing = has_tracing.then(|| Arc::new(TracingObserver::new()) as Arc<dyn Observer>);
        Self {
            all: tracing.into_iter().chain(further).collect(),
            has_spans: has_tracing,
        }
    }

    /// `span`, if spans are wanted.
    pub(crate) fn span(&self, span: impl FnOnce() -> Span) -> Span {
        if self.has_spans { span() } else { Span::none() }
    }

    fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in self.all.iter() {
            event(&**observer);
        }
    }
}

impl Observer for Observers {
    fn began(&self, asked: &Asking<'_>) {
        self.tell(|observer| observer.began(asked));
    }

    fn attempt(&self, event: &AttemptEvent<'_>) {
        self.tell(|observer| observer.attempt(event));
    }

    fn answer(&self, event: &AnswerEvent<'_>) {
        self.tell(|observer| observer.answer(event));
    }

    fn cache(&self, event: &CacheEvent<'_>) {
        self.tell(|observer| observer.cache(event));
    }

    fn login(&self, event: &LoginEvent<'_>) {
        self.tell(|observer| observer.login(event));
    }

    fn breaker(&self, event: &BreakerEvent<'_>) {
        self.tell(|observer| observer.breaker(event));
    }
}

/// A lookup under way, whose end is told also where it is dropped before.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    observers: &'a Observers,
    asked: Asking<'a>,
    began: Instant,
    has_ended: bool,
}

impl<'a> Watched<'a> {
    pub(crate) fn begin(observers: &'a Observers, asked: Asking<'a>) -> Self {
        observers.began(&asked);
        Self {
            observers,
            asked,
            began: Instant::now(),
            has_ended: false,
        }
    }

    /// Passes `answer` on.
    pub(crate) fn end<T>(
        mut self,
        answer: Result<Resolved<T>, Error>,
    ) -> Result<Resolved<T>, Error> {
        self.tell(match &answer {
            Ok(answer) => Ending::Found {
                source: answer.source(),
                freshness: answer.freshness(),
            },
            Err(error) => Ending::Unanswered { error },
        });
        answer
    }

    fn tell(&mut self, ending: Ending<'_>) {
        self.has_ended = true;
        self.observers.answer(&AnswerEvent {
            asked: self.asked,
            ending,
            elapsed: self.began.elapsed(),
        });
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tell(Ending::GivenUp);
        }
    }
}
