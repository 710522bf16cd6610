//! Programs that give tokens: how long they may run, and how much they may print.

use std::{
    io,
    process::{Output, Stdio},
    time::Duration,
};

use futures_util::future::try_join;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

use crate::process_group::{ProcessGroup, own_group};

/// How many bytes of output, and of errors, are read.
const LONGEST_OUTPUT: u64 = 1024 * 1024;

/// What `command` prints. The program, and all that it started, end with the future.
///
/// # Errors
/// When it cannot be started, runs longer than `limit`, or prints more than a token can need.
pub(super) async fn output(mut command: Command, limit: Duration) -> io::Result<Output> {
    own_group(command.as_std_mut());
    let run = async {
        let mut program = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        // Dropped before the program is: until then, no other has its id.
        let group = ProcessGroup::led_by(program.id());
        let (stdout, stderr) = (program.stdout.take(), program.stderr.take());
        let (stdout, stderr) = try_join(bounded(stdout), bounded(stderr)).await?;
        let status = program.wait().await?;
        group.leave();
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    };
    timeout(limit, run).await?
}

async fn bounded(printed: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    if let Some(printed) = printed {
        printed
            .take(LONGEST_OUTPUT)
            .read_to_end(&mut output)
            .await?;
    }
    if u64::try_from(output.len()).is_ok_and(|length| length < LONGEST_OUTPUT) {
        return Ok(output);
    }
    Err(io::Error::other("it prints more than 1 MiB"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::process_group::tests::Watched;

    async fn run(script: &str) -> Result<String, io::ErrorKind> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let output = output(command, Duration::from_secs(20)).await;
        let output = output.map_err(|error| error.kind())?;
        Ok(String::from_utf8(output.stdout).unwrap())
    }

    #[tokio::test]
    async fn what_a_program_prints_is_read_up_to_a_bound() {
        assert_eq!(
            run("echo token; echo note >&2").await,
            Ok("token\n".to_owned())
        );
        for endless in ["cat /dev/zero", "cat /dev/zero >&2"] {
            assert_eq!(run(endless).await, Err(io::ErrorKind::Other), "{endless}");
        }
    }

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let watched = Watched::new("program");
        let flood = format!("exec 3> '{}'; sleep 1000 & exec yes", watched.path());
        assert_eq!(run(&flood).await, Err(io::ErrorKind::Other));
        watched.wait_until_let_go();
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        let output = output(command, Duration::from_millis(50)).await;
        assert_eq!(output.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
