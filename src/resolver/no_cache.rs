//! What takes the cache's place in a build without it: nothing is kept.

use std::time::Duration;

use super::{
    Desk, Link, Resolved, Resolver, ResolverBuilder,
    flight::{Answer, Flights},
    question::Question,
    watch::Polls,
};
use crate::{
    ConfigurationError,
    clock::Clock,
    config::{RawSetting, Settings, Warning},
};

/// See the cache's.
#[derive(Debug, Default)]
pub(super) struct Setup {}

impl ResolverBuilder {
    /// Says that `[secrets] use_cache` is ignored, where it is on.
    #[allow(clippy::unused_self, reason = "the cache's twin needs it")]
    pub(super) fn cache_as_set(self, settings: &Settings) -> Result<Self, ConfigurationError> {
        let setting = settings.get("secrets", "use_cache")?;
        Ok(match setting {
            Some(RawSetting::Value(setting)) if settings.use_cache()? => {
                let message =
                    "no answer is cached: enable airflow-secrets' cargo feature \"cache\"";
                self.warnings(Warning::logged(vec![setting.warning(message)]))
            }
            _ => self,
        })
    }
}

impl<T> Desk<T> {
    pub(super) fn new(_: &Setup, _: &Clock) -> Self {
        Self {
            flights: Flights::default(),
            polls: Polls::default(),
        }
    }
}

/// See the cache's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Era {
    refreshed: bool,
}

impl Resolver {
    pub(super) fn era<Q: Question>(&self) -> Era {
        Era {
            refreshed: self.refreshed,
        }
    }

    #[allow(clippy::unused_self, reason = "the cache's twin needs it")]
    pub(super) fn kept<Q: Question>(&self, _: &str) -> Option<Answer<Q::Value>> {
        None
    }

    #[allow(clippy::unused_self, reason = "the cache's twin needs it")]
    pub(super) fn last_answer<Q: Question>(
        &self,
        _: &str,
        _: &Link,
    ) -> Option<(Resolved<Q::Value>, Duration)> {
        None
    }

    #[allow(clippy::unused_self, reason = "the cache's twin needs it")]
    pub(super) fn forget<Q: Question>(&self, _: &str, _: &Link) {}

    #[allow(clippy::unused_self, reason = "the cache's twin needs it")]
    pub(super) fn keep<Q: Question>(&self, _: &str, _: &Answer<Q::Value>, _: Era) {}
}
