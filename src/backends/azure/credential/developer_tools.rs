//! The tools that a developer is logged in with: the Azure CLI and the Azure Developer CLI.

use std::{ffi::OsStr, io, process::Output, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, Executor,
};
use tokio::{process::Command, time::timeout};

use super::{NoToken, Reach};
use crate::{Environment, FailureKind};

/// How long a tool may take: as long as in Python's chain.
const LONGEST_RUN: Duration = Duration::from_secs(10);

/// A tool that can give a token.
#[derive(Debug, Clone, Copy)]
pub(in crate::backends::azure) enum Tool {
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
        // What a tool writes may be anything: it is matched here, and not shown.
        token.map_err(|error| {
            let why = if error.to_string().contains("found on PATH") {
                "not on PATH".to_owned()
            } else {
                format!("gives no token: run `{}`", self.login())
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
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(self.0.iter())
            .kill_on_drop(true)
            .output();
        timeout(LONGEST_RUN, output)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
