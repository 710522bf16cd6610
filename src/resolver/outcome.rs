//! The rules of precedence, all of them, as pure functions.
//!
//! | a source's outcome | by default, as Airflow | under `strict()` |
//! |---|---|---|
//! | found | answer | answer |
//! | missing, skipped | next source | next source |
//! | failed | remember, next source | stop |
//! | denied by an authority whose word is final | stop | stop |
//!
//! Where no source answers, what was remembered decides the error: *unavailable* if any source
//! could not be asked, else *access denied* if any refused, else *misconfigured* if any lacks a
//! setting, else *invalid value* if any holds what cannot be read; *not found* only when every
//! source looked and has nothing.

use super::report::{Asked, Attempt, AttemptOutcome, Report};
use crate::{Error, FailureKind};

/// What comes after one source's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is the answer.
    Answer,
    /// Ask the next source.
    Source,
    /// Ask nobody else: the outcome is the error.
    Stop,
}

/// What comes after `outcome`.
pub(super) fn after(outcome: &AttemptOutcome, strict: bool) -> Next {
    match outcome {
        AttemptOutcome::Found => Next::Answer,
        AttemptOutcome::Missing(_) | AttemptOutcome::Skipped(_) => Next::Source,
        AttemptOutcome::Failed(failure) => match failure.kind() {
            FailureKind::FinalDenial => Next::Stop,
            _ if strict => Next::Stop,
            _ => Next::Source,
        },
    }
}

/// The error for a question that no source answered.
pub(super) fn unanswered(asked: Asked, report: Report) -> Error {
    match worst_failure(report.attempts()) {
        None => Error::NotFound { asked, report },
        Some(FailureKind::Unavailable) => Error::Unavailable { asked, report },
        Some(FailureKind::AccessDenied | FailureKind::FinalDenial) => {
            Error::AccessDenied { asked, report }
        }
        Some(FailureKind::Configuration) => Error::Misconfigured { asked, report },
        Some(FailureKind::InvalidValue) => Error::InvalidValue { asked, report },
    }
}

/// The failure that says most about why there is no answer. A final denial stopped the search, so
/// it outranks what was remembered before it.
fn worst_failure(attempts: &[Attempt]) -> Option<FailureKind> {
    let rank = |kind: &FailureKind| match kind {
        FailureKind::FinalDenial => 4,
        FailureKind::Unavailable => 3,
        FailureKind::AccessDenied => 2,
        FailureKind::Configuration => 1,
        FailureKind::InvalidValue => 0,
    };
    attempts
        .iter()
        .filter_map(|attempt| match attempt.outcome() {
            AttemptOutcome::Failed(failure) => Some(failure.kind()),
            _ => None,
        })
        .max_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, SkipReason};

    fn failed(kind: FailureKind) -> AttemptOutcome {
        AttemptOutcome::Failed(Failure::new(kind, "why"))
    }

    fn error_after(outcomes: Vec<AttemptOutcome>) -> &'static str {
        let attempts = outcomes
            .into_iter()
            .map(|outcome| Attempt {
                backend: "backend".into(),
                outcome,
                native_key: None,
                elapsed: std::time::Duration::ZERO,
            })
            .collect();
        let report = Report {
            attempts,
            ..Report::default()
        };
        unanswered(Asked::Variable("key".into()), report).as_str()
    }

    #[test]
    fn the_table_of_precedence_holds() {
        let missing = AttemptOutcome::Missing(None);
        let skipped = AttemptOutcome::Skipped(SkipReason::NotOffered);
        for strict in [false, true] {
            assert_eq!(after(&AttemptOutcome::Found, strict), Next::Answer);
            assert_eq!(after(&missing, strict), Next::Source);
            assert_eq!(after(&skipped, strict), Next::Source);
            assert_eq!(after(&failed(FailureKind::FinalDenial), strict), Next::Stop);
        }
        for kind in [
            FailureKind::Unavailable,
            FailureKind::AccessDenied,
            FailureKind::InvalidValue,
            FailureKind::Configuration,
        ] {
            assert_eq!(after(&failed(kind), false), Next::Source);
            assert_eq!(after(&failed(kind), true), Next::Stop);
        }
    }

    #[test]
    fn not_found_is_said_only_when_every_source_looked() {
        let missing = AttemptOutcome::Missing(None);
        let invalid = failed(FailureKind::InvalidValue);
        let misconfigured = failed(FailureKind::Configuration);
        let denied = failed(FailureKind::AccessDenied);
        let down = failed(FailureKind::Unavailable);
        assert_eq!(error_after(vec![]), "not_found");
        assert_eq!(error_after(vec![missing.clone()]), "not_found");
        assert_eq!(error_after(vec![invalid.clone(), missing]), "invalid_value");
        assert_eq!(
            error_after(vec![misconfigured.clone(), invalid.clone()]),
            "configuration"
        );
        assert_eq!(
            error_after(vec![denied.clone(), misconfigured]),
            "access_denied"
        );
        assert_eq!(error_after(vec![down, denied, invalid]), "unavailable");
    }

    #[test]
    fn a_final_denial_outranks_an_outage_before_it() {
        let down = failed(FailureKind::Unavailable);
        let denied = failed(FailureKind::FinalDenial);
        assert_eq!(error_after(vec![down, denied]), "access_denied");
    }
}
