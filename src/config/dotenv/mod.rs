//! `.env` files, in two readings: `compose.rs` and `template.rs` as Docker Compose reads them, `raw.rs`
//! as `docker run --env-file` does.

mod compose;
mod raw;
mod template;

use crate::{ConfigurationError, Environment, Secret};

pub(super) use raw::read as read_raw;

/// What is said of a variable that the two readings give different values.
pub(super) const READ_DIFFERENTLY: &str = "Docker Compose gives it another value than `docker run --env-file` does, since quotes, escapes, \
     `$`, ` #`, blanks and `export` are special to Compose alone; it has Compose's value here; write \
     it without them, or have the file read raw";

/// A variable of a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: Secret,
    /// The line of its name, from 1.
    pub(super) line: usize,
    /// Whether the other reading of that line gives the same.
    pub(super) read_alike: bool,
}

/// A line that has no reading, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    line: usize,
    problem: String,
}

impl Malformed {
    fn at(line: usize, problem: impl Into<String>) -> Self {
        Self {
            line,
            problem: problem.into(),
        }
    }

    /// As the error about `file`.
    pub(super) fn of(self, file: &str) -> ConfigurationError {
        ConfigurationError::new("env file", format!("{file}:{}", self.line), self.problem)
    }
}

/// The variables of `text`, as Docker Compose reads them over `process`: in their order, of each name
/// the last one.
///
/// # Errors
/// The first line that Compose refuses, or that names no variable.
pub(super) fn read_as_compose(text: &str, process: &Environment) -> Result<Vec<Entry>, Malformed> {
    compose::Reader::new(without_mark(text), process).read()
}

/// The text without a byte order mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
