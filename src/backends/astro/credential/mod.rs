//! Credentials: an API token, or the older key of a Deployment, which buys one.

mod key;
mod token;

use std::sync::Arc;

pub(super) use self::{
    key::Key,
    token::{ApiToken, Token},
};
use crate::{Failure, backends::keeper::Keeper};

/// Who asks.
#[derive(Debug)]
pub(super) enum Credential {
    ApiToken(ApiToken),
    Key(Keeper<Key>),
}

impl Credential {
    /// The token for a request.
    ///
    /// # Errors
    /// When it has ended, or the key gives none.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Failure> {
        match self {
            Self::ApiToken(token) => token.get(),
            Self::Key(keeper) => keeper.get().await,
        }
    }

    /// Drops a token that was refused; whether another one can be had.
    pub(super) fn forget(&self, token: &Arc<Token>) -> bool {
        match self {
            Self::ApiToken(_) => false,
            Self::Key(keeper) => {
                keeper.forget(token);
                true
            }
        }
    }

    /// For messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ApiToken(_) => "the API token (ASTRO_API_TOKEN)",
            Self::Key(_) => "the Deployment API key (ASTRONOMER_KEY_ID)",
        }
    }
}
