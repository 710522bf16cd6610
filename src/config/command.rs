//! `_cmd`: the program that prints a setting's value.

use std::{
    io::{self, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use secrecy::zeroize::Zeroizing;

use crate::{
    Environment, Secret,
    process_group::{ProcessGroup, own_group},
    python::shlex,
};

/// How much a command may print, and how long it may take.
struct Limits {
    bytes: usize,
    time: Duration,
}

const LIMITS: Limits = Limits {
    bytes: 1024 * 1024,
    time: Duration::from_secs(30),
};

/// The pause between two looks at whether a command has ended, once it has closed its output.
const PAUSE: Duration = Duration::from_millis(1);

/// Why a command gave no value.
#[derive(Debug)]
pub(super) struct CommandFailure {
    /// Whether the program ran and its exit status reports a failure.
    pub(super) has_run: bool,
    pub(super) message: String,
}

/// Runs `command` without a shell and gives what it printed, unchanged. It is stopped after 30 s,
/// or when it has printed more than 1 MiB, and so is all that it started.
///
/// Bytes that are not UTF-8 are dropped, as Airflow drops them. Neither the command, which may hold
/// a secret, nor anything it printed is in the error.
pub(super) fn output_of(
    command: &str,
    environment: &Environment,
) -> Result<Secret, CommandFailure> {
    run(command, environment, &LIMITS)
}

fn run(
    command: &str,
    environment: &Environment,
    limits: &Limits,
) -> Result<Secret, CommandFailure> {
    let words = shlex::split(command).map_err(|why| format!("its command {why}"))?;
    let Some((program, arguments)) = words.split_first() else {
        return Err("its command is empty".to_owned().into());
    };
    let mut command = Command::new(program);
    own_group(&mut command);
    let mut child = command
        .args(arguments)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("its command could not be run: {}", error.kind()))?;
    let group = ProcessGroup::led_by(Some(child.id()));
    let ended = output_and_status(&mut child, limits);
    if ended.is_ok() {
        group.leave();
    } else {
        drop(group);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (output, status) = ended?;
    if !status.success() {
        return Err(CommandFailure {
            has_run: true,
            message: format!("its command failed ({status})"),
        });
    }
    let text = output.utf8_chunks().map(|chunk| chunk.valid());
    Ok(Secret::from(text.collect::<String>()))
}

/// What `child` prints, and how it ends.
///
/// # Errors
/// Which limit it exceeds.
fn output_and_status(
    child: &mut Child,
    limits: &Limits,
) -> Result<(Zeroizing<Vec<u8>>, ExitStatus), String> {
    let unreadable = |error: io::Error| format!("its command's output cannot be read: {error}");
    let too_slow = || {
        let seconds = limits.time.as_secs_f64();
        format!("its command was stopped: it did not end within {seconds} s (SET-17)")
    };
    let end = Instant::now() + limits.time;
    let bound = u64::try_from(limits.bytes + 1).unwrap_or(u64::MAX);
    let (sender, output) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        let read = move || {
            let mut output = Zeroizing::new(Vec::new());
            let end = stdout.take(bound).read_to_end(&mut output);
            // Nobody waits for it after the time limit.
            let _ = sender.send(end.map(|_| output));
        };
        let thread = thread::Builder::new().name("airflow-secrets".to_owned());
        thread.spawn(read).map_err(unreadable)?;
    }
    let output = match output.recv_timeout(limits.time) {
        Ok(output) => output.map_err(unreadable)?,
        Err(RecvTimeoutError::Timeout) => return Err(too_slow()),
        Err(RecvTimeoutError::Disconnected) => {
            return Err("its command's output cannot be read".to_owned());
        }
    };
    if output.len() > limits.bytes {
        return Err("its command was stopped: it printed more than 1 MiB (SET-17)".to_owned());
    }
    loop {
        if let Some(status) = child.try_wait().map_err(unreadable)? {
            return Ok((output, status));
        }
        if Instant::now() >= end {
            return Err(too_slow());
        }
        thread::sleep(PAUSE);
    }
}

impl From<String> for CommandFailure {
    fn from(message: String) -> Self {
        Self {
            has_run: false,
            message,
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::process_group::tests::Watched;

    fn refused(command: &str, limits: &Limits) -> String {
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin")]);
        let failure = run(command, &environment, limits).unwrap_err();
        assert!(!failure.has_run);
        failure.message
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped() {
        let limits = Limits {
            time: Duration::from_millis(50),
            ..LIMITS
        };
        let expected = "its command was stopped: it did not end within 0.05 s (SET-17)";
        assert_eq!(refused("sleep 1000", &limits), expected);
        // One that closes its output and goes on.
        assert_eq!(
            refused("sh -c 'exec >&-; exec sleep 1000'", &limits),
            expected
        );
    }

    #[test]
    fn what_a_command_started_is_stopped_with_it() {
        // Whoever holds the FIFO open is one of them.
        let watched = Watched::new("command");
        let flood = format!("exec 3> '{}'; sleep 1000 & exec yes", watched.path());
        let expected = "its command was stopped: it printed more than 1 MiB (SET-17)";
        assert_eq!(refused(&format!("sh -c \"{flood}\""), &LIMITS), expected);
        watched.wait_until_let_go();
        // One that has ended, and left another that holds its output.
        let limits = Limits {
            time: Duration::from_millis(50),
            ..LIMITS
        };
        let expected = "its command was stopped: it did not end within 0.05 s (SET-17)";
        assert_eq!(refused("sh -c 'sleep 1000 & echo x'", &limits), expected);
    }

    #[test]
    fn a_command_has_nothing_to_read() {
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin")]);
        let output = run("cat", &environment, &LIMITS).unwrap();
        assert_eq!(output.expose(), "");
    }

    #[test]
    fn a_command_that_prints_without_end_is_stopped() {
        let expected = "its command was stopped: it printed more than 1 MiB (SET-17)";
        assert_eq!(refused("yes", &LIMITS), expected);
        let largest = "head -c 1048576 /dev/zero";
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin")]);
        let output = run(largest, &environment, &LIMITS).unwrap();
        assert_eq!(output.len(), LIMITS.bytes);
        assert_eq!(refused("head -c 1048577 /dev/zero", &LIMITS), expected);
    }
}
