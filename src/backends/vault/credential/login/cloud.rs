//! The logins for which a cloud vouches: Vault asks it whether the proof that is sent is genuine.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

use crate::{Environment, Failure, Secret};

/// A login with a proof that a cloud's credentials make. Every login makes a new one.
#[async_trait]
pub(super) trait CloudLogin: fmt::Debug + Send + Sync {
    /// Where Vault mounts this login by default.
    fn default_mount(&self) -> &'static str;

    /// What to look at when Vault refuses the login.
    fn what_to_check(&self) -> &'static str;

    /// The JSON that Vault is sent.
    async fn body(&self, environment: &Environment) -> Result<Secret, Failure>;
}

/// The JSON for `login`, made within `limit`.
///
/// # Errors
/// When the cloud gives no credentials, or not in time.
pub(super) async fn body(
    login: &dyn CloudLogin,
    environment: &Environment,
    limit: Duration,
) -> Result<Secret, Failure> {
    let body = timeout(limit, login.body(environment)).await;
    let body = body.unwrap_or_else(|_| {
        Err(Failure::unavailable(format!(
            "the source of the credentials gave none within {} s",
            limit.as_secs_f64()
        )))
    });
    body.map_err(|failure| {
        let mount = login.default_mount();
        let message = format!(
            "no credentials for Vault's {mount} login: {}",
            failure.message()
        );
        Failure::new(failure.kind(), message).with_transient(failure.is_transient())
    })
}
