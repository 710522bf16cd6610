//! A password that the program gives for each new connection.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{Failure, Secret};

/// The login that needs a password: what a token for it is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordRequest {
    /// The server's name or address, or the path of its Unix socket.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The user who logs in; empty where the URL names none.
    pub user: String,
}

type Answer = Pin<Box<dyn Future<Output = Result<Secret, Failure>> + Send>>;

/// Asks the program for a password.
#[cfg_attr(
    not(feature = "_metastore-server"),
    allow(dead_code, reason = "only servers need it")
)]
#[derive(Clone)]
pub(super) struct PasswordSource(Arc<dyn Fn(PasswordRequest) -> Answer + Send + Sync>);

impl PasswordSource {
    pub(super) fn new<F, Fut>(ask: F) -> Self
    where
        F: Fn(PasswordRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(ask(request))))
    }

    /// The password for the login of `user` at `host` and `port`.
    #[cfg(feature = "_metastore-server")]
    pub(super) async fn ask(&self, host: &str, port: u16, user: &str) -> Result<Secret, Failure> {
        let (host, user) = (host.to_owned(), user.to_owned());
        (self.0)(PasswordRequest { host, port, user }).await
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordSource")
    }
}
