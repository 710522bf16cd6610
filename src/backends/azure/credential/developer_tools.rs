//! Tokens from the tools that a developer logs in with: the Azure CLI and the Azure Developer CLI.

use std::{ffi::OsStr, io, process::Output, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, Executor,
};
use tokio::process::Command;

use super::{NoToken, Reach};
use crate::{
    Environment,
    backend::FailureKind,
    backends::{causes::cause, program},
};

/// How long a tool may take: as long as in Python's chain.
const LONGEST_RUN: Duration = Duration::from_secs(10);

/// A tool that can give a token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tool {
    AzureCli,
    AzureDeveloperCli,
}

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AzureCli => "Azure CLI",
            Self::AzureDeveloperCli => "Azure Developer CLI",
        }
    }

    fn login(self) -> &'static str {
        match self {
            Self::AzureCli => "az login",
            Self::AzureDeveloperCli => "azd auth login",
        }
    }

    pub(super) async fn token(self, scope: &str, reach: &Reach) -> Result<AccessToken, NoToken> {
        let executor: Arc<dyn Executor> = Arc::new(InEnvironment(reach.environment.clone()));
        let executor = Some(executor);
        let credential = match self {
            Self::AzureCli => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                executor,
                ..AzureCliCredentialOptions::default()
            }))
            .map(|credential| credential as Arc<dyn TokenCredential>),
            Self::AzureDeveloperCli => {
                AzureDeveloperCliCredential::new(Some(AzureDeveloperCliCredentialOptions {
                    executor,
                    ..AzureDeveloperCliCredentialOptions::default()
                }))
                .map(|credential| credential as Arc<dyn TokenCredential>)
            }
        };
        let token = match credential {
            Ok(credential) => credential.get_token(&[scope], None).await,
            Err(error) => Err(error),
        };
        // What a tool writes may be anything: it is not shown.
        token.map_err(|error| {
            let io = cause::<io::Error>(&error);
            let why = if io.is_some_and(|error| error.kind() == io::ErrorKind::NotFound) {
                "the program is not on PATH".to_owned()
            } else {
                format!("gave no token: run `{}`", self.login())
            };
            NoToken::NotHere(FailureKind::Configuration, why)
        })
    }
}

/// Runs a program with the variables of the environment that we were given.
#[derive(Debug)]
struct InEnvironment(Environment);

#[async_trait]
impl Executor for InEnvironment {
    async fn run(&self, name: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(name);
        command.args(arguments).env_clear().envs(self.0.iter());
        let output = program::output(command, LONGEST_RUN).await?;
        match output.status.code() {
            // The program is a shell that did not find the tool.
            Some(127) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(output),
        }
    }
}
