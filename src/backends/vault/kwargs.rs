//! Options from the keyword arguments of Airflow's `VaultBackend` and of the `hvac.Client` behind
//! it, read as Python reads them.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    KvVersion, Login,
    builder::VaultBuilder,
    credential::login::KUBERNETES_JWT_PATH,
    proxy::Proxies,
    tls::{ClientCertificate, Roots},
};
use crate::{
    BackendSetup, ConfigurationError, Environment, Secret, Warning,
    backends::given::Given,
    config::is_truthy,
    config::{GivenKwarg, Kwargs},
};

/// All that is known, for the error about what is not.
const KNOWN: &[&str] = &[
    "connections_path",
    "variables_path",
    "config_path",
    "use_team_secrets_path",
    "global_secrets_path",
    "url",
    "auth_type",
    "auth_mount_point",
    "mount_point",
    "kv_engine_version",
    "token",
    "token_path",
    "username",
    "password",
    "secret_id",
    "role_id",
    "kubernetes_role",
    "kubernetes_jwt_path",
    "jwt_role",
    "jwt_token",
    "jwt_token_path",
    "namespace",
    "verify",
    "cert",
    "proxies",
    "timeout",
    "allow_redirects",
    "request_header",
];

/// What Airflow's class takes and only logins use that are not there yet, or that need it not.
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
    // How hvac sends LIST requests, which a backend never does.
    "strict_http",
];

/// What hvac takes that only Python code can give.
const PYTHON_ONLY: &[&str] = &["session", "adapter", "ignore_exceptions"];

const OFFERED_LOGINS: &str =
    "approle, cert, github, jwt, kubernetes, ldap, radius, token, userpass";

/// The builder that `setup` describes.
pub(super) fn builder(setup: BackendSetup<'_>) -> Result<VaultBuilder, ConfigurationError> {
    let BackendSetup {
        kwargs,
        environment,
        multi_team,
        warnings,
    } = setup;
    let mut taker = Taker { kwargs };
    let mut builder = VaultBuilder::default()
        .environment(environment)
        .multi_team(multi_team);
    taker.paths(&mut builder, warnings)?;
    taker.engine(&mut builder)?;
    taker.wire(&mut builder)?;
    builder.login = Some(taker.login(environment)?);
    taker.refuse_the_rest()?;
    Ok(builder)
}

/// Takes the arguments out, one by one.
struct Taker {
    kwargs: Kwargs,
}

impl Taker {
    fn paths(
        &mut self,
        builder: &mut VaultBuilder,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), ConfigurationError> {
        self.path_list("connections_path", &mut builder.connections_path)?;
        self.path_list("variables_path", &mut builder.variables_path)?;
        self.path_list("config_path", &mut builder.config_path)?;
        let Some(kwarg) = self.kwargs.take("global_secrets_path") else {
            return Ok(());
        };
        let Some(global) = kwarg.text_or_null()? else {
            return Ok(());
        };
        let error = kwarg.error(
            "deprecated by Airflow: give lists of paths to connections_path, variables_path and \
             config_path instead",
        );
        warnings.push(Warning::new(
            error.setting(),
            error.origin(),
            error.message(),
        ));
        for paths in [
            &mut builder.connections_path,
            &mut builder.variables_path,
            &mut builder.config_path,
        ] {
            paths.value.push(global.clone());
        }
        Ok(())
    }

    fn path_list(
        &mut self,
        name: &str,
        paths: &mut Given<Vec<String>>,
    ) -> Result<(), ConfigurationError> {
        let Some(kwarg) = self.kwargs.take(name) else {
            return Ok(());
        };
        let list = match kwarg.value() {
            Value::Null => Some(Vec::new()),
            Value::String(path) => Some(vec![path.clone()]),
            Value::Array(paths) => paths
                .iter()
                .map(|path| path.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        let list = list.ok_or_else(|| kwarg.error("must be a path, a list of paths, or null"))?;
        *paths = Given::by(&kwarg, list);
        Ok(())
    }

    fn engine(&mut self, builder: &mut VaultBuilder) -> Result<(), ConfigurationError> {
        if let Some(kwarg) = self.kwargs.take("mount_point") {
            let mount_point = kwarg.text_or_null()?.filter(|path| !path.is_empty());
            builder.mount_point = Given::by(&kwarg, mount_point);
        }
        if let Some(kwarg) = self.kwargs.take("kv_engine_version") {
            builder.kv_engine_version = kv_version(&kwarg)?;
        }
        if let Some(kwarg) = self.kwargs.take("use_team_secrets_path") {
            builder.use_team_secrets_path = is_truthy(kwarg.value());
        }
        if let Some(kwarg) = self.kwargs.take("namespace") {
            let namespace = kwarg.text_or_null()?.filter(|name| !name.is_empty());
            builder.namespace = namespace.map(|namespace| Given::by(&kwarg, namespace));
        }
        Ok(())
    }

    fn wire(&mut self, builder: &mut VaultBuilder) -> Result<(), ConfigurationError> {
        if let Some(kwarg) = self.kwargs.take("url") {
            let url = kwarg.text_or_null()?.filter(|url| !url.is_empty());
            builder.url = url.map(|url| Given::by(&kwarg, url.into()));
        }
        if let Some(kwarg) = self.kwargs.take("verify") {
            builder.tls.roots = roots(&kwarg)?;
        }
        if let Some(kwarg) = self.kwargs.take("cert") {
            builder.tls.identity = client_certificate(&kwarg)?;
        }
        if let Some(kwarg) = self.kwargs.take("proxies") {
            builder.proxies = Given::by(&kwarg, proxies(&kwarg)?);
        }
        if let Some(kwarg) = self.kwargs.take("timeout")
            && let Some(timeout) = timeout(&kwarg)?
        {
            builder.timeout = timeout;
        }
        if let Some(kwarg) = self.kwargs.take("allow_redirects") {
            builder.follow_redirects = is_truthy(kwarg.value());
        }
        if let Some(kwarg) = self.kwargs.take("request_header") {
            builder.request_header = is_truthy(kwarg.value());
        }
        Ok(())
    }

    fn login(&mut self, environment: &Environment) -> Result<Given<Login>, ConfigurationError> {
        let auth_type = self.kwargs.take("auth_type");
        let name = match &auth_type {
            Some(kwarg) => kwarg.text_or_null()?.unwrap_or_default(),
            None => "token".to_owned(),
        };
        let blame = |message: String| match &auth_type {
            Some(kwarg) => kwarg.error(message),
            None => ConfigurationError::new("auth_type", "default: \"token\"", message),
        };
        let needs = |what: &str| blame(format!("the login {name:?} needs {what}"));
        let arguments = self.login_arguments()?;
        let login = match name.as_str() {
            "token" => token_login(&arguments, environment),
            "approle" => arguments
                .role_id
                .map(|role_id| Login::approle(role_id, arguments.secret_id))
                .ok_or("\"role_id\""),
            "userpass" => arguments.password_login(Login::userpass),
            "ldap" => arguments.password_login(Login::ldap),
            "radius" => arguments.password_login(Login::radius),
            "jwt" => jwt_login(
                arguments.jwt_role,
                arguments.jwt_token,
                arguments.jwt_token_path,
            ),
            "kubernetes" => match (arguments.kubernetes_role, arguments.kubernetes_jwt_path) {
                (None, _) => Err("\"kubernetes_role\""),
                (_, None) => Err("\"kubernetes_jwt_path\""),
                (Some(role), Some(path)) => Ok(Login::kubernetes_with(role, path)),
            },
            "github" => match (arguments.token, arguments.token_path) {
                (Some(token), _) => Ok(Login::github(token)),
                (None, Some(path)) => Ok(Login::github_path(path)),
                (None, None) => Err("\"token\" or \"token_path\""),
            },
            "cert" => Ok(Login::certificate(None)),
            "aws_iam" | "azure" | "gcp" => {
                return Err(blame(format!(
                    "the login {name:?} is not there yet; there are {OFFERED_LOGINS}"
                )));
            }
            _ => {
                return Err(blame(format!(
                    "is no login that is known; there are {OFFERED_LOGINS}"
                )));
            }
        };
        let login = login.map_err(needs)?;
        let mount = self.text("auth_mount_point")?;
        let login = match &mount {
            Some(mount) => login.mounted_at(mount.expose()),
            None => login,
        };
        let blamed = blame(String::new());
        Ok(Given::new(blamed.setting(), blamed.origin(), login))
    }

    fn login_arguments(&mut self) -> Result<LoginArguments, ConfigurationError> {
        let kubernetes_jwt_path = match self.kwargs.take("kubernetes_jwt_path") {
            Some(kwarg) => kwarg.text_or_null()?.filter(|path| !path.is_empty()),
            None => Some(KUBERNETES_JWT_PATH.to_owned()),
        };
        let plain = |secret: Secret| secret.expose().to_owned();
        Ok(LoginArguments {
            token: self.text("token")?,
            token_path: self.text("token_path")?.map(plain),
            username: self.text("username")?.map(plain),
            password: self.text("password")?,
            role_id: self.text("role_id")?,
            secret_id: self.text("secret_id")?,
            jwt_role: self.text("jwt_role")?.map(plain),
            jwt_token: self.text("jwt_token")?,
            jwt_token_path: self.text("jwt_token_path")?.map(plain),
            kubernetes_role: self.text("kubernetes_role")?.map(plain),
            kubernetes_jwt_path,
        })
    }

    /// A text; a number counts as one, as it does for Vault. What Python takes for false is `None`.
    fn text(&mut self, name: &str) -> Result<Option<Secret>, ConfigurationError> {
        let Some(kwarg) = self.kwargs.take(name) else {
            return Ok(None);
        };
        let text = match kwarg.value() {
            Value::Null => None,
            Value::String(text) => Some(text.as_str().into()),
            Value::Number(number) => Some(number.to_string().into()),
            _ => return Err(kwarg.error("must be a text or null")),
        };
        Ok(text.filter(|text: &Secret| !text.is_empty()))
    }

    fn refuse_the_rest(mut self) -> Result<(), ConfigurationError> {
        for name in NOT_USED {
            self.kwargs.take(name);
        }
        for name in PYTHON_ONLY {
            if let Some(kwarg) = self.kwargs.take(name)
                && is_truthy(kwarg.value())
            {
                return Err(kwarg.error("only Python code can give this: leave it out"));
            }
        }
        self.kwargs.unknown(KNOWN).next().map_or(Ok(()), Err)
    }
}

struct LoginArguments {
    token: Option<Secret>,
    token_path: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    role_id: Option<Secret>,
    secret_id: Option<Secret>,
    jwt_role: Option<String>,
    jwt_token: Option<Secret>,
    jwt_token_path: Option<String>,
    kubernetes_role: Option<String>,
    kubernetes_jwt_path: Option<String>,
}

impl LoginArguments {
    fn password_login(self, login: fn(String, Secret) -> Login) -> Result<Login, &'static str> {
        match (self.username, self.password) {
            (Some(username), Some(password)) => Ok(login(username, password)),
            _ => Err("\"username\" and \"password\""),
        }
    }
}

/// A file comes before a token, and a token before `VAULT_TOKEN`.
fn token_login(
    arguments: &LoginArguments,
    environment: &Environment,
) -> Result<Login, &'static str> {
    if let Some(path) = &arguments.token_path {
        return Ok(Login::token_path(path));
    }
    let from_environment = || environment.non_empty("VAULT_TOKEN");
    match &arguments.token {
        Some(token) => Ok(Login::token(token.clone())),
        None => from_environment()
            .map(Login::token)
            .ok_or("\"token\", \"token_path\", or VAULT_TOKEN in the environment"),
    }
}

fn jwt_login(
    role: Option<String>,
    token: Option<Secret>,
    path: Option<String>,
) -> Result<Login, &'static str> {
    let role = role.ok_or("\"jwt_role\"")?;
    match (token, path) {
        (Some(token), _) => Ok(Login::jwt(role, token)),
        (None, Some(path)) => Ok(Login::jwt_path(role, path)),
        (None, None) => Err("\"jwt_token\" or \"jwt_token_path\""),
    }
}

fn kv_version(kwarg: &GivenKwarg) -> Result<KvVersion, ConfigurationError> {
    let value = kwarg.value();
    let number = match value {
        // Python's True is the number 1.
        Value::Bool(true) => Some(1.0),
        _ => value.as_f64(),
    };
    match number {
        _ if !is_truthy(value) => Ok(KvVersion::V2),
        Some(1.0) => Ok(KvVersion::V1),
        Some(2.0) => Ok(KvVersion::V2),
        _ => Err(kwarg.error("must be the number 1 or 2, and not a text")),
    }
}

fn roots(kwarg: &GivenKwarg) -> Result<Roots, ConfigurationError> {
    match kwarg.value() {
        Value::Null | Value::Bool(true) => Ok(Roots::Mozilla),
        Value::Bool(false) => Ok(Roots::Unchecked),
        Value::String(path) if !path.is_empty() => Ok(Roots::At(path.into())),
        _ => Err(kwarg.error("must be true, false, or the path of a CA file or folder")),
    }
}

fn client_certificate(kwarg: &GivenKwarg) -> Result<Option<ClientCertificate>, ConfigurationError> {
    let path = |value: &Value| value.as_str().map(PathBuf::from);
    let files = match kwarg.value() {
        Value::Null => return Ok(None),
        Value::Array(files) => match files.as_slice() {
            [certificate, key] => path(certificate).zip(path(key)).map(|(c, k)| (c, Some(k))),
            _ => None,
        },
        value => path(value).map(|certificate| (certificate, None)),
    };
    match files {
        Some((certificate, key)) => Ok(Some(ClientCertificate { certificate, key })),
        None => {
            Err(kwarg.error("must be the path of a certificate with its key, or those of both"))
        }
    }
}

fn proxies(kwarg: &GivenKwarg) -> Result<Proxies, ConfigurationError> {
    let wrong = || kwarg.error("must be an object from a scheme to a proxy's URL");
    match kwarg.value() {
        Value::Null => Ok(Proxies::new()),
        Value::Object(proxies) => proxies
            .iter()
            .map(|(scheme, url)| match url {
                Value::Null => Ok((scheme.clone(), Secret::default())),
                Value::String(url) => Ok((scheme.clone(), url.as_str().into())),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

/// `None` is for the default: there is no lookup without an end.
fn timeout(kwarg: &GivenKwarg) -> Result<Option<std::time::Duration>, ConfigurationError> {
    let seconds = match kwarg.value() {
        Value::Null => return Ok(None),
        value => value.as_f64().filter(|seconds| *seconds > 0.0),
    };
    seconds
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .map(Some)
        .ok_or_else(|| kwarg.error("must be a number of seconds above 0"))
}

#[cfg(test)]
mod tests;
