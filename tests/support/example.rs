//! The examples, run as a user runs them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The example that cargo built beside this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile.join("examples").join(name);
    assert!(
        example.exists(),
        "run `cargo build --example {name}` with this test's features first; `scripts/test` does it"
    );
    example
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs an example in this environment, and no more of one.
pub(crate) fn run<'a>(
    name: &str,
    arguments: &[&str],
    variables: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Run {
    let output = Command::new(example(name))
        .args(arguments)
        .env_clear()
        .envs(variables)
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}
