//! Snowflake, as `SnowflakeHook._get_conn_params` (provider `snowflake` 6.20.0).

use serde_json::{Map, Value, json};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, field, secret_field, to_boolean},
    macros::client,
    pem,
};
use crate::{
    Connection, Secret, files,
    python::{number, truth::is_truthy},
};

const PREFIX: &str = "extra__snowflake__";

/// The members that have an old name too, and are read in every case.
const READ: [&str; 18] = [
    "database",
    "account",
    "warehouse",
    "region",
    "role",
    "insecure_mode",
    "json_result_force_utf8_decoding",
    "client_request_mfa_token",
    "client_store_temporary_credential",
    "workload_identity_provider",
    "private_key_file",
    "private_key_content",
    "refresh_token",
    "grant_type",
    "proxy_host",
    "proxy_port",
    "proxy_user",
    "proxy_password",
];

/// The members that the hook reads by their short name alone.
const WITHOUT_PREFIX: [&str; 6] = [
    "authenticator",
    "session_parameters",
    "ocsp_fail_open",
    "azure_conn_id",
    "host",
    "port",
];

/// A connection to Snowflake: [`Connection::snowflake`]. The parameters are the connector's.
///
/// Host and port come from `extra` alone; a member may have its old name, `extra__snowflake__…`.
#[derive(Debug, Clone, PartialEq)]
pub struct Snowflake {
    pub(super) made: Made,
}

client!(Snowflake, snowflake);

impl Snowflake {
    /// The account, which may be empty.
    #[must_use]
    pub fn account(&self) -> &str {
        self.made.params.text("account").unwrap_or_default()
    }

    /// The user; absent with OAuth.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.made.params.text("user")
    }

    /// The password; absent with a key and with OAuth.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        self.made.params.secret("password")
    }

    /// The private key, as PKCS#8 in DER, in base64.
    #[must_use]
    pub fn private_key(&self) -> Option<Secret> {
        let key = self.made.params.get("private_key")?.get("base64")?;
        key.as_str().map(Secret::from)
    }

    /// How to log in, such as `snowflake`, `oauth` or `SNOWFLAKE_JWT`.
    #[must_use]
    pub fn authenticator(&self) -> Option<&str> {
        self.made.params.text("authenticator")
    }

    /// With OAuth, the request that the caller has to make for the parameter `token`: `url`, form `data`,
    /// and `client_id` with `client_secret` for basic authentication; or the `azure_conn_id` to ask.
    #[must_use]
    pub fn oauth(&self) -> Option<&Value> {
        self.made.params.get("oauth")
    }
}

/// `_get_field`: whatever Python takes as false is none.
fn get<'e>(extra: &'e Extra, name: &str) -> Option<&'e Value> {
    match extra.present(name) {
        Some(_) => extra.truthy(name),
        None => extra.truthy(&[PREFIX, name].concat()),
    }
}

/// `_try_to_boolean`.
fn boolean(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => Value::Bool(false),
        Some(text @ Value::String(_)) => Value::Bool(to_boolean(text)),
        Some(other) => other.clone(),
    }
}

pub(super) fn read(connection: &Connection) -> Result<Snowflake, ClientError> {
    let mut made = Made::new(connection, "snowflake", &["snowflake"]);
    let extra = made.extra(connection)?;
    made.params.set("user", field(connection.login()));
    let password = connection.password().map_or("", Secret::expose);
    made.params.set("password", password);
    made.params
        .set("schema", connection.schema().unwrap_or_default());
    for name in ["database", "account", "warehouse", "region", "role"] {
        let value = get(&extra, name).cloned();
        made.params
            .set(name, value.unwrap_or_else(|| Value::from("")));
    }
    let authenticator = match extra.present("authenticator") {
        None => Value::from("snowflake"),
        Some(value) => value.clone(),
    };
    made.params.set("authenticator", authenticator);
    made.params.set_some(
        "session_parameters",
        extra.get("session_parameters").cloned(),
    );
    made.params.set("application", "AIRFLOW");
    set_switches(&mut made, &extra);
    set_identity(&mut made, &extra);
    set_key(&mut made, connection, &extra)?;
    set_grant(&mut made, connection, &extra)?;
    if made.params.text("authenticator") == Some("programmatic_access_token")
        && !password.is_empty()
    {
        let token = made.params.get("password").cloned();
        made.params.set_some("token", token);
    }
    set_network(&mut made, &extra)?;
    set_oauth(&mut made, &extra)?;
    leave_the_rest(&mut made, connection, &extra);
    Ok(Snowflake { made })
}

/// Names what the hook does not read, or drops for a way to log in that is another.
fn leave_the_rest(made: &mut Made, connection: &Connection, extra: &Extra) {
    let is_oauth = made.params.text("authenticator") == Some("oauth");
    let is_azure = made.params.get("azure_conn_id").is_some_and(is_truthy);
    let is_own_oauth = is_oauth && !is_azure;
    let is_used = |made: &Made, name: &str| match name {
        "token" => made.params.get("workload_identity_provider").is_some() && !is_oauth,
        "token_file_path" => made.params.get("workload_identity_provider").is_some(),
        "token_endpoint" | "scope" => is_own_oauth,
        "oauth_username" | "oauth_password" => {
            is_own_oauth && made.params.text("grant_type") == Some("password")
        }
        name => READ.contains(&name),
    };
    made.leave_unread(extra, |made, key| match key.strip_prefix(PREFIX) {
        Some(name) => is_used(made, name) && extra.present(name).is_none(),
        // These have no old name.
        None if WITHOUT_PREFIX.contains(&key) => key != "azure_conn_id" || is_oauth,
        None => is_used(made, key),
    });
    made.leave_fields(connection, &["host", "port"]);
    if is_azure {
        made.leave_fields(connection, &["login", "password"]);
    }
}

fn set_switches(made: &mut Made, extra: &Extra) {
    for name in [
        "insecure_mode",
        "json_result_force_utf8_decoding",
        "client_request_mfa_token",
        "client_store_temporary_credential",
    ] {
        let value = boolean(get(extra, name));
        if is_truthy(&value) {
            made.params.set(name, value);
        }
    }
    if let Some(value) = extra.get("ocsp_fail_open") {
        made.params.set("ocsp_fail_open", boolean(Some(value)));
    }
}

fn set_identity(made: &mut Made, extra: &Extra) {
    let Some(provider) = get(extra, "workload_identity_provider") else {
        return;
    };
    made.params
        .set("workload_identity_provider", provider.clone());
    for name in ["token", "token_file_path"] {
        made.params.set_some(name, get(extra, name).cloned());
    }
}

/// The private key, from a file or a text, which may be base64 of a PEM.
fn set_key(made: &mut Made, connection: &Connection, extra: &Extra) -> Result<(), ClientError> {
    let (file_name, content_name) = ("private_key_file", "private_key_content");
    let text;
    let (name, pem_text) = match (get(extra, file_name), get(extra, content_name)) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {
            return Err(made.wrong(
                content_name,
                "and `private_key_file` are both set; give one",
            ));
        }
        (Some(file), None) => {
            let path = made.text(file_name, file)?;
            let problem = "names no file of 1 to 4096 bytes that can be read";
            let content = files::read_text(path).map_err(|_| made.wrong(file_name, problem))?;
            if content.is_empty() || content.len() > 4096 {
                return Err(made.wrong(file_name, problem));
            }
            text = content;
            (file_name, text.expose())
        }
        (None, Some(content)) => (content_name, made.text(content_name, content)?),
    };
    let is_encrypted = pem::is_encrypted(pem_text);
    if is_encrypted {
        let problem = "is an encrypted key, which this crate cannot open (CLIENTS-4); give it without encryption";
        return Err(made.wrong(name, problem));
    }
    let key = pem::pkcs8(pem_text);
    let is_base64 = key.is_none() && name == content_name && pem_text.is_ascii();
    let decoded = is_base64.then(|| pem::decode(pem_text)).flatten();
    if decoded.as_ref().is_some_and(|bytes| bytes.is_empty()) {
        let problem = "holds no key, so the hook logs in without one";
        made.warn(Place::extra(name), problem);
        made.leave(name);
        return Ok(());
    }
    if connection.password().is_some_and(|text| !text.is_empty()) {
        let problem = "is its passphrase to the hook, and the private key is not encrypted; remove the password";
        return Err(made.error(Place::Field("password"), problem));
    }
    let key = key.or_else(|| pem::pkcs8(std::str::from_utf8(&decoded?).ok()?));
    let key = key.ok_or_else(|| {
        made.wrong(
            name,
            "must be an RSA private key in PEM, or the base64 of one",
        )
    })?;
    made.params
        .set("private_key", json!({"base64": pem::encode(&key)}));
    made.params.remove("password");
    Ok(())
}

fn set_grant(made: &mut Made, connection: &Connection, extra: &Extra) -> Result<(), ClientError> {
    let refresh = get(extra, "refresh_token");
    if let Some(refresh) = refresh {
        made.params.set("refresh_token", refresh.clone());
        made.params.set("authenticator", "oauth");
    }
    let grant = get(extra, "grant_type").cloned();
    let default = refresh.map(|_| Value::from("refresh_token"));
    made.params.set_some("grant_type", grant.or(default));
    if made.params.text("authenticator") != Some("oauth") {
        return Ok(());
    }
    made.params
        .set_some("azure_conn_id", extra.get("azure_conn_id").cloned());
    if extra.truthy("azure_conn_id").is_none() {
        made.params.set("client_id", field(connection.login()));
        made.params
            .set("client_secret", secret_field(connection.password()));
        let endpoint = get(extra, "token_endpoint").cloned();
        let has_endpoint = endpoint.is_some();
        made.params.set(
            "token_endpoint",
            endpoint.unwrap_or_else(|| Value::from("")),
        );
        made.params.set_some("scope", get(extra, "scope").cloned());
        if made.params.text("grant_type") == Some("password") {
            for name in ["oauth_username", "oauth_password"] {
                let Some(value) = get(extra, name) else {
                    return Err(made.wrong(name, "must be set for the grant `password`"));
                };
                has_length(made, name, value)?;
                made.params.set(name, value.clone());
            }
            if !has_endpoint {
                let problem = "must be set for the grant `password`";
                return Err(made.wrong("token_endpoint", problem));
            }
            if let Some(endpoint) = made.params.get("token_endpoint") {
                has_length(made, "token_endpoint", endpoint)?;
            }
        }
    }
    Ok(())
}

/// The hook asks for the length, which a number has not.
fn has_length(made: &Made, name: &str, value: &Value) -> Result<(), ClientError> {
    match value {
        Value::Bool(_) | Value::Number(_) => Err(made.wrong(name, "must be a text")),
        _ => Ok(()),
    }
}

fn set_network(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    for name in ["host", "port"] {
        made.params.set_some(name, extra.truthy(name).cloned());
    }
    for name in ["proxy_host", "proxy_user", "proxy_password"] {
        made.params.set_some(name, get(extra, name).cloned());
    }
    let port = match get(extra, "proxy_port") {
        Some(Value::String(text)) => {
            let port = number::int(text);
            Some(Value::from(port.ok_or_else(|| {
                made.wrong("proxy_port", "must be a number")
            })?))
        }
        other => other.cloned(),
    };
    made.params.set_some("proxy_port", port);
    Ok(())
}

/// The request for a token, which the hook makes and we do not.
fn set_oauth(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    if made.params.text("authenticator") != Some("oauth") {
        return Ok(());
    }
    let request = if let Some(azure) = extra.truthy("azure_conn_id") {
        json!({"azure_conn_id": azure})
    } else {
        let grant = made.params.text("grant_type").unwrap_or_default();
        if !["refresh_token", "client_credentials", "password"].contains(&grant) {
            let problem = "must be refresh_token, client_credentials or password with OAuth";
            return Err(made.wrong("grant_type", problem));
        }
        token_request(made, grant)?
    };
    // The token of the request takes the place of one in `extra`.
    for name in [
        "user",
        "password",
        "oauth_username",
        "oauth_password",
        "token",
    ] {
        made.params.remove(name);
    }
    made.params.set("oauth", request);
    Ok(())
}

fn token_request(made: &Made, grant: &str) -> Result<Value, ClientError> {
    let param = |name: &str| made.params.get(name).cloned().unwrap_or_default();
    let url = match param("token_endpoint") {
        endpoint if is_truthy(&endpoint) => endpoint,
        _ => {
            let account = made.params.text("account").unwrap_or_default();
            let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if account.is_empty() || !account.chars().all(is_name) {
                let problem = "must be set, with letters, digits, `.`, `_` and `-` alone";
                return Err(made.wrong("account", problem));
            }
            Value::from(format!(
                "https://{account}.snowflakecomputing.com/oauth/token-request"
            ))
        }
    };
    let mut data = Map::new();
    data.insert("grant_type".to_owned(), Value::from(grant));
    data.insert(
        "redirect_uri".to_owned(),
        Value::from("https://localhost.com"),
    );
    if made.params.get("scope").is_some_and(is_truthy) {
        data.insert("scope".to_owned(), param("scope"));
    }
    match grant {
        "refresh_token" => {
            let Some(refresh) = made.params.get("refresh_token") else {
                return Err(made.wrong("refresh_token", "must be set for its grant"));
            };
            data.insert("refresh_token".to_owned(), refresh.clone());
        }
        "password" => {
            data.insert("username".to_owned(), param("oauth_username"));
            data.insert("password".to_owned(), param("oauth_password"));
        }
        _ => {}
    }
    Ok(json!({
        "url": url, "data": data, "client_id": param("client_id"), "client_secret": param("client_secret"),
    }))
}
