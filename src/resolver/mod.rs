//! The resolver: which sources are asked, in which order, and what each did.

mod report;

pub use report::{Asked, Attempt, AttemptOutcome, Report, Source};
