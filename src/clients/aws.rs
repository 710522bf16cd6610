//! AWS, as `AwsBaseHook` (provider `amazon` 9.39.0).

use serde_json::{Map, Value};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, str_of},
    macros::client,
};
use crate::{
    Connection, Secret,
    python::{text, truth::is_truthy},
};

/// What earlier versions of the hook read, and what takes its place now.
const FORMER: [(&str, &str); 9] = [
    ("aws_account_id", "role_arn"),
    ("aws_iam_role", "role_arn"),
    ("external_id", "assume_role_kwargs"),
    ("host", "endpoint_url"),
    ("region", "region_name"),
    ("profile", "profile_name"),
    ("s3_config_file", "profile_name"),
    ("s3_config_format", "profile_name"),
    ("security_token", "aws_session_token"),
];

/// The options of botocore's `Config`.
const CONFIG: [&str; 30] = [
    "region_name",
    "signature_version",
    "user_agent",
    "user_agent_extra",
    "user_agent_appid",
    "connect_timeout",
    "read_timeout",
    "parameter_validation",
    "max_pool_connections",
    "proxies",
    "proxies_config",
    "s3",
    "s3_disable_express_session_auth",
    "retries",
    "client_cert",
    "inject_host_prefix",
    "endpoint_discovery_enabled",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
    "ignore_configured_endpoint_urls",
    "defaults_mode",
    "tcp_keepalive",
    "request_min_compression_size_bytes",
    "disable_request_compression",
    "client_context_params",
    "sigv4a_signing_region_set",
    "request_checksum_calculation",
    "response_checksum_validation",
    "account_id_endpoint_mode",
    "auth_scheme_preference",
];

/// What a client of one of AWS's services is made of: [`Connection::aws`].
#[derive(Debug, Clone, PartialEq)]
pub struct Aws {
    pub(super) made: Made,
}

client!(Aws, aws_s3);

impl Aws {
    /// The service, such as `s3`.
    #[must_use]
    pub fn service_name(&self) -> &str {
        self.made.params.text("service_name").unwrap_or_default()
    }

    /// The access key's id.
    #[must_use]
    pub fn access_key_id(&self) -> Option<&str> {
        self.made.params.text("aws_access_key_id")
    }

    /// The secret access key.
    #[must_use]
    pub fn secret_access_key(&self) -> Option<Secret> {
        self.made.params.secret("aws_secret_access_key")
    }

    /// The session token.
    #[must_use]
    pub fn session_token(&self) -> Option<Secret> {
        self.made.params.secret("aws_session_token")
    }

    /// The region.
    #[must_use]
    pub fn region_name(&self) -> Option<&str> {
        self.made.params.text("region_name")
    }

    /// The profile of AWS's own files.
    #[must_use]
    pub fn profile_name(&self) -> Option<&str> {
        self.made.params.text("profile_name")
    }

    /// The service's endpoint, where it is not AWS's.
    #[must_use]
    pub fn endpoint_url(&self) -> Option<&str> {
        self.made.params.text("endpoint_url")
    }

    /// The role to assume, with the credentials that the other parameters give.
    #[must_use]
    pub fn role_arn(&self) -> Option<&str> {
        self.made.params.text("role_arn")
    }

    /// How the role is assumed: `assume_role`, `assume_role_with_web_identity` or `assume_role_with_saml`.
    #[must_use]
    pub fn assume_role_method(&self) -> Option<&str> {
        self.made.params.text("assume_role_method")
    }

    /// The endpoint of STS for the role. `verify` does not count there.
    #[must_use]
    pub fn sts_endpoint_url(&self) -> Option<&str> {
        self.made.params.text("sts_endpoint_url")
    }

    /// Whether certificates are checked: all but a `verify` that is false.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.made.params.get("verify").is_none_or(is_truthy)
    }
}

pub(super) fn read(connection: &Connection, service: &str) -> Result<Aws, ClientError> {
    let mut made = Made::new(connection, "aws", &["aws"]);
    let extra = made.extra(connection)?;
    made.check_self(&extra)?;
    set_credentials(&mut made, connection, &extra)?;
    for key in ["region_name", "profile_name"] {
        made.params.set_some(key, extra.get(key).map(without_nulls));
    }
    made.params.set_some("verify", extra.get("verify").cloned());
    if let Some(verify) = extra.get("verify")
        && super::extra::says_no(verify)
    {
        let problem = "is a text, which boto3 takes as the path of a CA bundle; write JSON's false";
        made.warn(Place::extra("verify"), problem);
    }
    set_config(&mut made, &extra)?;
    made.params.set("service_name", service);
    let endpoint = endpoint_url(&made, &extra, service, extra.get("endpoint_url"))?;
    made.params.set_some("endpoint_url", endpoint);
    let own = service_config(&made, &extra, service)?.filter(|own| !own.is_empty());
    let own = own.map(|own| Value::Object(own.clone()));
    made.params.set_some("service_config", own);
    set_role(&mut made, &extra)?;
    leave_the_rest(&mut made, connection, &extra);
    for (former, now) in FORMER {
        if extra.get(former).is_some() {
            made.warn(
                Place::extra(former),
                format!("is a former name that the hook no longer reads; use {now:?}"),
            );
        }
    }
    Ok(Aws { made })
}

/// Both keys come from one place: the fields, else `extra`, else its `session_kwargs`.
fn set_credentials(
    made: &mut Made,
    connection: &Connection,
    extra: &Extra,
) -> Result<(), ClientError> {
    let empty = Map::new();
    let session = match extra.truthy("session_kwargs") {
        None => &empty,
        Some(Value::Object(session)) => session,
        Some(_) => return Err(made.wrong("session_kwargs", "must be an object")),
    };
    let (id, secret) = ("aws_access_key_id", "aws_secret_access_key");
    let in_session = |key: &str| session.get(key).filter(|value| is_truthy(value));
    let login = connection.login().filter(|login| !login.is_empty());
    let password = connection.password().filter(|text| !text.is_empty());
    if let (Some(login), Some(password)) = (login, password) {
        made.params.set(id, login);
        made.params.set(secret, password.expose());
    } else if let (Some(first), Some(second)) = (in_session(id), in_session(secret))
        && (extra.truthy(id).is_none() || extra.truthy(secret).is_none())
    {
        made.params.set(id, without_nulls(first));
        made.params.set(secret, without_nulls(second));
    } else {
        made.params.set_some(id, extra.get(id).map(without_nulls));
        made.params
            .set_some(secret, extra.get(secret).map(without_nulls));
        if login.is_some() != password.is_some() {
            let place = if login.is_some() { "password" } else { "login" };
            let problem = "is absent, so the other half of the key is not used";
            made.warn(Place::Field(place), problem);
        }
    }
    let token = "aws_session_token";
    let given = extra.truthy(token).or(in_session(token));
    made.params
        .set_some(token, given.or(extra.get(token)).map(without_nulls));
    let is_used = |made: &Made, key: &str, value: &Value| {
        let is_credential = [id, secret, token].contains(&key);
        is_credential && made.params.get(key) == Some(&without_nulls(value))
    };
    for (key, value) in session {
        if !is_used(made, key, value) {
            made.leave(format!("session_kwargs.{key}"));
        }
    }
    for key in [id, secret, token] {
        if extra
            .get(key)
            .is_some_and(|value| !is_used(made, key, value))
        {
            made.leave(key);
        }
    }
    Ok(())
}

/// What the hook does with all that it gives a session: nulls are taken out, at any depth.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(key, value)| (key.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => {
            let kept = items.iter().filter(|value| !value.is_null());
            Value::Array(kept.map(without_nulls).collect())
        }
        other => other.clone(),
    }
}

/// Names what has no part in the client; SAML's settings among it, which are for a program of its own.
fn leave_the_rest(made: &mut Made, connection: &Connection, extra: &Extra) {
    let has_role = made.params.get("role_arn").is_some();
    made.leave_unread(extra, |made, key| match key {
        "aws_access_key_id"
        | "aws_secret_access_key"
        | "aws_session_token"
        | "session_kwargs"
        | "region_name"
        | "profile_name"
        | "verify"
        | "config_kwargs"
        | "endpoint_url"
        | "service_config"
        | "role_arn" => true,
        "assume_role_method" | "assume_role_kwargs" => has_role,
        "assume_role_with_web_identity_federation" => {
            made.params.text("assume_role_method") == Some("assume_role_with_web_identity")
        }
        "assume_role_with_web_identity_token_file" => {
            made.params.get("web_identity_token_file").is_some()
        }
        "assume_role_with_web_identity_federation_audience" => {
            made.params.get("web_identity_audience").is_some()
        }
        _ => false,
    });
    made.leave_fields(connection, &["host", "port", "schema"]);
    // One half of a key, and a key in `extra` that the fields hide.
    let used = |name: &str| made.params.text(name);
    let is_login = used("aws_access_key_id") == connection.login();
    let is_password = used("aws_secret_access_key") == connection.password().map(Secret::expose);
    if !(is_login && is_password) {
        made.leave_fields(connection, &["login", "password"]);
    }
}

fn set_config(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    let Some(config) = extra.truthy("config_kwargs") else {
        return Ok(());
    };
    let key = "config_kwargs";
    let Value::Object(members) = config else {
        return Err(made.wrong(key, "must be an object"));
    };
    if let Some(unknown) = members.keys().find(|name| !CONFIG.contains(&name.as_str())) {
        let problem = format!("has a member {unknown:?}, which botocore's `Config` does not know");
        return Err(made.wrong(key, problem));
    }
    let styles = [Value::Null, "virtual".into(), "auto".into(), "path".into()];
    match members.get("s3") {
        None | Some(Value::Null) => {}
        Some(Value::Object(s3)) => {
            let style = s3.get("addressing_style").unwrap_or(&Value::Null);
            if !styles.contains(style) {
                return Err(made.wrong(
                    key,
                    "has an `addressing_style` other than virtual, auto and path",
                ));
            }
        }
        Some(_) => return Err(made.wrong(key, "has an `s3` that is no object")),
    }
    match members.get("retries") {
        None | Some(Value::Null) => {}
        Some(Value::Object(retries))
            if retries.iter().all(|(name, value)| is_retry(name, value)) => {}
        Some(_) => return Err(made.wrong(key, "has `retries` that botocore refuses")),
    }
    made.params.set(key, config.clone());
    Ok(())
}

fn is_retry(name: &str, value: &Value) -> bool {
    let least = |least: f64| match value {
        Value::Number(number) => number.as_f64() >= Some(least),
        Value::Bool(value) => f64::from(u8::from(*value)) >= least,
        _ => false,
    };
    match name {
        "max_attempts" => least(0.0),
        "total_max_attempts" => least(1.0),
        "mode" => ["legacy", "standard", "adaptive"]
            .map(Value::from)
            .contains(value),
        _ => false,
    }
}

/// `service_config[service]`.
fn service_config<'e>(
    made: &Made,
    extra: &'e Extra,
    service: &str,
) -> Result<Option<&'e Map<String, Value>>, ClientError> {
    let problem = "must be an object with an object for each service";
    let of_service = match extra.present("service_config") {
        None => return Ok(None),
        Some(Value::Object(services)) => services.get(service),
        Some(_) => return Err(made.wrong("service_config", problem)),
    };
    match of_service {
        None => Ok(None),
        Some(Value::Object(own)) => Ok(Some(own)),
        Some(_) => Err(made.wrong("service_config", problem)),
    }
}

/// The service's own endpoint beats the global one, even where it is null.
fn endpoint_url(
    made: &Made,
    extra: &Extra,
    service: &str,
    global: Option<&Value>,
) -> Result<Option<Value>, ClientError> {
    let own = service_config(made, extra, service)?.and_then(|own| own.get("endpoint_url"));
    Ok(own.or(global).cloned())
}

fn set_role(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    let Some(role) = extra.truthy("role_arn") else {
        return Ok(());
    };
    made.params.set("role_arn", role.clone());
    let default = Value::from("assume_role");
    let method = extra.present("assume_role_method").unwrap_or(&default);
    let kwargs = match extra.truthy("assume_role_kwargs") {
        None => Map::new(),
        Some(Value::Object(kwargs)) => kwargs.clone(),
        Some(_) => return Err(made.wrong("assume_role_kwargs", "must be an object")),
    };
    // STS for a role has its own endpoint alone.
    let endpoint = endpoint_url(made, extra, "sts", None)?;
    made.params.set_some("sts_endpoint_url", endpoint);
    made.params.set("assume_role_method", method.clone());
    match method.as_str() {
        Some("assume_role") => {
            let mut kwargs = kwargs;
            kwargs.remove("RoleArn");
            let name = Value::from(session_name(&made.conn_id));
            kwargs.entry("RoleSessionName").or_insert(name);
            made.params.set("assume_role_kwargs", Value::Object(kwargs));
        }
        Some("assume_role_with_web_identity") => {
            set_web_identity(made, extra)?;
            made.params.set("assume_role_kwargs", Value::Object(kwargs));
        }
        Some("assume_role_with_saml") => {
            let saml = extra
                .get("assume_role_with_saml")
                .and_then(Value::as_object);
            let is_whole = saml.is_some_and(|saml| {
                saml.contains_key("principal_arn")
                    && saml.get("idp_auth_method") == Some(&Value::from("http_spegno_auth"))
            });
            if !is_whole {
                let problem =
                    "must have `principal_arn`, and `http_spegno_auth` as its `idp_auth_method`";
                return Err(made.wrong("assume_role_with_saml", problem));
            }
            let own = ["RoleArn", "PrincipalArn", "SAMLAssertion"];
            if let Some(clash) = own.iter().find(|name| kwargs.contains_key(**name)) {
                let problem =
                    format!("may not have a member {clash:?}, which the hook gives itself");
                return Err(made.wrong("assume_role_kwargs", problem));
            }
            made.params.set("assume_role_kwargs", Value::Object(kwargs));
        }
        _ => {
            let problem =
                "must be assume_role, assume_role_with_saml or assume_role_with_web_identity";
            return Err(made.wrong("assume_role_method", problem));
        }
    }
    Ok(())
}

fn set_web_identity(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    let key = "assume_role_with_web_identity_federation";
    match str_of(extra.present(key).unwrap_or(&Value::Null)).as_ref() {
        "file" => {
            let file = extra.truthy("assume_role_with_web_identity_token_file");
            made.params
                .set_some("web_identity_token_file", file.cloned());
            if file.is_none() {
                let problem =
                    "is absent, so the file is the one that `AWS_WEB_IDENTITY_TOKEN_FILE` names";
                made.warn(
                    Place::extra("assume_role_with_web_identity_token_file"),
                    problem,
                );
            }
            Ok(())
        }
        "google" => {
            let audience = extra.get("assume_role_with_web_identity_federation_audience");
            made.params
                .set_some("web_identity_audience", audience.cloned());
            Ok(())
        }
        _ => Err(made.wrong(key, "must be `file` or `google`")),
    }
}

/// `Airflow_<conn_id>`, as the hook cleans it: in lower case, with one `-` for each run of other
/// characters.
fn session_name(conn_id: &str) -> String {
    let name = format!("Airflow_{conn_id}");
    let name = text::lower(&name);
    let mut cleaned = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) && c != '-' {
            cleaned.push(c);
        } else if !cleaned.ends_with('-') {
            cleaned.push('-');
        }
    }
    cleaned.trim_matches('-').to_owned()
}
