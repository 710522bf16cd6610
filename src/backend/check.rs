//! What a check of a backend found.

use super::SkipReason;

/// The id that a check asks for where a system answers for single ids only: `airflow-secrets-check`. It
/// need not exist.
pub const CHECK_ID: &str = "airflow-secrets-check";

/// What a check of a backend found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The system answered, and lets us read.
    #[non_exhaustive]
    Reachable {
        /// What it was asked for, in its own terms.
        native_key: String,
    },
    /// Nothing was asked.
    #[non_exhaustive]
    Skipped {
        /// Why not.
        reason: SkipReason,
    },
}

impl CheckOutcome {
    /// Asked for `native_key`, the system answered, and lets us read.
    pub fn reachable(native_key: impl Into<String>) -> Self {
        Self::Reachable {
            native_key: native_key.into(),
        }
    }

    /// Nothing was asked, because of `reason`.
    #[must_use]
    pub fn skipped(reason: SkipReason) -> Self {
        Self::Skipped { reason }
    }

    /// The outcome in one word: `reachable` or `skipped`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reachable { .. } => "reachable",
            Self::Skipped { .. } => "skipped",
        }
    }
}
