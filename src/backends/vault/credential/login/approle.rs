//! AppRole, and where its two halves come from.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::OnceCell;
use vaultrs::api::sys::requests::UnwrapRequest;

use super::{InlineOrFile, Method, VaultAuthority, VaultCredential};
use crate::{
    Failure, Secret,
    backend::LookupOptions,
    backends::vault::{answer, client::token_header},
};

/// AppRole's second half.
#[derive(Debug, Clone)]
pub(super) enum SecretId {
    None,
    Given(InlineOrFile),
    /// Behind a wrapping token, which can be unwrapped once; the `secret_id` is kept.
    Wrapped {
        token: Secret,
        secret_id: Arc<OnceCell<Secret>>,
    },
}

impl VaultCredential {
    /// With an AppRole; some roles need no `secret_id`. Airflow: `auth_type` `approle`.
    pub fn approle<S: Into<Secret>>(role_id: impl Into<Secret>, secret_id: Option<S>) -> Self {
        let secret_id = secret_id.map(|id| InlineOrFile::Inline(id.into()));
        Self::approle_of(InlineOrFile::Inline(role_id.into()), secret_id)
    }

    /// With an AppRole whose `secret_id` is in a file, as one that rotates often is. The file is
    /// read at each login and never deleted. Vault Agent: `secret_id_file_path`; Airflow has no such
    /// login.
    ///
    /// ```
    /// use airflow_secrets::backends::vault::VaultCredential;
    ///
    /// let login = VaultCredential::approle_path("astro_role", "/run/secrets/secret_id");
    /// ```
    pub fn approle_path(role_id: impl Into<Secret>, secret_id: impl Into<PathBuf>) -> Self {
        let secret_id = InlineOrFile::File(secret_id.into());
        Self::approle_of(InlineOrFile::Inline(role_id.into()), Some(secret_id))
    }

    /// With an AppRole of which both halves are in files, or the `role_id` of one that needs no
    /// `secret_id`. The files are read at each login and never deleted. Vault Agent:
    /// `role_id_file_path` and `secret_id_file_path`; Airflow has no such login.
    ///
    /// ```
    /// use airflow_secrets::backends::vault::VaultCredential;
    ///
    /// let secrets = std::path::Path::new("/run/secrets");
    /// let login =
    ///     VaultCredential::approle_paths(secrets.join("role_id"), Some(secrets.join("secret_id")));
    /// ```
    pub fn approle_paths(role_id: impl Into<PathBuf>, secret_id: Option<PathBuf>) -> Self {
        let secret_id = secret_id.map(InlineOrFile::File);
        Self::approle_of(InlineOrFile::File(role_id.into()), secret_id)
    }

    /// With an AppRole whose `secret_id` is response-wrapped. `wrapping_token` is unwrapped at the
    /// first login; if it was unwrapped before, the login fails and says so. Airflow has no such
    /// login.
    pub fn approle_wrapped(role_id: impl Into<Secret>, wrapping_token: impl Into<Secret>) -> Self {
        let secret_id = SecretId::Wrapped {
            token: wrapping_token.into(),
            secret_id: Arc::default(),
        };
        let role_id = InlineOrFile::Inline(role_id.into());
        Self::new(Method::AppRole { role_id, secret_id })
    }

    pub(crate) fn approle_of(role_id: InlineOrFile, secret_id: Option<InlineOrFile>) -> Self {
        let secret_id = secret_id.map_or(SecretId::None, SecretId::Given);
        Self::new(Method::AppRole { role_id, secret_id })
    }
}

impl VaultAuthority {
    pub(super) async fn secret_id(&self, secret_id: &SecretId) -> Result<String, Failure> {
        let secret_id = match secret_id {
            SecretId::None => return Ok(String::new()),
            SecretId::Given(given) => &given.read("secret_id").await?,
            SecretId::Wrapped { token, secret_id } => {
                secret_id.get_or_try_init(|| self.unwrap(token)).await?
            }
        };
        Ok(secret_id.expose().to_owned())
    }

    async fn unwrap(&self, wrapping_token: &Secret) -> Result<Secret, Failure> {
        let request = UnwrapRequest { token: None };
        let token = token_header(wrapping_token.clone())?;
        let deadline = self.client.deadline(&LookupOptions::new());
        let (status, body) = self
            .client
            .call_once(&request, Some(&token), deadline)
            .await?;
        let secret_id = status
            .is_success()
            .then(|| answer::unwrapped_secret_id(&body));
        secret_id.flatten().ok_or_else(|| {
            Failure::access_denied(
                "the wrapping token gives no secret_id: it has expired or was unwrapped before; if you \
                 did not unwrap it, somebody else knows the secret_id now",
            )
        })
    }
}
