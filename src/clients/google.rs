//! Google Cloud, as `GoogleBaseHook` (provider `google` 22.8.0).

use serde_json::{Map, Value};

use super::{
    error::{ClientError, Place},
    extra::{Extra, Made},
    macros::client,
    pem,
};
use crate::{
    Connection, Secret, files,
    python::{text, truth::is_truthy},
};

const PREFIX: &str = "extra__google_cloud_platform__";
const DEFAULT_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Of these, one at most may be set.
const KINDS: [&str; 5] = [
    "key_path",
    "keyfile_dict",
    "credential_config_file",
    "key_secret_name",
    "is_anonymous",
];

/// What a client of one of Google Cloud's services is made of: [`Connection::google`].
///
/// Each member of `extra` may have its old name, `extra__google_cloud_platform__…`; a short name hides it,
/// even where it is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Google {
    pub(super) made: Made,
    key_secret_project: Option<String>,
}

client!(Google, google);

impl Google {
    /// Which credentials: `key_path`, `keyfile_dict`, `credential_config_file`, `key_secret_name`,
    /// `is_anonymous`, or `default` for the machine's own.
    #[must_use]
    pub fn credentials(&self) -> &str {
        self.made.params.text("credentials").unwrap_or("default")
    }

    /// The key of a service account, as JSON.
    #[must_use]
    pub fn service_account_key(&self) -> Option<Secret> {
        let key = self.made.params.get("keyfile_dict")?;
        Some(Secret::from(key.to_string()))
    }

    /// The path of a key of a service account.
    #[must_use]
    pub fn key_path(&self) -> Option<&str> {
        self.made.params.text("key_path")
    }

    /// The secret of Google's Secret Manager that holds the key of a service account.
    #[must_use]
    pub fn key_secret_name(&self) -> Option<&str> {
        self.made.params.text("key_secret_name")
    }

    /// The project of that secret; `None` is that of the machine's own credentials.
    #[must_use]
    pub fn key_secret_project_id(&self) -> Option<&str> {
        self.key_secret_project.as_deref()
    }

    /// The scopes, of which there is at least one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = self.made.params.get("scopes").and_then(Value::as_array);
        scopes.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The project, where the connection names it.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.made.params.text("project")
    }

    /// The service account to impersonate.
    #[must_use]
    pub fn target_principal(&self) -> Option<&str> {
        self.made.params.text("target_principal")
    }
}

/// `_get_field`: the empty text is none.
fn get<'e>(extra: &'e Extra, name: &str) -> Option<&'e Value> {
    let value = match extra.present(name) {
        Some(value) => Some(value),
        None => extra.present(&[PREFIX, name].concat()),
    };
    value.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn truthy<'e>(extra: &'e Extra, name: &str) -> Option<&'e Value> {
    get(extra, name).filter(|value| is_truthy(value))
}

pub(super) fn read(connection: &Connection) -> Result<Google, ClientError> {
    let types = [
        "google_cloud_platform",
        "gcpbigquery",
        "gcpcloudsql",
        "gcpssh",
        "gcs",
    ];
    let mut made = Made::new(connection, "google", &types);
    let extra = made.extra(connection)?;
    let retries = retries(&made, &extra)?;
    made.params.set("num_retries", retries);
    let scopes = scopes(&made, &extra)?;
    made.params.set("scopes", scopes);
    check_idp_extra_params(&made, &extra)?;
    let mut project = set_credentials(&mut made, &extra)?;
    let is_anonymous = truthy(&extra, "is_anonymous").is_some();
    if !is_anonymous && let Some(target) = impersonation(&mut made, &extra)? {
        project = Some(Value::from(target));
    } else if is_anonymous {
        check_chain(&made, &extra)?;
    }
    if let Some(quota) = truthy(&extra, "quota_project_id").filter(|_| !is_anonymous) {
        check_project(&made, quota)?;
        made.params.set("quota_project_id", quota.clone());
    }
    let overridden = truthy(&extra, "project").cloned();
    made.params.set_some("project", overridden.or(project));
    made.leave_fields(connection, &["host", "port", "login", "password", "schema"]);
    leave_the_rest(&mut made, &extra);
    let key_secret_project = truthy(&extra, "key_secret_project_id").and_then(Value::as_str);
    let key_secret_project = key_secret_project.map(str::to_owned);
    Ok(Google {
        made,
        key_secret_project,
    })
}

fn retries(made: &Made, extra: &Extra) -> Result<i64, ClientError> {
    match get(extra, "num_retries") {
        None => Ok(5),
        Some(Value::String(blank)) if text::strip(blank).is_empty() => Ok(5),
        Some(value) => made.int("num_retries", value),
    }
}

fn scopes(made: &Made, extra: &Extra) -> Result<Vec<Value>, ClientError> {
    let Some(scopes) = truthy(extra, "scope") else {
        return Ok(vec![Value::from(DEFAULT_SCOPE)]);
    };
    let scopes = made.text("scope", scopes)?.split(',');
    Ok(scopes
        .map(|scope| Value::from(text::strip(scope)))
        .collect())
}

/// The hook reads these as JSON, and then nothing asks for them.
fn check_idp_extra_params(made: &Made, extra: &Extra) -> Result<(), ClientError> {
    let name = "idp_extra_params";
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    match truthy(extra, name) {
        Some(value) if !value.as_str().is_some_and(is_json) => {
            Err(made.wrong(name, "must be a text that is JSON"))
        }
        _ => Ok(()),
    }
}

/// Names what has no part in the credentials that were chosen.
fn leave_the_rest(made: &mut Made, extra: &Extra) {
    let is_used = |made: &Made, name: &str| match name {
        "num_retries" | "scope" | "project" => true,
        "impersonation_chain" | "quota_project_id" => {
            made.params.get("credentials") != Some(&Value::from("is_anonymous"))
        }
        "key_secret_project_id" => made.params.get("key_secret_name").is_some(),
        // One that is false chooses nothing, and changes nothing.
        name if KINDS.contains(&name) => true,
        "idp_issuer_url" | "client_id" | "client_secret" => {
            made.params.get("idp_issuer_url").is_some()
        }
        _ => false,
    };
    made.leave_unread(extra, |made, key| match key.strip_prefix(PREFIX) {
        Some(name) => is_used(made, name) && extra.present(name).is_none(),
        None => is_used(made, key),
    });
}

/// Sets which credentials; gives the project that a key names.
fn set_credentials(made: &mut Made, extra: &Extra) -> Result<Option<Value>, ClientError> {
    let keyfile = keyfile(made, extra)?;
    let is_set = |name: &&&str| match **name {
        "keyfile_dict" => keyfile.as_ref().is_some_and(|key| !key.is_empty()),
        name => truthy(extra, name).is_some(),
    };
    if KINDS.iter().filter(is_set).count() > 1 {
        let problem = "has more than one of `key_path`, `keyfile_dict`, `credential_config_file`, `key_secret_name` \
                       and `is_anonymous`; give one";
        return Err(made.error(Place::WholeExtra, problem));
    }
    if let Some(value) = truthy(extra, "is_anonymous") {
        made.warn_of_no("is_anonymous", value);
        made.params.set("credentials", "is_anonymous");
        made.params.set("is_anonymous", value.clone());
        return Ok(None);
    }
    if let Some(path) = truthy(extra, "key_path") {
        // The hook's own rule, in which upper and lower case differ.
        if made.text("key_path", path)?.strip_suffix(".json").is_none() {
            return Err(made.wrong("key_path", "must end in `.json`"));
        }
        made.params.set("credentials", "key_path");
        made.params.set("key_path", path.clone());
        return Ok(None);
    }
    if let Some(secret) = truthy(extra, "key_secret_name") {
        let name = made.text("key_secret_name", secret)?;
        let is_valid = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !name
            .strip_suffix('\n')
            .unwrap_or(name)
            .chars()
            .all(is_valid)
        {
            return Err(made.wrong("key_secret_name", "may have letters, digits, `-` and `_`"));
        }
        made.params.set("credentials", "key_secret_name");
        made.params.set("key_secret_name", secret.clone());
        return Ok(None);
    }
    if let Some(key) = keyfile.filter(|key| !key.is_empty()) {
        let project = key.get("project_id").filter(|project| is_truthy(project));
        let project = project.cloned();
        made.params.set("credentials", "keyfile_dict");
        made.params.set("keyfile_dict", Value::Object(key));
        return Ok(project);
    }
    set_configuration(made, extra)?;
    Ok(None)
}

/// A configuration of workload identity, with an identity provider or without, or the machine's own.
fn set_configuration(made: &mut Made, extra: &Extra) -> Result<(), ClientError> {
    let config = truthy(extra, "credential_config_file");
    let issuer = truthy(extra, "idp_issuer_url");
    match (config, issuer) {
        (None, Some(_)) => {
            let problem = "needs `credential_config_file` beside it";
            return Err(made.wrong("idp_issuer_url", problem));
        }
        (None, None) => made.params.set("credentials", "default"),
        (Some(config), issuer) => {
            if issuer.is_some() {
                check_configuration(made, config)?;
            }
            made.params.set("credentials", "credential_config_file");
            made.params.set("credential_config_file", config.clone());
            if let Some(issuer) = issuer {
                made.params.set("idp_issuer_url", issuer.clone());
                for name in ["client_id", "client_secret"] {
                    made.params.set_some(name, get(extra, name).cloned());
                }
            }
        }
    }
    Ok(())
}

/// Beside an identity provider, the configuration must be an object, JSON or the path of a file of JSON.
fn check_configuration(made: &Made, config: &Value) -> Result<(), ClientError> {
    let name = "credential_config_file";
    let text = match config {
        Value::Object(_) => return Ok(()),
        other => made.text(name, other)?,
    };
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    let is_file = files::read_text(text).is_ok_and(|content| is_json(content.expose()));
    if is_file || is_json(text) {
        Ok(())
    } else {
        Err(made.wrong(name, "must be JSON, or the path of a file that holds JSON"))
    }
}

/// The key of a service account, with its line breaks as they should be.
fn keyfile(made: &Made, extra: &Extra) -> Result<Option<Map<String, Value>>, ClientError> {
    let name = "keyfile_dict";
    let Some(given) = truthy(extra, name) else {
        return Ok(None);
    };
    let key = match given {
        Value::String(text) => serde_json::from_str(text)
            .map_err(|_| made.wrong(name, "must be a JSON object, or a text that is one"))?,
        other => other.clone(),
    };
    let mut key = match key {
        Value::Object(key) => key,
        other if !is_truthy(&other) && given.is_string() => return Ok(None),
        _ => return Err(made.wrong(name, "must be a JSON object, or a text that is one")),
    };
    if key.is_empty() {
        return Ok(None);
    }
    let private = key.get("private_key").and_then(Value::as_str);
    let private = private.map(|text| text.replace("\\n", "\n"));
    let is_key = private.as_deref().is_some_and(pem::is_private_key);
    let others = ["client_email", "token_uri"];
    if !is_key || others.iter().any(|name| !key.contains_key(*name)) {
        let problem = "must be the key of a service account, with `client_email`, `token_uri` and a `private_key` in PEM";
        return Err(made.wrong(name, problem));
    }
    if let Some(private) = private {
        key.insert("private_key".to_owned(), Value::from(private));
    }
    Ok(Some(key))
}

/// The account to impersonate, and those that lead to it.
type Chain = (String, Option<Vec<Value>>);

/// The last of the chain and those before it.
fn chain(made: &Made, extra: &Extra) -> Result<Option<Chain>, ClientError> {
    let name = "impersonation_chain";
    let problem = "must be a text with commas, or a list of texts";
    let (target, delegates) = match truthy(extra, name) {
        None => return Ok(None),
        Some(Value::String(chain)) if chain.contains(',') => {
            let mut chain: Vec<Value> = chain
                .split(',')
                .map(|account| Value::from(text::strip(account)))
                .collect();
            (chain.pop().unwrap_or_default(), Some(chain))
        }
        Some(Value::String(target)) => (Value::from(target.as_str()), None),
        Some(Value::Array(chain)) => {
            let mut chain = chain.clone();
            (chain.pop().unwrap_or_default(), Some(chain))
        }
        Some(_) => return Err(made.wrong(name, problem)),
    };
    match target {
        Value::String(target) => Ok(Some((target, delegates))),
        other if !is_truthy(&other) => Ok(None),
        _ => Err(made.wrong(name, problem)),
    }
}

fn check_chain(made: &Made, extra: &Extra) -> Result<(), ClientError> {
    match truthy(extra, "impersonation_chain") {
        None | Some(Value::String(_) | Value::Array(_)) => Ok(()),
        Some(_) => chain(made, extra).map(|_| ()),
    }
}

/// Sets whom to impersonate; gives that account's project.
fn impersonation(made: &mut Made, extra: &Extra) -> Result<Option<String>, ClientError> {
    let Some((target, delegates)) = chain(made, extra)? else {
        return Ok(None);
    };
    if target.is_empty() {
        let problem = "ends in a comma, so nobody is impersonated";
        made.warn(Place::extra("impersonation_chain"), problem);
        return Ok(None);
    }
    let Some((_, domain)) = target.split_once('@') else {
        let problem =
            "ends in what is no account of a project: NAME@PROJECT.iam.gserviceaccount.com";
        return Err(made.wrong("impersonation_chain", problem));
    };
    let domain = domain.split('@').next().unwrap_or_default();
    let project = domain.split('.').next().unwrap_or_default().to_owned();
    made.params.set("target_principal", target);
    made.params.set_some("delegates", delegates);
    Ok(Some(project).filter(|project| !project.is_empty()))
}

/// `^[a-z][a-z0-9\-]{4,28}[a-z0-9]$`.
fn check_project(made: &Made, quota: &Value) -> Result<(), ClientError> {
    let name = "quota_project_id";
    let id = made.text(name, quota)?;
    let id = id.strip_suffix('\n').unwrap_or(id);
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_valid = (6..=30).contains(&id.len())
        && id.chars().all(|c| is_word(c) || c == '-')
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.ends_with(is_word);
    if is_valid {
        Ok(())
    } else {
        let problem = "must be the id of a project: 6 to 30 lower-case letters, digits and `-`";
        Err(made.wrong(name, problem))
    }
}
