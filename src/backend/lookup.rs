//! What a backend answered.

use std::{borrow::Cow, fmt, time::Duration};

use super::Failure;
use crate::{Connection, Dialect, Secret};

/// What a backend answered.
///
/// Backends make one with [`found`](Self::found), [`missing`](Self::missing) and
/// [`skipped`](Self::skipped).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup<T> {
    /// The backend defines it.
    #[non_exhaustive]
    Found {
        /// The answer.
        value: T,
        /// What a person would type into that system to see it.
        native_key: String,
        /// How fresh the answer is.
        freshness: Freshness,
    },
    /// The backend looked and does not define it.
    #[non_exhaustive]
    Missing {
        /// Where it looked.
        native_key: String,
        /// Why it counts as missing, where there is more to say.
        reason: Option<String>,
    },
    /// The backend never asks for this.
    #[non_exhaustive]
    Skipped {
        /// Why not.
        reason: SkipReason,
    },
}

/// How fresh an answer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Freshness {
    /// The source answered just now.
    #[default]
    Live,
    /// A cache answered; the source was not asked.
    #[non_exhaustive]
    Cached {
        /// How long ago the source answered.
        age: Duration,
    },
    /// The source could not be asked; this is what it answered last.
    #[non_exhaustive]
    Stale {
        /// How long ago the source answered.
        age: Duration,
        /// Why it could not be asked.
        why: Failure,
    },
}

impl Freshness {
    /// An answer from a cache, `age` old.
    #[must_use]
    pub fn cached(age: Duration) -> Self {
        Self::Cached { age }
    }

    /// The last answer of a source that cannot be asked, because of `why`; it is `age` old.
    #[must_use]
    pub fn stale(age: Duration, why: Failure) -> Self {
        Self::Stale { age, why }
    }

    /// How long ago the source answered, where it did not answer just now.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        match self {
            Self::Live => None,
            Self::Cached { age } | Self::Stale { age, .. } => Some(*age),
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Cached { age } => write!(f, "cached {} s ago", age.as_secs()),
            Self::Stale { age, why } => write!(f, "stale, {} s old: {why}", age.as_secs()),
        }
    }
}

/// Why a backend did not ask.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The backend does not offer this kind of secret.
    NotOffered,
    /// The prefix, path or file for this kind of secret is not set or is `null`.
    NoPrefix,
    /// This setting, which says where this kind of secret is, is not set or is `null`.
    NotSet(Cow<'static, str>),
    /// No system is configured that could be asked.
    NotConfigured(Cow<'static, str>),
    /// The id does not match the backend's lookup pattern.
    Pattern,
    /// The id cannot be a name in that system, or would leave its prefix there.
    InvalidId(Cow<'static, str>),
    /// The rules of multi-team deployments refuse the id.
    Team(Cow<'static, str>),
}

impl SkipReason {
    /// The same reason; where nothing is set for this kind of secret, with the setting that is not.
    #[cfg(any(feature = "azure", feature = "gcp", feature = "vault"))]
    pub(crate) fn about(self, setting: &'static str) -> Self {
        match self {
            Self::NoPrefix => Self::NotSet(setting.into()),
            other => other,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("not offered by this backend"),
            Self::NoPrefix => f.write_str("not configured: no prefix, path or file is set"),
            Self::NotSet(setting) => write!(f, "not configured: {setting:?} is not set"),
            Self::NotConfigured(what) => write!(f, "not configured: {what}"),
            Self::Pattern => f.write_str("the id does not match the lookup pattern"),
            Self::InvalidId(why) => write!(f, "invalid id: {why}"),
            Self::Team(why) => write!(f, "refused for teams: {why}"),
        }
    }
}

impl<T> Lookup<T> {
    /// Found just now, under `native_key`.
    pub fn found(value: T, native_key: impl Into<String>) -> Self {
        Self::Found {
            value,
            native_key: native_key.into(),
            freshness: Freshness::Live,
        }
    }

    /// Looked for under `native_key`, and missing there.
    pub fn missing(native_key: impl Into<String>) -> Self {
        Self::Missing {
            native_key: native_key.into(),
            reason: None,
        }
    }

    /// Looked for under `native_key`, and treated as absent because of `reason`.
    pub fn missing_because(native_key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::missing(native_key).because(Some(reason))
    }

    /// The same answer; where it is *missing*, because of `reason`, if there is one.
    #[must_use]
    pub fn because(mut self, reason: Option<impl Into<String>>) -> Self {
        if let Self::Missing { reason: old, .. } = &mut self {
            *old = reason.map(Into::into);
        }
        self
    }

    /// Not asked for, because of `reason`.
    #[must_use]
    pub fn skipped(reason: SkipReason) -> Self {
        Self::Skipped { reason }
    }

    /// The same answer, `freshness` fresh. What was not found has no freshness.
    #[must_use]
    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        if let Self::Found { freshness: old, .. } = &mut self {
            *old = freshness;
        }
        self
    }

    /// What was found.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Found { value, .. } => Some(value),
            Self::Missing { .. } | Self::Skipped { .. } => None,
        }
    }

    /// The native key that was asked for, if the system was asked.
    #[must_use]
    pub fn native_key(&self) -> Option<&str> {
        match self {
            Self::Found { native_key, .. } | Self::Missing { native_key, .. } => Some(native_key),
            Self::Skipped { .. } => None,
        }
    }

    /// The same answer with its value changed by `change`, whose failure gets the native key.
    ///
    /// # Errors
    /// What `change` fails with.
    pub fn try_map<U>(
        self,
        change: impl FnOnce(T) -> Result<U, Failure>,
    ) -> Result<Lookup<U>, Failure> {
        Ok(match self {
            Self::Found {
                value,
                native_key,
                freshness,
            } => match change(value) {
                Ok(value) => Lookup::Found {
                    value,
                    native_key,
                    freshness,
                },
                Err(failure) => return Err(failure.at(native_key)),
            },
            Self::Missing { native_key, reason } => Lookup::Missing { native_key, reason },
            Self::Skipped { reason } => Lookup::Skipped { reason },
        })
    }
}

impl Lookup<Secret> {
    /// Reads the text that was found as connection `conn_id`, as Airflow's base backend does: an
    /// empty text counts as missing.
    ///
    /// # Errors
    /// A [`Failure`] of kind [`InvalidValue`](super::FailureKind::InvalidValue) when the text is
    /// not a connection.
    pub fn into_connection(
        self,
        conn_id: &str,
        dialect: Dialect,
    ) -> Result<Lookup<Connection>, Failure> {
        match self {
            Self::Found {
                value, native_key, ..
            } if value.is_empty() => Ok(Lookup::missing_because(
                native_key,
                "the value is empty, and Airflow treats an empty connection as absent",
            )),
            other => {
                other.try_map(|value| Ok(Connection::from_value(conn_id, value.expose(), dialect)?))
            }
        }
    }
}
