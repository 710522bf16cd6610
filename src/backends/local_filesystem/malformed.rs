//! What is wrong with a file, and in which line.

/// A file that cannot be read as its format.
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl Malformed {
    pub(super) fn at(line: usize, problem: impl Into<String>) -> Self {
        Self {
            line,
            problem: problem.into(),
        }
    }
}

/// The line of byte `at`, from 1.
pub(super) fn line_at(content: &[u8], at: usize) -> usize {
    let before = content.get(..at).unwrap_or_default();
    before.split(|byte| *byte == b'\n').count()
}
