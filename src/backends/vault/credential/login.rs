//! The logins: what each sends to Vault to get a token.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use reqwest::StatusCode;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use serde_json::json;
use tokio::sync::OnceCell;
use vaultrs::api::{
    auth::{
        approle::requests::LoginWithApproleRequest,
        kubernetes::requests::LoginWithKubernetesRequest, oidc::requests::JWTLoginRequest,
        userpass::requests::LoginRequest as LoginWithPasswordRequest,
    },
    sys::requests::UnwrapRequest,
};

use super::{Authority, Grant, RenewalFailure};
use crate::{
    Failure, Secret,
    backends::vault::{answer, client::Client},
};

/// Where Kubernetes puts a pod's service account token.
pub(in crate::backends::vault) const KUBERNETES_JWT_PATH: &str =
    "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A lease that is longer counts as this long, so that no sum of times overflows.
const LONGEST_LEASE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How a backend comes by its token. `Debug` shows no secret.
///
/// Files are read again at each login, since what is in them rotates; white space around their
/// content is no part of it.
///
/// ```
/// use airflow_secrets::backends::vault::Login;
///
/// let login = Login::approle("astro_role", Some("a secret_id")).mounted_at("teams/approle");
/// assert!(!format!("{login:?}").contains("a secret_id"));
/// ```
#[derive(Debug, Clone)]
pub struct Login {
    method: Method,
    mount: Option<String>,
}

#[derive(Debug, Clone)]
enum Method {
    Token(Given),
    AppRole {
        role_id: Secret,
        secret_id: SecretId,
    },
    Password {
        kind: PasswordKind,
        username: String,
        password: Secret,
    },
    Jwt {
        role: String,
        jwt: Given,
    },
    Kubernetes {
        role: String,
        jwt_path: PathBuf,
    },
    GitHub(Given),
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

/// A secret in hand, or in a file.
#[derive(Debug, Clone)]
enum Given {
    Inline(Secret),
    File(PathBuf),
}

impl Given {
    async fn read(&self) -> Result<Secret, Failure> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read_secret(path).await,
        }
    }
}

/// AppRole's second half.
#[derive(Debug, Clone)]
enum SecretId {
    None,
    Inline(Secret),
    /// Behind a wrapping token, which can be opened once; what was in it is kept.
    Wrapped {
        token: Secret,
        secret_id: Arc<OnceCell<Secret>>,
    },
}

impl Login {
    fn new(method: Method) -> Self {
        Self {
            method,
            mount: None,
        }
    }

    /// With a token that is there already. Airflow: `auth_type` `token`, `token`.
    pub fn token(token: impl Into<Secret>) -> Self {
        Self::new(Method::Token(Given::Inline(token.into())))
    }

    /// With the token in a file, such as an agent keeps fresh. Airflow: `token_path`.
    pub fn token_path(path: impl Into<PathBuf>) -> Self {
        Self::new(Method::Token(Given::File(path.into())))
    }

    /// With an AppRole; a role may need no `secret_id`. Airflow: `auth_type` `approle`.
    pub fn approle<S: Into<Secret>>(role_id: impl Into<Secret>, secret_id: Option<S>) -> Self {
        let secret_id = secret_id.map_or(SecretId::None, |id| SecretId::Inline(id.into()));
        let role_id = role_id.into();
        Self::new(Method::AppRole { role_id, secret_id })
    }

    /// With an AppRole whose `secret_id` comes response-wrapped: `wrapping_token` is opened at
    /// the first login, and an error says if somebody has opened it before. Airflow has no such
    /// login.
    pub fn approle_wrapped(role_id: impl Into<Secret>, wrapping_token: impl Into<Secret>) -> Self {
        let secret_id = SecretId::Wrapped {
            token: wrapping_token.into(),
            secret_id: Arc::default(),
        };
        let role_id = role_id.into();
        Self::new(Method::AppRole { role_id, secret_id })
    }

    /// With a user's name and password. Airflow: `auth_type` `userpass`.
    pub fn userpass(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::with_password(PasswordKind::Userpass, username.into(), password.into())
    }

    /// With an LDAP user's name and password. Airflow: `auth_type` `ldap`.
    pub fn ldap(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::with_password(PasswordKind::Ldap, username.into(), password.into())
    }

    /// With a RADIUS user's name and password. Airflow has an `auth_type` `radius`, but only
    /// writes Vault's configuration with it and never logs in.
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
        let jwt = Given::Inline(jwt.into().expose().trim().into());
        Self::new(Method::Jwt {
            role: role.into(),
            jwt,
        })
    }

    /// With the JSON web token in a file. Airflow: `jwt_token_path`.
    pub fn jwt_path(role: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        let jwt = Given::File(path.into());
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
        Self::new(Method::GitHub(Given::Inline(token.into())))
    }

    /// With the GitHub token in a file. Airflow's `token_path`, which it reads for `token` alone.
    pub fn github_path(path: impl Into<PathBuf>) -> Self {
        Self::new(Method::GitHub(Given::File(path.into())))
    }

    /// With the client certificate of the connection; `role` names the certificate role, without
    /// one Vault tries them all. Airflow has no such login.
    #[must_use]
    pub fn certificate(role: Option<&str>) -> Self {
        Self::new(Method::Certificate {
            role: role.map(ToOwned::to_owned),
        })
    }

    /// Where the login method is mounted below `auth/`; by default where Vault mounts it.
    /// Airflow: `auth_mount_point`.
    #[must_use]
    pub fn mounted_at(mut self, mount: impl Into<String>) -> Self {
        self.mount = Some(mount.into());
        self
    }

    pub(in crate::backends::vault) fn mount(&self) -> &str {
        self.mount.as_deref().unwrap_or(self.method.default_mount())
    }

    pub(in crate::backends::vault) fn needs_client_certificate(&self) -> bool {
        matches!(self.method, Method::Certificate { .. })
    }
}

impl Method {
    fn default_mount(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::AppRole { .. } => "approle",
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

    /// What to look at when Vault refuses the login.
    fn what_to_check(&self) -> &'static str {
        match self {
            Self::Token(_) => "the token",
            Self::AppRole { .. } => "role_id and secret_id, and that they have not expired",
            Self::Password { .. } => "username and password",
            Self::Jwt { .. } => "jwt_role and the token, and that it has not expired",
            Self::Kubernetes { .. } => "kubernetes_role and the pod's service account",
            Self::GitHub(_) => "the GitHub token and its organisation",
            Self::Certificate { .. } => "the client certificate and its role",
        }
    }
}

/// Logs in to Vault with one [`Login`].
pub(in crate::backends::vault) struct VaultAuthority {
    client: Arc<Client>,
    login: Login,
}

impl VaultAuthority {
    pub(in crate::backends::vault) fn new(client: Arc<Client>, login: Login) -> Self {
        Self { client, login }
    }

    /// The token that `request` logs in for.
    async fn granted(&self, request: impl Endpoint) -> Result<Grant, Failure> {
        let (status, body) = self.client.call(&request, None).await?;
        if status.is_success() {
            return Ok(grant(answer::auth(&body)?));
        }
        Err(self.refused(status))
    }

    fn refused(&self, status: StatusCode) -> Failure {
        let mount = self.login.mount();
        let refused = |check: &str| {
            let message = format!("the login at auth/{mount} was refused: check {check}");
            Failure::access_denied(message)
        };
        match status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => {
                refused(self.login.method.what_to_check())
            }
            // Vault tells strangers nothing about its mounts: 403 is also for those that are not.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => refused(&format!(
                "{}; and \"auth_mount_point\", since nothing may be mounted there",
                self.login.method.what_to_check()
            )),
            status => self.client.unexpected(status),
        }
    }

    async fn secret_id(&self, secret_id: &SecretId) -> Result<String, Failure> {
        match secret_id {
            SecretId::None => Ok(String::new()),
            SecretId::Inline(secret_id) => Ok(secret_id.expose().to_owned()),
            SecretId::Wrapped { token, secret_id } => {
                let secret_id = secret_id.get_or_try_init(|| self.unwrap(token)).await?;
                Ok(secret_id.expose().to_owned())
            }
        }
    }

    async fn unwrap(&self, wrapping_token: &Secret) -> Result<Secret, Failure> {
        let request = UnwrapRequest { token: None };
        let (status, body) = self
            .client
            .call_once(&request, Some(wrapping_token))
            .await?;
        let secret_id = status
            .is_success()
            .then(|| answer::unwrapped_secret_id(&body));
        secret_id.flatten().ok_or_else(|| {
            Failure::access_denied(
                "the wrapping token holds no secret_id: it has expired or was opened before; if \
                 not by you, somebody else has the secret_id now",
            )
        })
    }
}

#[async_trait]
impl Authority for VaultAuthority {
    async fn log_in(&self) -> Result<Grant, Failure> {
        let mount = self.login.mount().to_owned();
        match &self.login.method {
            Method::Token(given) => Ok(Grant {
                token: given.read().await?,
                lease: None,
                renewable: false,
                uses: None,
                proven: false,
            }),
            Method::AppRole { role_id, secret_id } => {
                let role_id = role_id.expose().to_owned();
                let secret_id = self.secret_id(secret_id).await?;
                self.granted(LoginWithApproleRequest {
                    mount,
                    role_id,
                    secret_id,
                })
                .await
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
                let jwt = jwt.read().await?.expose().to_owned();
                let role = Some(role.clone());
                self.granted(JWTLoginRequest { mount, jwt, role }).await
            }
            Method::Kubernetes { role, jwt_path } => {
                let jwt = read_secret(jwt_path).await?.expose().to_owned();
                let role = role.clone();
                self.granted(LoginWithKubernetesRequest { mount, role, jwt })
                    .await
            }
            Method::GitHub(token) => {
                let token = token.read().await?;
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

    fn can_log_in_anew(&self) -> bool {
        !matches!(self.login.method, Method::Token(Given::Inline(_)))
    }

    async fn renew(&self, token: &Secret) -> Result<Grant, RenewalFailure> {
        match self.client.call(&RenewSelf, Some(token)).await {
            Ok((status, body)) if status.is_success() => answer::auth(&body)
                .map(grant)
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

fn grant(auth: answer::Auth) -> Grant {
    Grant {
        token: auth.client_token.into(),
        lease: (auth.lease_duration > 0)
            .then(|| Duration::from_secs(auth.lease_duration).min(LONGEST_LEASE)),
        renewable: auth.renewable,
        uses: (auth.num_uses > 0).then_some(auth.num_uses),
        proven: true,
    }
}

async fn read_secret(path: &Path) -> Result<Secret, Failure> {
    let problem = match tokio::fs::read_to_string(path).await.map(Secret::from) {
        Ok(text) => match text.expose().trim() {
            "" => "it is empty".to_owned(),
            token => return Ok(token.into()),
        },
        Err(error) => error.to_string(),
    };
    Err(Failure::configuration(format!(
        "the token file {} cannot be used: {problem}",
        path.display()
    )))
}

/// A login that `vaultrs` has no request for, or sends under a name that Vault does not read.
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

/// `vaultrs` has this one with a tab before its path.
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
