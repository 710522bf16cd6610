//! HashiCorp Vault and OpenBao: Airflow's
//! `airflow.providers.hashicorp.secrets.vault.VaultBackend`.
//!
//! [`VaultBackend`] reads documents from a KV secrets engine, version 1 or 2. A connection is a
//! document with a `conn_uri`, or one with a connection's own fields; variables and configuration
//! entries are documents with a `value`.
//!
//! * **Logins**: see [`VaultCredential`]. All lookups share one login. Its token is renewed before it
//!   ends, and replaced where it cannot be renewed. A failed login is not repeated for 1 s to 60 s,
//!   since Vault locks out accounts after too many failures.
//! * **A 403** whose errors blame the token causes one login for all lookups, at most one a second,
//!   and the read is repeated once. A 403 whose errors blame the path causes no further request. If the
//!   errors do not tell, the path is denied, unless Vault has not accepted the token for half a minute.
//! * **The wire**: a lookup is one `GET` over a kept connection, repeated at most 3 times on 412,
//!   429, 5xx and connection errors. Once for each backend, when a document is missing and none was
//!   found before, Vault is also asked for the mount's KV version, since a wrong one is the commonest
//!   mistake. An answer is at most 2 MiB long.
//! * **Ids** are percent-encoded segment by segment; those with `..`, `.`, an empty segment or a
//!   control character are never sent.
//! * **Fork**: a child process that is forked from a running program has no runtime that works, and a
//!   lookup in it may wait until its time-out or longer. Make the runtime and the resolver in the child.

mod answer;
mod builder;
mod cli;
mod client;
mod credential;
mod kwargs;
mod naming;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
};
use tokio::sync::OnceCell;
use vaultrs::api::{kv1::requests::GetSecretRequest, kv2::requests::ReadSecretRequest};

#[cfg(feature = "_aws")]
pub use self::credential::login::AwsIamLogin;
pub use self::{answer::KvVersion, builder::VaultBuilder, credential::login::VaultCredential};
use self::{
    answer::document::Document,
    answer::{Denial, Missing, Reading},
    client::Client,
    credential::{Token, TokenKeeper, Verdict},
    naming::{Layout, Location, MountPoint},
};
use crate::{
    ConfigurationError, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, LookupOptions, SkipReason},
    backends::{deadline::Deadline, registry::BackendSetup, runtime, slots::Waited},
    config::Warning,
};

/// How long a lookup waits at most to learn more about a document that is missing.
const LONGEST_WAIT_FOR_HINT: Duration = Duration::from_secs(2);

/// Reads connections, variables and configuration entries from Vault or OpenBao.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct VaultBackend {
    warnings: Vec<Warning>,
    layout: Layout,
    version: KvVersion,
    connections_path: Vec<String>,
    variables_path: Vec<String>,
    config_path: Vec<String>,
    client: Arc<Client>,
    tokens: TokenKeeper,
    /// Whether a document of the configured version was ever found.
    version_is_seen: AtomicBool,
    /// The version of the mount, which is asked for once.
    mount_version: OnceCell<Option<KvVersion>>,
}

/// The first document among some locations.
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
    /// A builder with Airflow's defaults; it needs a [`credential`](VaultBuilder::credential).
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
    async fn find(
        &self,
        locations: &[Location],
        options: &LookupOptions,
    ) -> Result<Found, Failure> {
        let deadline = self.client.deadline(options);
        let mut reason = None;
        for location in locations {
            let at_location = |failure: Failure| failure.at(location.to_string());
            match self.read(location, deadline).await.map_err(at_location)? {
                Reading::Document(document) => {
                    let native_key = location.to_string();
                    return Ok(Found::Document {
                        native_key,
                        document,
                    });
                }
                Reading::Missing(missing) => {
                    let mistake = || {
                        self.mistake(location)
                            .filter(|_| missing.may_be_a_mistake())
                    };
                    reason = reason.or_else(mistake).or(missing.reason());
                }
            }
        }
        let native_keys = locations.iter().map(ToString::to_string);
        Ok(Found::Missing {
            native_key: native_keys.collect::<Vec<_>>().join(", "),
            reason: reason.map(str::to_owned),
        })
    }

    async fn read(&self, location: &Location, deadline: Deadline) -> Result<Reading, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let Location { mount, path } = location.clone();
        let (status, body) = match self.version {
            KvVersion::V1 => {
                self.get(&GetSecretRequest { mount, path }, deadline)
                    .await?
            }
            KvVersion::V2 => {
                let version = None;
                let request = ReadSecretRequest {
                    mount,
                    path,
                    version,
                };
                self.get(&request, deadline).await?
            }
        };
        let reading = self.reading(location, status, &body)?;
        Ok(match reading {
            Reading::Missing(Missing::Absent) => {
                Reading::Missing(self.look_closer(location, deadline).await)
            }
            Reading::Document(_) | Reading::Missing(Missing::Deleted | Missing::Destroyed) => {
                self.version_is_seen.store(true, Ordering::Relaxed);
                reading
            }
            Reading::Missing(_) => reading,
        })
    }

    /// What Vault's answer to a request for `location` says.
    fn reading(
        &self,
        location: &Location,
        status: StatusCode,
        body: &[u8],
    ) -> Result<Reading, Failure> {
        match status {
            StatusCode::OK | StatusCode::NOT_FOUND => answer::reading(self.version, status, body),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Err(self.denied(location, answer::denial(body)))
            }
            status => Err(self.client.unexpected(status, body)),
        }
    }

    /// Asks for `location` once, to see whether it may be read.
    async fn try_reading(
        &self,
        location: &Location,
        options: &LookupOptions,
    ) -> Result<(), Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let deadline = self.client.deadline(options);
        let token = self.tokens.token().await?;
        let Location { mount, path } = location.clone();
        let sent = Some(token.header());
        let (status, body) = match self.version {
            KvVersion::V1 => {
                let request = GetSecretRequest { mount, path };
                self.client.call_once(&request, sent, deadline).await?
            }
            KvVersion::V2 => {
                let version = None;
                let request = ReadSecretRequest {
                    mount,
                    path,
                    version,
                };
                self.client.call_once(&request, sent, deadline).await?
            }
        };
        if status == StatusCode::FORBIDDEN {
            // A token that is at fault is not sent again.
            self.tokens.judge(&token, answer::denial(&body));
        }
        match self.reading(location, status, &body)? {
            Reading::Missing(missing) if missing.is_of_settings() => {
                Err(Failure::configuration(missing.reason().unwrap_or_default()))
            }
            Reading::Missing(_) | Reading::Document(_) => {
                TokenKeeper::prove(&token);
                Ok(())
            }
        }
    }

    /// Where a check looks: at the first kind of secret that has a path.
    fn check_location(&self) -> Result<Location, SkipReason> {
        let paths = [
            &self.connections_path,
            &self.variables_path,
            &self.config_path,
        ];
        let paths = paths.into_iter().find(|paths| !paths.is_empty());
        let locations = self
            .layout
            .locate_config(paths.ok_or(SkipReason::NoPrefix)?, CHECK_ID)?;
        locations.into_iter().next().ok_or(SkipReason::NoPrefix)
    }

    /// A `GET` with the token, and a second one where Vault's answer makes the token suspect.
    async fn get(
        &self,
        request: &impl Endpoint,
        deadline: Deadline,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let waited = Waited::default();
        let mut response = self.ask(request, None, deadline, &waited).await?;
        if response.status == StatusCode::FORBIDDEN
            && self
                .tokens
                .judge(&response.token, answer::denial(&response.body))
                == Verdict::Repeat
        {
            response = self.ask(request, Some(response), deadline, &waited).await?;
        }
        if matches!(response.status, StatusCode::OK | StatusCode::NOT_FOUND) {
            TokenKeeper::prove(&response.token);
        }
        Ok((response.status, response.body))
    }

    /// One request, and its retries; `refused` itself where the token is still the same.
    async fn ask(
        &self,
        request: &impl Endpoint,
        refused: Option<Response>,
        deadline: Deadline,
        waited: &Waited,
    ) -> Result<Response, Failure> {
        // A login has retries of its own.
        let token = self.tokens.token();
        let token = self.client.within(deadline, waited, token).await?;
        if let Some(refused) = refused
            && refused.token.header() == token.header()
        {
            return Ok(refused);
        }
        let attempt = || self.client.attempt(request, Some(token.header()), waited);
        let answer = self.client.with_retries(deadline, waited, attempt).await;
        let (status, body) = answer?;
        Ok(Response {
            token,
            status,
            body,
        })
    }

    /// Vault denied reading `location`.
    fn denied(&self, location: &Location, denial: Denial) -> Failure {
        let Location { mount, path } = location;
        let (policy_path, other_version) = match self.version {
            KvVersion::V1 => (
                format!("{mount}/{path}"),
                "; if the mount is KV version 2, set \"kv_engine_version\" to 2",
            ),
            KvVersion::V2 => (
                format!("{mount}/data/{path}"),
                " (KV version 2 has the \"data/\" in its policies)",
            ),
        };
        let mistake = self.mistake(location).map(|mistake| format!("; {mistake}"));
        let mistake = mistake.unwrap_or_default();
        let token = "Vault does not accept the token: it has ended, was revoked or is used up, or belongs \
                     to another Vault or namespace";
        let namespace = self.client.settings.namespace.as_ref();
        let namespace = namespace.map(|namespace| format!(" in the namespace {namespace:?}"));
        let namespace = namespace.unwrap_or_default();
        let policy = format!(
            "the token's policies do not allow \"read\" on {policy_path:?}{other_version}, or no secrets \
             engine is mounted at {mount:?}{namespace}{mistake}"
        );
        Failure::access_denied(match denial {
            Denial::Token => format!("denied: {token}"),
            Denial::Path => format!("denied: {policy}"),
            Denial::Unknown => format!("denied: {policy}; or {token}"),
            Denial::NotVaults => format!(
                "denied, but not by Vault: a proxy or gateway before {} refused the request; check \
                 \"url\" and the proxy",
                self.client.settings.address
            ),
        })
    }

    /// A setting that is commonly wrong in this way.
    fn mistake(&self, location: &Location) -> Option<&'static str> {
        let is_v2 = self.version == KvVersion::V2;
        let starts_with_data = |path: &str| path == "data" || path.starts_with("data/");
        if self.client.settings.address.ends_in_v1() {
            Some("\"url\" ends in \"/v1\", which is added: leave it out")
        } else if is_v2 && location.mount.ends_with("/data") {
            Some("\"mount_point\" ends in \"/data\", which is added for KV version 2: leave it out")
        } else if is_v2 && starts_with_data(&location.path) {
            Some(
                "the path begins with \"data/\", which is added for KV version 2: leave it out of \
                 \"connections_path\", \"variables_path\" and \"config_path\"",
            )
        } else {
            None
        }
    }

    /// Why a document is missing, where Vault does not say: a mount of version 1 answers a request for
    /// version 2 as if the document were missing.
    async fn look_closer(&self, location: &Location, deadline: Deadline) -> Missing {
        let is_plain = self.version == KvVersion::V1
            || self.version_is_seen.load(Ordering::Relaxed)
            || self.layout.mount_point == MountPoint::FirstSegmentOfId;
        if is_plain {
            return Missing::Absent;
        }
        // A hint is worth neither a long wait nor a retry: a gateway may let no such request pass.
        let deadline = deadline.or_after(LONGEST_WAIT_FOR_HINT);
        let ask = async || {
            let token = self.tokens.token().await.ok()?;
            let request = ReadMount(&location.mount);
            let answer = self
                .client
                .call_once(&request, Some(token.header()), deadline);
            match answer.await {
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
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let locations = match locations {
            Ok(locations) => locations,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let (native_key, document) = match self.find(&locations, options).await? {
            Found::Document {
                native_key,
                document,
            } => (native_key, document),
            Found::Missing { native_key, reason } => {
                return Ok(Lookup::missing(native_key).because(reason));
            }
        };
        document
            .value(&native_key)
            .map_err(|failure| failure.at(native_key))
    }
}

/// An answer, and the token that was sent.
struct Response {
    token: Arc<Token>,
    status: StatusCode,
    body: Bytes,
}

#[async_trait]
impl SecretsBackend for VaultBackend {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let locations = match self
            .layout
            .locate(&self.connections_path, conn_id, options.team())
        {
            Ok(locations) => locations,
            Err(reason) => return Ok(Lookup::skipped(reason.about("connections_path"))),
        };
        let (native_key, document) = match self.find(&locations, options).await? {
            Found::Document {
                native_key,
                document,
            } => (native_key, document),
            Found::Missing { native_key, reason } => {
                return Ok(Lookup::missing(native_key).because(reason));
            }
        };
        match document.conn_value() {
            Ok(value) => Ok(Lookup::found(value, native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let paths = &self.variables_path;
        let locations = self.layout.locate(paths, key, options.team());
        self.value(
            locations.map_err(|reason| reason.about("variables_path")),
            options,
        )
        .await
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let locations = self.layout.locate_config(&self.config_path, key);
        self.value(
            locations.map_err(|reason| reason.about("config_path")),
            options,
        )
        .await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let location = match self.check_location() {
            Ok(location) => location,
            Err(reason) => return Ok(CheckOutcome::skipped(reason)),
        };
        let native_key = location.to_string();
        match self.try_reading(&location, options).await {
            Ok(()) => Ok(CheckOutcome::reachable(native_key)),
            Err(failure) => Err(failure.at(native_key)),
        }
    }
}

/// Asks what kind of engine is mounted at a path.
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
