//! `_cmd`: the program that prints a setting's value.

use std::process::{Command, Stdio};

use crate::{Environment, Secret};

/// Why there is no output.
pub(super) struct CommandFailure {
    /// Whether the program ran, and said by its exit status that it failed.
    pub(super) has_run: bool,
    pub(super) message: String,
}

/// Runs `command` without a shell and gives what it printed, unchanged.
///
/// Bytes that are no UTF-8 are dropped, as Airflow drops them. Neither the command, which may hold
/// a secret, nor anything it printed is in the error.
pub(super) fn output_of(
    command: &str,
    environment: &Environment,
) -> Result<Secret, CommandFailure> {
    let words = split(command)?;
    let Some((program, arguments)) = words.split_first() else {
        return Err("its command is empty".to_owned().into());
    };
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::inherit())
        .output()
        .map_err(|error| format!("its command could not be run: {}", error.kind()))?;
    if !output.status.success() {
        return Err(CommandFailure {
            has_run: true,
            message: format!("its command failed ({})", output.status),
        });
    }
    let text = output.stdout.utf8_chunks().map(|chunk| chunk.valid());
    Ok(Secret::from(text.collect::<String>()))
}

impl From<String> for CommandFailure {
    fn from(message: String) -> Self {
        Self {
            has_run: false,
            message,
        }
    }
}

/// What reading a command line is in the middle of.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Blank,
    Word,
    SingleQuoted,
    DoubleQuoted,
}

/// Splits a command into words as Python's `shlex.split` does.
///
/// Not as a shell does: `#` starts no comment, a backslash in double quotes escapes only `"` and
/// itself, and a backslash before a line's end keeps the line's end. The crates `shlex` and
/// `shell-words` read all three as a shell.
pub(crate) fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut state = State::Blank;
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        state = match (state, c) {
            (State::Blank, ' ' | '\t' | '\r' | '\n') => State::Blank,
            (State::Word, ' ' | '\t' | '\r' | '\n') => {
                words.push(std::mem::take(&mut word));
                State::Blank
            }
            (State::Blank | State::Word, '\'') => State::SingleQuoted,
            (State::Blank | State::Word, '"') => State::DoubleQuoted,
            (State::SingleQuoted, '\'') | (State::DoubleQuoted, '"') => State::Word,
            (State::Blank | State::Word | State::DoubleQuoted, '\\') => {
                let escaped = characters
                    .next()
                    .ok_or("its command ends in a lone backslash")?;
                if state == State::DoubleQuoted && !matches!(escaped, '"' | '\\') {
                    word.push('\\');
                }
                word.push(escaped);
                if state == State::DoubleQuoted {
                    state
                } else {
                    State::Word
                }
            }
            (State::Blank | State::Word, c) => {
                word.push(c);
                State::Word
            }
            (quoted, c) => {
                word.push(c);
                quoted
            }
        };
    }
    match state {
        State::Blank => {}
        State::Word => words.push(word),
        State::SingleQuoted | State::DoubleQuoted => {
            return Err("a quote in its command is not closed".to_owned());
        }
    }
    Ok(words)
}
