//! Azure Blob Storage, as `WasbHook.get_conn` (provider `microsoft-azure` 15.2.1).

use serde_json::{Map, Value, json};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made, field, secret_field},
    macros::client,
};
use crate::{Connection, Secret, python::url};

pub(super) const PREFIX: &str = "extra__wasb__";

/// The members that the hook reads itself; it hands them on all the same.
pub(super) const READ: [&str; 6] = [
    "tenant_id",
    "shared_access_key",
    "sas_token",
    "account_key",
    "managed_identity_client_id",
    "workload_identity_tenant_id",
];

/// A storage account of Azure: [`Connection::azure_blob`].
///
/// The credentials are the first that the connection has, in this order: `connection_string`,
/// `tenant_id` with login and password, `shared_access_key`, `sas_token`, the password as a key,
/// `account_key`, the machine's own. All of `extra` goes to the client.
#[derive(Debug, Clone, PartialEq)]
pub struct AzureBlob {
    pub(super) made: Made,
}

client!(AzureBlob, azure_blob);

impl AzureBlob {
    /// The account's URL; absent where there is a connection string. It may hold a signature.
    #[must_use]
    pub fn account_url(&self) -> Option<Secret> {
        self.made.params.secret("account_url")
    }

    /// The connection string.
    #[must_use]
    pub fn connection_string(&self) -> Option<Secret> {
        let is_used = self.made.params.get("account_url").is_none();
        is_used
            .then(|| self.made.params.secret("connection_string"))
            .flatten()
    }

    pub(super) fn credential(&self, kind: &str) -> Option<&Value> {
        self.made.params.get("credential")?.get(kind)
    }

    /// The account's key.
    #[must_use]
    pub fn account_key(&self) -> Option<Secret> {
        self.credential("account_key")?.as_str().map(Secret::from)
    }

    /// A shared access signature, where it is no URL.
    #[must_use]
    pub fn sas_token(&self) -> Option<Secret> {
        self.credential("sas_token")?.as_str().map(Secret::from)
    }
}

/// `_get_field`: whatever Python takes as false is none.
fn get<'e>(extra: &'e Extra, name: &str) -> Option<&'e Value> {
    match extra.present(name) {
        Some(_) => extra.truthy(name),
        None => extra.truthy(&[PREFIX, name].concat()),
    }
}

pub(super) fn read(connection: &Connection) -> Result<AzureBlob, ClientError> {
    let mut made = Made::new(connection, "azure_blob", &["wasb"]);
    let mut extra = made.extra_or_empty(connection)?;
    made.leave_fields(connection, &["port", "schema"]);
    let secret_config = extra.take("client_secret_auth_config");
    if secret_config.is_some()
        && (get(&extra, "tenant_id").is_none() || get(&extra, "connection_string").is_some())
    {
        made.leave("client_secret_auth_config");
    }
    if let Some(text) = get(&extra, "connection_string") {
        if extra.present("conn_str").is_some() {
            return Err(made.wrong(
                "conn_str",
                "is the client's own name for the connection string",
            ));
        }
        made.leave_fields(connection, &["host", "login", "password"]);
        made.params.set("connection_string", text.clone());
        pass_on(&mut made, &extra);
        made.params.set(
            "connection_string",
            get(&extra, "connection_string")
                .cloned()
                .unwrap_or_default(),
        );
        return Ok(AzureBlob { made });
    }
    made.check_self(&extra)?;
    let (account_url, account) = account_url(&made, connection)?;
    made.params.set("account_url", account_url.as_str());
    let credential = credential(&mut made, connection, &extra, secret_config)?;
    let own = ["account_url", "credential"];
    let clash = own.iter().find(|name| {
        let is_own = **name == "account_url" || credential.is_some();
        is_own && extra.present(name).is_some()
    });
    if let Some(name) = clash {
        return Err(made.wrong(name, "is a name that the hook gives the client itself"));
    }
    made.params.set_some("credential", credential);
    pass_on(&mut made, &extra);
    let is_account = made.params.text("account_url") == Some(account_url.as_str());
    leave_fields(&mut made, connection, account.filter(|_| is_account));
    Ok(AzureBlob { made })
}

/// Names the fields that have no part in the account's URL, or in the credentials.
fn leave_fields(made: &mut Made, connection: &Connection, account: Option<&'static str>) {
    let credential = made.params.get("credential");
    let of = |kind: &str| credential.and_then(|credential| credential.get(kind));
    let has_secret = of("client_secret").is_some();
    let is_key = of("account_key").is_some_and(|key| {
        connection
            .password()
            .is_some_and(|password| key.as_str() == Some(password.expose()))
    });
    if account != Some("host") {
        made.leave_fields(connection, &["host"]);
    }
    if account != Some("login") && !has_secret {
        made.leave_fields(connection, &["login"]);
    }
    if !is_key && !has_secret {
        made.leave_fields(connection, &["password"]);
    }
}

fn pass_on(made: &mut Made, extra: &Extra) {
    for (key, value) in extra.iter() {
        if key == "credential" {
            made.params.set("credential", account_key(value));
        } else {
            made.params.set(key.to_owned(), value.clone());
        }
    }
}

/// A key as the client takes it: a text, or an object of `account_name` and `account_key`.
fn account_key(key: &Value) -> Value {
    match key {
        Value::Object(_) | Value::Null => key.clone(),
        key => json!({"account_key": key}),
    }
}

fn credential(
    made: &mut Made,
    connection: &Connection,
    extra: &Extra,
    secret_config: Option<Value>,
) -> Result<Option<Value>, ClientError> {
    if let Some(tenant) = get(extra, "tenant_id") {
        let secret = client_secret(made, connection, tenant, secret_config)?;
        return Ok(Some(secret));
    }
    if let Some(key) = get(extra, "shared_access_key") {
        return Ok(Some(account_key(key)));
    }
    if let Some(token) = get(extra, "sas_token") {
        let text = made.text("sas_token", token)?;
        if text.starts_with("https") {
            made.params.set("account_url", text);
            return Ok(None);
        }
        return Ok(Some(json!({"sas_token": text})));
    }
    if let Some(password) = connection.password().filter(|text| !text.is_empty()) {
        return Ok(Some(json!({"account_key": password.expose()})));
    }
    if let Some(key) = get(extra, "account_key") {
        return Ok(Some(account_key(key)));
    }
    let (client, tenant) = ("managed_identity_client_id", "workload_identity_tenant_id");
    Ok(Some(match (get(extra, client), get(extra, tenant)) {
        (Some(client_id), Some(tenant_id)) => {
            json!({"default": {client: client_id, tenant: tenant_id}})
        }
        (None, None) => json!({"default": {}}),
        (one, _) => {
            let absent = if one.is_some() { tenant } else { client };
            let problem = "is absent, and without it the other id does not count either";
            made.warn(Place::extra(absent), problem);
            json!({"default": {}})
        }
    }))
}

/// A service principal: what `azure-identity` refuses is refused here.
fn client_secret(
    made: &Made,
    connection: &Connection,
    tenant: &Value,
    config: Option<Value>,
) -> Result<Value, ClientError> {
    let text = made.text("tenant_id", tenant)?;
    if !text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    {
        return Err(made.wrong("tenant_id", "may have letters, digits, `-` and `.`"));
    }
    for (name, is_empty) in [
        ("login", connection.login().is_none_or(str::is_empty)),
        (
            "password",
            connection.password().is_none_or(Secret::is_empty),
        ),
    ] {
        if is_empty {
            return Err(made.error(Place::Field(name), "must be set beside `tenant_id`"));
        }
    }
    let name = "client_secret_auth_config";
    let config = match config {
        None => Map::new(),
        Some(Value::Object(config)) => config,
        Some(_) => return Err(made.wrong(name, "must be an object")),
    };
    let mut secret = Map::new();
    secret.insert("tenant_id".to_owned(), tenant.clone());
    secret.insert("client_id".to_owned(), field(connection.login()));
    secret.insert(
        "client_secret".to_owned(),
        secret_field(connection.password()),
    );
    for (key, value) in config {
        if secret.contains_key(&key) || key == "self" {
            return Err(made.wrong(name, format!("may not have a member {key:?}")));
        }
        secret.insert(key, value);
    }
    Ok(json!({"client_secret": secret}))
}

/// The account's URL, as the hook makes it from host and login, and which of them names the account.
fn account_url(
    made: &Made,
    connection: &Connection,
) -> Result<(String, Option<&'static str>), ClientError> {
    let login = connection.login().unwrap_or("None");
    let default = format!("{login}.blob.core.windows.net/");
    let host = connection.host().filter(|host| !host.is_empty());
    let mut account = host.map_or_else(|| format!("https://{default}"), str::to_owned);
    let wrong = |problem: &'static str| made.error(Place::Field("host"), problem);
    if url::split(&url::clean(&account))
        .map_err(wrong)?
        .scheme
        .is_empty()
    {
        account = format!("https://{account}");
    }
    let cleaned = url::clean(&account);
    let parts = url::split(&cleaned).map_err(wrong)?;
    let netloc = if parts.has_netloc {
        let (_, rest) = cleaned.split_once("//").unwrap_or_default();
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    } else {
        ""
    };
    let is_whole = netloc.contains('.');
    let account_of = if is_whole && host.is_some() {
        "host"
    } else {
        "login"
    };
    let netloc = if is_whole { netloc } else { &default };
    let (first, others) = match netloc.split_once('.') {
        Some((first, others)) => (first, Some(others)),
        None => (netloc, None),
    };
    let mut out = format!("{}://", parts.scheme);
    out.extend(first.chars().take(24));
    if let Some(others) = others {
        out.push('.');
        out.push_str(others);
    }
    let path = without_empty_params(parts.path);
    if !path.is_empty() && !path.starts_with('/') {
        out.push('/');
    }
    out.push_str(path);
    if !parts.query.is_empty() {
        out.push('?');
        out.push_str(parts.query);
    }
    if let Some((_, fragment)) = parts.tail.split_once('#')
        && !fragment.is_empty()
    {
        out.push('#');
        out.push_str(fragment);
    }
    Ok((out, Some(account_of)))
}

/// `urlparse` loses a `;` at the end of the path's last part.
fn without_empty_params(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.find(';') == last.len().checked_sub(1) && !last.is_empty() {
        path.strip_suffix(';').unwrap_or(path)
    } else {
        path
    }
}
