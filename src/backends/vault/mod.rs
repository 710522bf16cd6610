//! HashiCorp Vault and OpenBao: Airflow's
//! `airflow.providers.hashicorp.secrets.vault.VaultBackend`.
//!
//! [`VaultBackend`] reads documents from a KV secrets engine, version 1 or 2. A connection is a
//! document with a `conn_uri`, or one with a connection's own fields; variables and configuration
//! entries are documents with a `value`.
//!
//! * **Logins**: see [`Login`]. However many lookups start at once, there is one login; its token
//!   is renewed before it ends, and replaced where it cannot be. A failed login is not repeated
//!   for a while (1 s to 60 s), since Vault locks out who fails too often.
//! * **A 403** is the path's, unless nothing has proven the token good in the last half minute:
//!   then there is one login for all, and the read is repeated once.
//! * **The wire**: a lookup is one `GET` over a kept connection, repeated at most 3 times on 412,
//!   429, 5xx and connection errors. Once for each backend, when a document is not there and none
//!   was seen yet, Vault is also asked which version the mount is, to name the commonest mistake.
//! * **Ids** are percent-encoded segment by segment; those with `..`, `.`, an empty segment or a
//!   control character are never sent.

mod answer;
mod builder;
mod cli;
mod client;
mod credential;
mod document;
mod kwargs;
mod paths;
mod proxy;
mod tls;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use reqwest::StatusCode;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
};
use tokio::sync::OnceCell;
use vaultrs::api::{kv1::requests::GetSecretRequest, kv2::requests::ReadSecretRequest};

pub use self::{answer::KvVersion, builder::VaultBuilder, credential::login::Login};
use self::{
    answer::{Missing, Reading},
    client::Client,
    credential::{Token, TokenKeeper, Verdict},
    document::Document,
    paths::{Layout, Location, MountPoint},
};
use crate::{
    BackendSetup, ConfigurationError, Failure, Lookup, Secret, SecretsBackend, SkipReason,
    backends::retry::Trouble,
};

/// Reads connections, variables and configuration entries from Vault or OpenBao.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct VaultBackend {
    layout: Layout,
    version: KvVersion,
    connections_path: Vec<String>,
    variables_path: Vec<String>,
    config_path: Vec<String>,
    client: Arc<Client>,
    tokens: TokenKeeper,
    /// Whether a document of the version that is read was ever seen.
    version_is_seen: AtomicBool,
    /// The version of the one mount, asked for once.
    mount_version: OnceCell<Option<KvVersion>>,
}

/// What the documents at some locations came to.
enum Found {
    Document {
        native_key: String,
        document: Document,
    },
    Missing {
        native_key: String,
        reason: Option<String>,
    },
}

impl VaultBackend {
    /// A builder with Airflow's defaults; it needs a [`login`](VaultBuilder::login).
    #[must_use]
    pub fn builder() -> VaultBuilder {
        VaultBuilder::default()
    }

    /// The backend that Airflow would make from the same keyword arguments and environment.
    ///
    /// # Errors
    /// When an argument is unknown, missing or wrong, as Airflow's class raises.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    /// Looks at each place in turn; the first document ends it, and so does the first failure.
    async fn find(&self, locations: &[Location]) -> Result<Found, Failure> {
        let mut reason = None;
        for location in locations {
            let at_location = |failure: Failure| failure.at(location.to_string());
            match self.read(location).await.map_err(at_location)? {
                Reading::Document(document) => {
                    let native_key = location.to_string();
                    return Ok(Found::Document {
                        native_key,
                        document,
                    });
                }
                Reading::Missing(missing) => reason = reason.or(missing.reason()),
            }
        }
        let native_keys = locations.iter().map(ToString::to_string);
        Ok(Found::Missing {
            native_key: native_keys.collect::<Vec<_>>().join(", "),
            reason: reason.map(str::to_owned),
        })
    }

    async fn read(&self, location: &Location) -> Result<Reading, Failure> {
        let Location { mount, path } = location.clone();
        let (status, body) = match self.version {
            KvVersion::V1 => self.get(&GetSecretRequest { mount, path }).await?,
            KvVersion::V2 => {
                let version = None;
                self.get(&ReadSecretRequest {
                    mount,
                    path,
                    version,
                })
                .await?
            }
        };
        match status {
            StatusCode::OK | StatusCode::NOT_FOUND => {}
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                return Err(Failure::access_denied(
                    "denied: the token's policies do not let it read this path, or it is no \
                     longer valid",
                ));
            }
            status => return Err(self.client.unexpected(status)),
        }
        let reading = answer::reading(self.version, status, &body)?;
        Ok(match reading {
            Reading::Missing(Missing::Absent) => Reading::Missing(self.look_closer(location).await),
            Reading::Document(_) | Reading::Missing(Missing::Deleted | Missing::Destroyed) => {
                self.version_is_seen.store(true, Ordering::Relaxed);
                reading
            }
            Reading::Missing(_) => reading,
        })
    }

    /// A `GET` with the token, and once more where Vault's answer makes the token suspect.
    async fn get(&self, request: &impl Endpoint) -> Result<(StatusCode, Vec<u8>), Failure> {
        let ask = async {
            let first = self.ask(request, None).await?;
            if first.status == StatusCode::FORBIDDEN
                && self.tokens.judge(&first.token) == Verdict::Repeat
            {
                return self.ask(request, Some(&first.token)).await;
            }
            Ok(first)
        };
        let asked = self.client.within_total_timeout(ask).await?;
        if matches!(asked.status, StatusCode::OK | StatusCode::NOT_FOUND) {
            TokenKeeper::prove(&asked.token);
        }
        Ok((asked.status, asked.body))
    }

    /// One request, and its retries; none where the token is still the one that was `refused`.
    async fn ask(
        &self,
        request: &impl Endpoint,
        refused: Option<&Token>,
    ) -> Result<Asked, Failure> {
        let attempt = || async {
            let token = self.tokens.token().await.map_err(Trouble::lasting)?;
            let (status, body) = match refused {
                Some(refused) if refused.secret() == token.secret() => {
                    (StatusCode::FORBIDDEN, Vec::new())
                }
                _ => self.client.attempt(request, Some(token.secret())).await?,
            };
            Ok(Asked {
                token,
                status,
                body,
            })
        };
        self.client.with_retries(attempt).await
    }

    /// Why a document is not there, where Vault does not say: a mount of version 1 answers a
    /// request for version 2 as if nothing were there.
    async fn look_closer(&self, location: &Location) -> Missing {
        let is_plain = self.version == KvVersion::V1
            || self.version_is_seen.load(Ordering::Relaxed)
            || self.layout.mount_point == MountPoint::FirstSegmentOfId;
        if is_plain {
            return Missing::Absent;
        }
        let ask = async || {
            let request = ReadMount(&location.mount);
            match self.get(&request).await {
                Ok((StatusCode::OK, body)) => answer::mount_version(&body),
                _ => None,
            }
        };
        match self.mount_version.get_or_init(ask).await {
            Some(KvVersion::V1) => Missing::MountIsV1,
            _ => Missing::Absent,
        }
    }

    async fn value(
        &self,
        locations: Result<Vec<Location>, SkipReason>,
    ) -> Result<Lookup<Secret>, Failure> {
        let locations = match locations {
            Ok(locations) => locations,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let (native_key, document) = match self.find(&locations).await? {
            Found::Document {
                native_key,
                document,
            } => (native_key, document),
            Found::Missing { native_key, reason } => {
                return Ok(Lookup::Missing { native_key, reason });
            }
        };
        document
            .value(&native_key)
            .map_err(|failure| failure.at(native_key))
    }
}

/// An answer, and the token that was asked with.
struct Asked {
    token: Arc<Token>,
    status: StatusCode,
    body: Vec<u8>,
}

#[async_trait]
impl SecretsBackend for VaultBackend {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        let locations = match self.layout.locate(&self.connections_path, conn_id, team) {
            Ok(locations) => locations,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let (native_key, document) = match self.find(&locations).await? {
            Found::Document {
                native_key,
                document,
            } => (native_key, document),
            Found::Missing { native_key, reason } => {
                return Ok(Lookup::Missing { native_key, reason });
            }
        };
        match document.conn_value() {
            Ok(value) => Ok(Lookup::found(value, native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }

    async fn get_variable(&self, key: &str, team: Option<&str>) -> Result<Lookup<Secret>, Failure> {
        self.value(self.layout.locate(&self.variables_path, key, team))
            .await
    }

    async fn get_config(&self, key: &str) -> Result<Lookup<Secret>, Failure> {
        self.value(self.layout.locate_config(&self.config_path, key))
            .await
    }
}

/// What kind of engine is mounted at a path.
struct ReadMount<'a>(&'a str);

impl Endpoint for ReadMount<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("sys/internal/ui/mounts/{}", self.0)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::GET
    }
}
