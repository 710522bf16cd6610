//! The logins: the request by which each gets a token from Vault.

mod approle;
#[cfg(feature = "_aws")]
mod aws_iam;
#[cfg(feature = "azure")]
mod azure;
mod cloud;
#[cfg(feature = "gcp")]
mod gcp;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderValue, StatusCode};
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use serde_json::json;
use vaultrs::api::auth::{
    approle::requests::LoginWithApproleRequest, kubernetes::requests::LoginWithKubernetesRequest,
    oidc::requests::JWTLoginRequest, userpass::requests::LoginRequest as LoginWithPasswordRequest,
};

#[cfg(feature = "_aws")]
pub use self::aws_iam::AwsIamLogin;
#[cfg(feature = "gcp")]
pub(crate) use self::gcp::GcpLogin;
use self::{approle::SecretId, cloud::CloudLogin};
use super::{
    Authority, Grant, RenewalFailure, TokenSource,
    file::{FileStamp, InlineOrFile, read_secret},
};
use crate::{
    Environment, Failure, Secret,
    backends::vault::{
        answer,
        client::{Client, token_header},
    },
};

/// Where Kubernetes puts a pod's service account token.
pub(crate) const KUBERNETES_JWT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A lease that is longer counts as this long, so that no sum of times overflows.
const LONGEST_LEASE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How a backend gets its token. `Debug` shows no secret.
///
/// Files are read again at each login, since their content rotates. White space at the start and end
/// of a file is ignored.
///
/// ```
/// use airflow_secrets::backends::vault::VaultCredential;
///
/// let login = VaultCredential::approle("astro_role", Some("a secret_id")).mounted_at("teams/approle");
/// assert!(!format!("{login:?}").contains("a secret_id"));
/// ```
#[derive(Debug, Clone)]
pub struct VaultCredential {
    method: Method,
    mount: Option<String>,
}

#[derive(Debug, Clone)]
enum Method {
    Token(InlineOrFile),
    AppRole {
        role_id: InlineOrFile,
        secret_id: SecretId,
    },
    #[cfg_attr(
        not(any(feature = "_aws", feature = "azure", feature = "gcp")),
        allow(dead_code, reason = "needs the feature of a cloud")
    )]
    Cloud(Arc<dyn CloudLogin>),
    Password {
        kind: PasswordKind,
        username: String,
        password: Secret,
    },
    Jwt {
        role: String,
        jwt: InlineOrFile,
    },
    Kubernetes {
        role: String,
        jwt_path: PathBuf,
    },
    GitHub(InlineOrFile),
    Certificate {
        role: Option<String>,
    },
}

#[derive(Debug, Clone, Copy)]
enum PasswordKind {
    Userpass,
    Ldap,
    Radius,
}

impl VaultCredential {
    fn new(method: Method) -> Self {
        Self {
            method,
            mount: None,
        }
    }

    /// With a token that exists already. Airflow: `auth_type` `token`, `token`.
    pub fn token(token: impl Into<Secret>) -> Self {
        Self::new(Method::Token(InlineOrFile::Inline(token.into())))
    }

    /// With the token in a file, which an agent may keep fresh. The file is read again when it has
    /// changed, and when Vault refuses the token. Airflow: `token_path`.
    pub fn token_path(path: impl Into<PathBuf>) -> Self {
        Self::new(Method::Token(InlineOrFile::File(path.into())))
    }

    /// With a user's name and password. Airflow: `auth_type` `userpass`.
    pub fn userpass(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::with_password(PasswordKind::Userpass, username.into(), password.into())
    }

    /// With an LDAP user's name and password. Airflow: `auth_type` `ldap`.
    pub fn ldap(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::with_password(PasswordKind::Ldap, username.into(), password.into())
    }

    /// With a RADIUS user's name and password. Airflow's `auth_type` `radius` only writes Vault's
    /// configuration and never logs in.
    pub fn radius(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::with_password(PasswordKind::Radius, username.into(), password.into())
    }

    fn with_password(kind: PasswordKind, username: String, password: Secret) -> Self {
        Self::new(Method::Password {
            kind,
            username,
            password,
        })
    }

    /// With a JSON web token. Airflow: `auth_type` `jwt`, `jwt_token`.
    pub fn jwt(role: impl Into<String>, jwt: impl Into<Secret>) -> Self {
        let jwt = InlineOrFile::Inline(jwt.into().expose().trim().into());
        Self::new(Method::Jwt {
            role: role.into(),
            jwt,
        })
    }

    /// With the JSON web token in a file. Airflow: `jwt_token_path`.
    pub fn jwt_path(role: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let jwt = InlineOrFile::File(path.into());
        Self::new(Method::Jwt {
            role: role.into(),
            jwt,
        })
    }

    /// With the service account token that Kubernetes puts into a pod. Airflow: `auth_type`
    /// `kubernetes`.
    pub fn kubernetes(role: impl Into<String>) -> Self {
        Self::kubernetes_with(role, KUBERNETES_JWT_PATH)
    }

    /// The same with the token in another file. Airflow: `kubernetes_jwt_path`.
    pub fn kubernetes_with(role: impl Into<String>, jwt_path: impl Into<PathBuf>) -> Self {
        Self::new(Method::Kubernetes {
            role: role.into(),
            jwt_path: jwt_path.into(),
        })
    }

    /// With a GitHub token. Airflow: `auth_type` `github`, `token`.
    pub fn github(token: impl Into<Secret>) -> Self {
        Self::new(Method::GitHub(InlineOrFile::Inline(token.into())))
    }

    /// With the GitHub token in a file. Airflow documents `token_path` for this login and does not
    /// read it.
    pub fn github_path(path: impl Into<PathBuf>) -> Self {
        Self::new(Method::GitHub(InlineOrFile::File(path.into())))
    }

    /// With the client certificate of the connection. `role` names the certificate role; without it
    /// Vault tries all roles. Airflow has no such login.
    #[must_use]
    pub fn certificate(role: Option<&str>) -> Self {
        Self::new(Method::Certificate {
            role: role.map(ToOwned::to_owned),
        })
    }

    /// Where the login method is mounted, without `auth/`. Default: Vault's own, such as `approle`.
    /// Airflow: `auth_mount_point`.
    #[must_use]
    pub fn mounted_at(mut self, mount: impl Into<String>) -> Self {
        self.mount = Some(mount.into());
        self
    }

    pub(crate) fn mount(&self) -> &str {
        self.mount.as_deref().unwrap_or(self.method.default_mount())
    }

    pub(crate) fn needs_client_certificate(&self) -> bool {
        matches!(self.method, Method::Certificate { .. })
    }
}

impl Method {
    fn default_mount(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::AppRole { .. } => "approle",
            Self::Cloud(login) => login.default_mount(),
            Self::Password {
                kind: PasswordKind::Userpass,
                ..
            } => "userpass",
            Self::Password {
                kind: PasswordKind::Ldap,
                ..
            } => "ldap",
            Self::Password {
                kind: PasswordKind::Radius,
                ..
            } => "radius",
            Self::Jwt { .. } => "jwt",
            Self::Kubernetes { .. } => "kubernetes",
            Self::GitHub(_) => "github",
            Self::Certificate { .. } => "cert",
        }
    }

    /// What to check when Vault refuses the login.
    fn what_to_check(&self) -> &'static str {
        match self {
            Self::Token(_) => "the token",
            Self::AppRole { .. } => "role_id and secret_id, and that they have not expired",
            Self::Cloud(login) => login.what_to_check(),
            Self::Password { .. } => "username and password",
            Self::Jwt { .. } => "jwt_role and the token, and that it has not expired",
            Self::Kubernetes { .. } => "kubernetes_role and the pod's service account",
            Self::GitHub(_) => "the GitHub token and its organisation",
            Self::Certificate { .. } => "the client certificate and its role",
        }
    }
}

/// Logs in to Vault with one [`VaultCredential`].
pub(crate) struct VaultAuthority {
    client: Arc<Client>,
    login: VaultCredential,
    /// Where a cloud's credentials are found.
    environment: Environment,
    /// The file of the token as it was when it was last read.
    token_file: Mutex<Option<FileStamp>>,
}

impl VaultAuthority {
    pub(crate) fn new(
        client: Arc<Client>,
        login: VaultCredential,
        environment: Environment,
    ) -> Self {
        Self {
            client,
            login,
            environment,
            token_file: Mutex::default(),
        }
    }

    fn token_file(&self) -> MutexGuard<'_, Option<FileStamp>> {
        self.token_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_token(&self, given: &InlineOrFile) -> Result<Secret, Failure> {
        if let InlineOrFile::File(path) = given {
            // Before it is read: a change while it is read is noticed at the next lookup.
            let stamp = FileStamp::of(path).await;
            *self.token_file() = stamp;
        }
        given.read("token").await
    }

    /// The token that `request` logs in for.
    async fn granted(&self, request: impl Endpoint) -> Result<Grant, Failure> {
        let (status, body) = self.client.call(&request, None).await?;
        if status.is_success() {
            return answer::auth(&body).and_then(grant).map_err(|failure| {
                let mount = self.login.mount();
                let message = format!("the login at auth/{mount} failed: {failure}");
                Failure::new(failure.kind(), message)
            });
        }
        Err(self.refused(status, &body))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let mount = self.login.mount();
        let check = self.login.method.what_to_check();
        let refused = |further: &str| {
            let message = format!("the login at auth/{mount} was refused: check {check}{further}");
            Failure::access_denied(message)
        };
        if matches!(status.as_u16(), 400 | 401 | 403 | 404) && !answer::is_error(body) {
            let why = answer::not_vault();
            return Failure::unavailable(format!("the login at auth/{mount} failed: {why}"));
        }
        match status {
            _ if answer::says(body, "namespace not found") => {
                refused("; and \"namespace\", which does not exist")
            }
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => refused(""),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if mount.starts_with("auth/") => refused(
                "; and \"auth_mount_point\", which begins with \"auth/\": that is added, leave it out",
            ),
            // Vault answers 403 also where nothing is mounted.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => refused(
                "; and \"auth_mount_point\" and \"namespace\": the login method may not be mounted there",
            ),
            status => self.client.unexpected(status, body),
        }
    }
}

#[async_trait]
impl Authority for VaultAuthority {
    async fn log_in(&self) -> Result<Grant, Failure> {
        let mount = self.login.mount().to_owned();
        match &self.login.method {
            Method::Token(given) => Ok(Grant {
                token: token_header(self.read_token(given).await?)?,
                lease: None,
                renewable: false,
                uses: None,
                proven: false,
            }),
            Method::AppRole { role_id, secret_id } => {
                let role_id = role_id.read("role_id").await?.expose().to_owned();
                let secret_id = self.secret_id(secret_id).await?;
                self.granted(LoginWithApproleRequest {
                    mount,
                    role_id,
                    secret_id,
                })
                .await
            }
            Method::Cloud(login) => {
                let limit = self.client.settings.http.timeout();
                let body = cloud::body(&**login, &self.environment, limit).await?;
                let body = body.expose().to_owned();
                self.granted(OtherLogin { mount, body }).await
            }
            // The three take the same request.
            Method::Password {
                username, password, ..
            } => {
                let username = username.clone();
                let password = password.expose().to_owned();
                self.granted(LoginWithPasswordRequest {
                    mount,
                    username,
                    password,
                })
                .await
            }
            Method::Jwt { role, jwt } => {
                let jwt = jwt.read("token").await?.expose().to_owned();
                let role = Some(role.clone());
                self.granted(JWTLoginRequest { mount, jwt, role }).await
            }
            Method::Kubernetes { role, jwt_path } => {
                let jwt = read_secret("token", jwt_path).await?.expose().to_owned();
                let role = role.clone();
                self.granted(LoginWithKubernetesRequest { mount, role, jwt })
                    .await
            }
            Method::GitHub(token) => {
                let token = token.read("token").await?;
                let body = json!({ "token": token.expose() }).to_string();
                self.granted(OtherLogin { mount, body }).await
            }
            Method::Certificate { role } => {
                let body = match role {
                    Some(role) => json!({ "name": role }),
                    None => json!({}),
                };
                self.granted(OtherLogin {
                    mount,
                    body: body.to_string(),
                })
                .await
            }
        }
    }

    fn source(&self) -> TokenSource {
        match &self.login.method {
            Method::Token(InlineOrFile::Inline(_)) => TokenSource::Settings,
            Method::Token(InlineOrFile::File(_)) => TokenSource::File,
            _ => TokenSource::Login,
        }
    }

    async fn has_changed(&self) -> bool {
        match &self.login.method {
            Method::Token(InlineOrFile::File(path)) => {
                let stamp = FileStamp::of(path).await;
                stamp.is_some() && stamp != *self.token_file()
            }
            _ => false,
        }
    }

    async fn renew(&self, token: &HeaderValue) -> Result<Grant, RenewalFailure> {
        match self.client.call(&RenewSelf, Some(token)).await {
            Ok((status, body)) if status.is_success() => answer::auth(&body)
                .and_then(grant)
                .map_err(|_| RenewalFailure::Refused),
            Ok(_) => Err(RenewalFailure::Refused),
            Err(_) => Err(RenewalFailure::Unavailable),
        }
    }
}

impl fmt::Debug for VaultAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VaultAuthority").field(&self.login).finish()
    }
}

fn grant(auth: answer::Auth) -> Result<Grant, Failure> {
    Ok(Grant {
        token: token_header(auth.client_token.into())?,
        lease: (auth.lease_duration > 0)
            .then(|| Duration::from_secs(auth.lease_duration).min(LONGEST_LEASE)),
        renewable: auth.renewable,
        uses: (auth.num_uses > 0).then_some(auth.num_uses),
        proven: true,
    })
}

/// A login that `vaultrs` has no request for, or whose members it gives names that Vault does not read.
struct OtherLogin {
    mount: String,
    body: String,
}

impl Endpoint for OtherLogin {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("auth/{}/login", self.mount)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(Some(self.body.clone().into_bytes()))
    }
}

/// The request of `vaultrs` has a tab before its path.
struct RenewSelf;

impl Endpoint for RenewSelf {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        "auth/token/renew-self".to_owned()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }
}
