//! What a program prints: a profile's `credential_process`. The SDK has a shell run it, and leaves
//! it running when nobody waits for it any more.

use std::{fmt, process::Stdio, time::SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use secrecy::zeroize::Zeroizing;
use serde_json::Value;
use tokio::process::Command;

use super::moment;
use crate::Failure;

/// Runs a program, each time. What it says when it fails may hold secrets, and so may its
/// arguments.
pub(super) struct Process {
    pub(super) profile: String,
    /// The program and its arguments.
    pub(super) words: Vec<String>,
}

impl Process {
    async fn ask(&self) -> Result<Credentials, Failure> {
        self.run().await.ok_or_else(|| {
            Failure::unavailable(format!(
                "the credential_process of the AWS profile {:?} failed, or printed no credentials: \
                 run it by hand to see why",
                self.profile
            ))
        })
    }

    async fn run(&self) -> Option<Credentials> {
        let (program, arguments) = self.words.split_first()?;
        let mut command = Command::new(program);
        // It ends with the lookup that waits for it.
        command
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.ok()?;
        let printed = Zeroizing::new(output.stdout);
        output.status.success().then_some(())?;
        credentials(&serde_json::from_slice(&printed).ok()?)
    }
}

/// The credentials in what was printed, unless they have expired.
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

impl ProvideCredentials for Process {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let ask = async { self.ask().await.map_err(CredentialsError::provider_error) };
        future::ProvideCredentials::new(ask)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({:?})", self.profile)
    }
}
