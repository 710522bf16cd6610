//! Options from the keyword arguments of Airflow's `VaultBackend` and of the `hvac.Client` behind
//! it, read as Python reads them.

#[cfg(any(feature = "_aws", feature = "azure", feature = "gcp"))]
mod cloud;

use serde_json::Value;

use super::{
    KvVersion, VaultCredential,
    builder::VaultBuilder,
    credential::{
        file::{Both, InlineOrFile},
        login::KUBERNETES_JWT_PATH,
    },
};
use crate::{
    ConfigurationError, Environment, Secret,
    backends::http_options::Roots,
    backends::registry::BackendSetup,
    config::{Kwargs, Setting, set},
};

/// Arguments of Airflow's class that are not used here: those of another login, and those that configure
/// Vault itself.
const NOT_USED: &[&str] = &[
    "key_id",
    "assume_role_kwargs",
    "region",
    "gcp_key_path",
    "gcp_keyfile_dict",
    "gcp_scopes",
    "azure_tenant_id",
    "azure_resource",
    "radius_host",
    "radius_secret",
    "radius_port",
    // For LIST requests, which a backend never sends.
    "strict_http",
];

/// Arguments of hvac that only Python code can give.
const PYTHON_ONLY: &[&str] = &["session", "adapter", "ignore_exceptions"];

const KNOWN_LOGINS: &str = "approle, aws_iam, azure, cert, gcp, github, jwt, kubernetes, ldap, \
                            radius, token, userpass";

/// The builder that `setup` describes.
pub(super) fn builder(setup: BackendSetup<'_>) -> Result<VaultBuilder, ConfigurationError> {
    let BackendSetup {
        mut kwargs,
        environment,
        multi_team,
        ..
    } = setup;
    let mut builder = VaultBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    paths(&mut kwargs, &mut builder)?;
    engine(&mut kwargs, &mut builder)?;
    wire(&mut kwargs, &mut builder)?;
    builder.credential = Some(login(&mut kwargs, environment)?);
    kwargs.ignore(NOT_USED);
    kwargs.refuse(PYTHON_ONLY, "only Python code can give this: leave it out")?;
    kwargs.deny_unknown()?;
    Ok(builder)
}

fn paths(kwargs: &mut Kwargs, builder: &mut VaultBuilder) -> Result<(), ConfigurationError> {
    let mut all = [
        ("connections_path", &mut builder.connections_path),
        ("variables_path", &mut builder.variables_path),
        ("config_path", &mut builder.config_path),
    ];
    for (name, paths) in &mut all {
        match kwargs.take(name) {
            None => {}
            Some(given) if given.value.is_null() => **paths = given.with(Vec::new()),
            Some(given) => **paths = given.list()?,
        }
    }
    if let Some(global) = kwargs.text("global_secrets_path")? {
        builder.warnings.push(global.warning(
            "deprecated by Airflow: give lists of paths to connections_path, variables_path and \
             config_path instead",
        ));
        for (_, paths) in all {
            paths.value.push(global.value.clone());
        }
    }
    Ok(())
}

fn engine(kwargs: &mut Kwargs, builder: &mut VaultBuilder) -> Result<(), ConfigurationError> {
    if let Some(mount_point) = kwargs.text_or_null("mount_point")? {
        builder.mount_point = mount_point.map(|path| path.filter(|path| !path.is_empty()));
    }
    if let Some(version) = kwargs.truthy("kv_engine_version") {
        builder.kv_engine_version = kv_version(&version)?;
    }
    set(
        &mut builder.use_team_secrets_path,
        kwargs.truth("use_team_secrets_path"),
    );
    builder.namespace = kwargs.non_empty("namespace")?;
    Ok(())
}

fn wire(kwargs: &mut Kwargs, builder: &mut VaultBuilder) -> Result<(), ConfigurationError> {
    let url = kwargs.non_empty("url")?;
    builder.url = url.map(|url| url.map(Secret::from));
    let http = &mut builder.http;
    let roots = kwargs.any("verify").map(Setting::roots).transpose()?;
    // With "true" the environment still counts.
    http.roots = roots.filter(|roots| roots.value != Roots::Mozilla);
    let cert = kwargs.any("cert").map(Setting::client_certificate);
    http.client_certificate = cert.transpose()?;
    http.proxies = kwargs.any("proxies").map(Setting::proxies).transpose()?;
    http.timeout = kwargs.seconds("timeout")?.map(|timeout| timeout.value);
    set(
        &mut builder.follow_redirects,
        kwargs.truth("allow_redirects"),
    );
    set(&mut builder.request_header, kwargs.truth("request_header"));
    Ok(())
}

fn login(
    kwargs: &mut Kwargs,
    environment: &Environment,
) -> Result<Setting<VaultCredential>, ConfigurationError> {
    let auth_type = match kwargs.text_or_null("auth_type")? {
        Some(given) => given.map(Option::unwrap_or_default),
        None => Setting::new("auth_type", "default: \"token\"", "token".to_owned()),
    };
    let name = &*auth_type.value;
    let arguments = LoginArguments::take(kwargs)?;
    let given = arguments.names();
    let login = match name {
        "token" => token_login(&arguments, environment),
        "approle" => arguments.approle(),
        #[cfg(feature = "_aws")]
        "aws_iam" => Ok(cloud::aws_iam(kwargs, arguments, &auth_type)?),
        #[cfg(feature = "azure")]
        "azure" => cloud::azure(kwargs, arguments)?,
        #[cfg(feature = "gcp")]
        "gcp" => cloud::gcp(kwargs, arguments)?,
        "userpass" => arguments.password_login(VaultCredential::userpass),
        "ldap" => arguments.password_login(VaultCredential::ldap),
        "radius" => arguments.password_login(VaultCredential::radius),
        "jwt" => jwt_login(
            arguments.jwt_role,
            arguments.jwt_token,
            arguments.jwt_token_path,
        ),
        "kubernetes" => match (arguments.kubernetes_role, arguments.kubernetes_jwt_path) {
            (None, _) => Err("\"kubernetes_role\""),
            (_, None) => Err("\"kubernetes_jwt_path\""),
            (Some(role), Some(path)) => Ok(VaultCredential::kubernetes_with(role, path)),
        },
        "github" => match (arguments.token, arguments.token_path) {
            (Some(token), _) => Ok(VaultCredential::github(token)),
            (None, Some(path)) => Ok(VaultCredential::github_path(path)),
            (None, None) => Err("\"token\" or \"token_path\""),
        },
        "cert" => Ok(VaultCredential::certificate(None)),
        _ => {
            return Err(auth_type.error(match feature_of(name) {
                Some(feature) => format!(
                    "the login {name:?} is not in this build of airflow-secrets: enable its cargo \
                     feature {feature}"
                ),
                None => format!("is not a known login; use one of {KNOWN_LOGINS}"),
            }));
        }
    };
    let login = login.map_err(|needed| {
        let hint = other_login(name, &given);
        auth_type.error(format!("the login {name:?} needs {needed}{hint}"))
    })?;
    let mount = text(kwargs, "auth_mount_point")?;
    Ok(auth_type.with(match mount {
        Some(mount) => login.mounted_at(mount),
        None => login,
    }))
}

/// The cargo feature beside `vault` that a cloud's login needs.
fn feature_of(login: &str) -> Option<&'static str> {
    match login {
        "aws_iam" => Some("\"aws-secrets-manager\" or \"aws-parameter-store\""),
        "azure" => Some("\"azure\""),
        "gcp" => Some("\"gcp\""),
        _ => None,
    }
}

struct LoginArguments {
    token: Option<Secret>,
    token_path: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    role_id: Option<Secret>,
    secret_id: Option<Secret>,
    role_id_file_path: Option<String>,
    secret_id_file_path: Option<String>,
    jwt_role: Option<String>,
    jwt_token: Option<Secret>,
    jwt_token_path: Option<String>,
    kubernetes_role: Option<String>,
    kubernetes_jwt_path: Option<String>,
}

impl LoginArguments {
    fn take(kwargs: &mut Kwargs) -> Result<Self, ConfigurationError> {
        let kubernetes_jwt_path = match kwargs.text_or_null("kubernetes_jwt_path")? {
            Some(path) => path.value.filter(|path| !path.is_empty()),
            None => Some(KUBERNETES_JWT_PATH.to_owned()),
        };
        let mut text = |name| text(kwargs, name);
        Ok(Self {
            token: text("token")?.map(Secret::from),
            token_path: text("token_path")?,
            username: text("username")?,
            password: text("password")?.map(Secret::from),
            role_id: text("role_id")?.map(Secret::from),
            secret_id: text("secret_id")?.map(Secret::from),
            role_id_file_path: text("role_id_file_path")?,
            secret_id_file_path: text("secret_id_file_path")?,
            jwt_role: text("jwt_role")?,
            jwt_token: text("jwt_token")?.map(Secret::from),
            jwt_token_path: text("jwt_token_path")?,
            kubernetes_role: text("kubernetes_role")?,
            kubernetes_jwt_path,
        })
    }

    /// The names of the files are those of Vault Agent.
    fn approle(self) -> Result<VaultCredential, &'static str> {
        let role_id = InlineOrFile::one_of(self.role_id, self.role_id_file_path);
        let role_id =
            role_id.map_err(|Both| "\"role_id\" or \"role_id_file_path\", and not both")?;
        let secret_id = InlineOrFile::one_of(self.secret_id, self.secret_id_file_path);
        let secret_id =
            secret_id.map_err(|Both| "\"secret_id\" or \"secret_id_file_path\", and not both")?;
        let role_id = role_id.ok_or("\"role_id\"")?;
        Ok(VaultCredential::approle_of(role_id, secret_id))
    }

    /// The arguments that only one login takes, as far as they are given, each with that login.
    fn names(&self) -> Vec<(&'static str, &'static str)> {
        let given = [
            (self.role_id.is_some(), "role_id", "approle"),
            (self.secret_id.is_some(), "secret_id", "approle"),
            (self.jwt_role.is_some(), "jwt_role", "jwt"),
            (
                self.kubernetes_role.is_some(),
                "kubernetes_role",
                "kubernetes",
            ),
            (self.username.is_some(), "username", "userpass"),
        ];
        let given = given.into_iter().filter(|(is_given, ..)| *is_given);
        given.map(|(_, name, login)| (name, login)).collect()
    }

    fn password_login(
        self,
        login: fn(String, Secret) -> VaultCredential,
    ) -> Result<VaultCredential, &'static str> {
        match (self.username, self.password) {
            (Some(username), Some(password)) => Ok(login(username, password)),
            _ => Err("\"username\" and \"password\""),
        }
    }
}

/// What to set where the arguments that are `given` belong to another login than `name`.
fn other_login(name: &str, given: &[(&'static str, &'static str)]) -> String {
    match given.first() {
        Some((argument, login)) if *login != name => {
            format!("; since {argument:?} is set, \"auth_type\" may have to be {login:?}")
        }
        _ => String::new(),
    }
}

/// A text that is not empty; a number counts as text, as it does for Vault.
fn text(kwargs: &mut Kwargs, name: &str) -> Result<Option<String>, ConfigurationError> {
    let text = kwargs.any(name).map(Setting::text_or_number).transpose()?;
    Ok(text.map(|text| text.value).filter(|text| !text.is_empty()))
}

/// A file wins over a token, and a token over `VAULT_TOKEN`.
fn token_login(
    arguments: &LoginArguments,
    environment: &Environment,
) -> Result<VaultCredential, &'static str> {
    if let Some(path) = &arguments.token_path {
        return Ok(VaultCredential::token_path(path));
    }
    let from_environment = || environment.non_empty("VAULT_TOKEN");
    match &arguments.token {
        Some(token) => Ok(VaultCredential::token(token.clone())),
        None => from_environment()
            .map(VaultCredential::token)
            .ok_or("\"token\", \"token_path\", or VAULT_TOKEN in the environment"),
    }
}

fn jwt_login(
    role: Option<String>,
    token: Option<Secret>,
    path: Option<String>,
) -> Result<VaultCredential, &'static str> {
    let role = role.ok_or("\"jwt_role\"")?;
    match (token, path) {
        (Some(token), _) => Ok(VaultCredential::jwt(role, token)),
        (None, Some(path)) => Ok(VaultCredential::jwt_path(role, path)),
        (None, None) => Err("\"jwt_token\" or \"jwt_token_path\""),
    }
}

fn kv_version(given: &Setting<Value>) -> Result<KvVersion, ConfigurationError> {
    let number = match given.value {
        // Python's True is the number 1.
        Value::Bool(_) => Some(1.0),
        _ => given.value.as_f64(),
    };
    match number {
        Some(1.0) => Ok(KvVersion::V1),
        Some(2.0) => Ok(KvVersion::V2),
        _ => Err(given.error("must be the number 1 or 2, not text")),
    }
}

#[cfg(test)]
mod tests;
