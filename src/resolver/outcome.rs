//! The rules of precedence, all of them, as pure functions.
//!
//! | a source's outcome | by default, as Airflow | under `strict()` |
//! |---|---|---|
//! | found | answer | answer |
//! | missing, skipped | next source | next source |
//! | unavailable, and its last answer may be given | that answer | stop |
//! | failed otherwise | remember, next source | stop |
//! | denied by an authority whose denial is final | stop | stop |
//!
//! The last answer of a source that is unavailable comes before what a lower source would say: so an
//! outage does not change precedence. It may be given where a cache keeps it for that
//! (`CacheOptions::with_stale_for`), and to nobody who asks strictly.
//!
//! Where no source answers, the most serious failure decides the error:
//!
//! 1. *access denied* if an authority's denial is final: it stopped the search,
//! 2. else *unavailable* if any source could not be asked,
//! 3. else *access denied* if any source refused,
//! 4. else *configuration* if a setting of any source is not set or is invalid,
//! 5. else *invalid value* if any source holds an invalid value,
//! 6. else *not found*: no source failed, and none defines it.

use crate::{
    Error, ErrorKind, Failure,
    backend::FailureKind,
    report::{Asked, AttemptOutcome, Report},
};

/// What comes after one source's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is the answer.
    Answer,
    /// The last answer of the same source is.
    LastAnswer,
    /// Ask the next source.
    Source,
    /// Ask no other source: the outcome is the error.
    Stop,
}

/// What comes after `outcome` of a source of which the last answer is kept, or is not.
pub(super) fn after(outcome: &AttemptOutcome, strict: bool, has_last_answer: bool) -> Next {
    match outcome {
        AttemptOutcome::Found { .. } => Next::Answer,
        AttemptOutcome::Missing { .. } | AttemptOutcome::Skipped { .. } => Next::Source,
        AttemptOutcome::Failed { failure } => match failure.kind() {
            FailureKind::FinalDenial => Next::Stop,
            _ if strict => Next::Stop,
            FailureKind::Unavailable if has_last_answer => Next::LastAnswer,
            _ => Next::Source,
        },
    }
}

/// The error for a question that no source answered.
pub(super) fn unanswered(asked: Asked, report: Report) -> Error {
    let deciding = deciding_failure(&report);
    let kind = match deciding.map(|(_, kind)| kind) {
        None => ErrorKind::NotFound,
        Some(FailureKind::Unavailable) => ErrorKind::Unavailable,
        Some(FailureKind::AccessDenied | FailureKind::FinalDenial) => ErrorKind::AccessDenied,
        Some(FailureKind::Configuration) => ErrorKind::Configuration,
        Some(FailureKind::InvalidValue) => ErrorKind::InvalidValue,
    };
    Error::unanswered(kind, asked, report, deciding.map(|(index, _)| index))
}

/// The first of the most serious failures: its index among the report's
/// failures, and its kind. A final denial stopped the search, so it outranks what was
/// remembered before it.
fn deciding_failure(report: &Report) -> Option<(usize, FailureKind)> {
    let rank = |kind: FailureKind| match kind {
        FailureKind::FinalDenial => 4,
        FailureKind::Unavailable => 3,
        FailureKind::AccessDenied => 2,
        FailureKind::Configuration => 1,
        FailureKind::InvalidValue => 0,
    };
    let kinds = report.failures().map(Failure::kind).enumerate();
    // Of several that rank alike, `min_by_key` gives the first.
    kinds.min_by_key(|(_, kind)| std::cmp::Reverse(rank(*kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Freshness, SkipReason},
        report::Attempt,
    };

    fn failed(kind: FailureKind) -> AttemptOutcome {
        AttemptOutcome::Failed {
            failure: Failure::new(kind, "why"),
        }
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
        unanswered(Asked::Variable("key".into()), report)
            .kind()
            .as_str()
    }

    #[test]
    fn the_table_of_precedence_holds() {
        let missing = AttemptOutcome::Missing { reason: None };
        let skipped = AttemptOutcome::Skipped {
            reason: SkipReason::NotOffered,
        };
        let found = AttemptOutcome::Found {
            freshness: Freshness::Live,
        };
        let denied = failed(FailureKind::FinalDenial);
        for (strict, kept) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(after(&found, strict, kept), Next::Answer);
            assert_eq!(after(&missing, strict, kept), Next::Source);
            assert_eq!(after(&skipped, strict, kept), Next::Source);
            assert_eq!(after(&denied, strict, kept), Next::Stop);
        }
        for kind in [
            FailureKind::Unavailable,
            FailureKind::AccessDenied,
            FailureKind::InvalidValue,
            FailureKind::Configuration,
        ] {
            let outcome = failed(kind);
            assert_eq!(after(&outcome, false, false), Next::Source);
            for kept in [false, true] {
                assert_eq!(after(&outcome, true, kept), Next::Stop);
            }
            let with_last_answer = match kind {
                FailureKind::Unavailable => Next::LastAnswer,
                _ => Next::Source,
            };
            assert_eq!(after(&outcome, false, true), with_last_answer);
        }
    }

    #[test]
    fn not_found_is_said_only_when_every_source_looked() {
        let missing = AttemptOutcome::Missing { reason: None };
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
