//! A token by which a third party knows who sends it: Vault's login `azure`.

use std::sync::Arc;

use super::{Authority, AzureCredential, Reach, managed_identity::Machine};
use crate::{
    Environment, Failure, Secret,
    backends::{
        azure::client::wire::{Wire, WireSettings},
        http_options::HttpOptions,
        retry::RetryOptions,
    },
};

/// A token, and the virtual machine that it was given to.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) token: Secret,
    pub(crate) machine: Option<Machine>,
}

/// A new token for `resource`, by `credential`.
///
/// # Errors
/// When there is no token, or the environment cannot be used.
pub(crate) async fn proof(
    credential: &AzureCredential,
    resource: &str,
    environment: &Environment,
) -> Result<Proof, Failure> {
    let unusable = |error: crate::ConfigurationError| Failure::configuration(error.to_string());
    let chain = credential.chain(environment).map_err(unusable)?;
    let reach = Reach {
        wire: Arc::new(Wire::new(WireSettings {
            environment: environment.clone(),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
        })),
        authority: Authority::from_environment(environment).map_err(unusable)?,
        environment: environment.clone(),
    };
    let token = chain.token(&format!("{resource}/.default"), &reach).await?;
    let machine = match chain.proven_identity() {
        Some(identity) => identity.machine(&reach).await?,
        None => None,
    };
    Ok(Proof {
        token: token.token.secret().into(),
        machine,
    })
}
