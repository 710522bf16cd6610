//! An answer that knows where it came from.

use std::{fmt, ops::Deref, sync::Arc};

use super::report::{Report, Source};

/// An answer, where it came from, and what every source did on the way to it.
///
/// Derefs to the answer. A clone is a new handle on the same answer: one pointer.
pub struct Resolved<T> {
    answer: Arc<Answer<T>>,
}

struct Answer<T> {
    value: T,
    source: Source,
    report: Report,
}

impl<T> Resolved<T> {
    pub(super) fn new(value: T, source: Source, report: Report) -> Self {
        Self {
            answer: Arc::new(Answer {
                value,
                source,
                report,
            }),
        }
    }

    /// Where the answer came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.answer.source
    }

    /// What each source did, up to the one that answered.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.answer.report
    }
}

impl<T> Deref for Resolved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.answer.value
    }
}

impl<T> Clone for Resolved<T> {
    fn clone(&self) -> Self {
        Self {
            answer: Arc::clone(&self.answer),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Resolved<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved")
            .field("value", &self.answer.value)
            .field("source", &self.answer.source)
            .field("report", &self.answer.report)
            .finish()
    }
}
