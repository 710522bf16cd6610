//! Credentials that a program prints: a profile's `credential_process`. The SDK would run it in a
//! shell, and leave it running after the lookup has ended.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;
use tokio::process::Command;

use super::{moment, source::Source};
use crate::{Environment, Failure, backends::program};

/// Runs a program, each time. Its arguments and its output may contain secrets, and are not shown.
pub(super) struct Process {
    pub(super) profile: String,
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    /// That of the program.
    pub(super) environment: Environment,
    pub(super) timeout: Duration,
}

impl Process {
    async fn ask(&self) -> Result<Credentials, Failure> {
        self.run().await.ok_or_else(|| {
            Failure::unavailable(format!(
                "the credential_process of the AWS profile {:?} failed, or printed no credentials: \
                 run it in a terminal to see why",
                self.profile
            ))
        })
    }

    async fn run(&self) -> Option<Credentials> {
        let (program, arguments) = self.words.split_first()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter());
        // It is stopped when the lookup that waits for it ends.
        let output = program::output(command, self.timeout).await.ok()?;
        let printed = Zeroizing::new(output.stdout);
        output.status.success().then_some(())?;
        credentials(&serde_json::from_slice(&printed).ok()?)
    }
}

/// The credentials in the output, unless they have expired.
fn credentials(printed: &Value) -> Option<Credentials> {
    let text = |name: &str| printed.get(name).and_then(Value::as_str);
    let expiration = match printed.get("Expiration") {
        None | Some(Value::Null) => None,
        Some(time) => Some(moment(&time.as_str()?.replacen(' ', "T", 1))?),
    };
    let is_good = expiration.is_none_or(|time| time > SystemTime::now());
    (printed.get("Version")?.as_f64() == Some(1.0) && is_good).then_some(())?;
    Some(Credentials::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        text("SessionToken").map(str::to_owned),
        expiration,
        "process",
    ))
}

impl Source for Process {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        self.ask().await.map(Some)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({:?})", self.profile)
    }
}
