//! Credential files: read and checked when the backend is made, so that an error is reported at once.

use std::path::Path;

use serde_json::{Map, Value};

use super::{identity::Impersonation, service_account, token::LIFE};
use crate::{Failure, Secret, backends::google};

/// The types of file that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileType {
    ServiceAccount,
    AuthorizedUser,
    ExternalAccount,
    ImpersonatedServiceAccount,
}

/// How a file came to be read, which decides what else is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// As the key of a service account, and nothing else.
    Key,
    /// As a file of any type.
    Config,
    /// As the default of the environment.
    Default,
}

/// A credential file with all that its type needs.
#[derive(Debug, Clone)]
pub(crate) struct CredentialFile {
    pub(crate) file_type: FileType,
    pub(crate) role: Role,
    pub(crate) project: Option<String>,
    pub(crate) universe_domain: Option<String>,
    pub(crate) quota_project: Option<String>,
    /// The number of the project that a workload identity pool is in.
    pub(crate) pool_project: Option<String>,
    /// The setting that led to it, and where that came from.
    pub(crate) given_by: String,
    /// The whole file, as JSON.
    document: Secret,
}

/// The fields that a type needs; each is a text.
const SERVICE_ACCOUNT: &[&str] = &["client_email", "private_key"];
const AUTHORIZED_USER: &[&str] = &["client_id", "client_secret", "refresh_token"];
const EXTERNAL_ACCOUNT: &[&str] = &["audience", "subject_token_type", "token_url"];
const IMPERSONATED: &[&str] = &["service_account_impersonation_url"];

impl CredentialFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// With what is wrong with it, and nothing of what it holds.
    pub(crate) fn at(path: &Path, role: Role) -> Result<Self, String> {
        let read = google::read(path).and_then(|fields| Self::new(fields, role));
        read.map_err(|why| format!("{} {why}", path.display()))
    }

    /// Reads `text`.
    ///
    /// # Errors
    /// With what is wrong with it, and nothing of what it holds.
    pub(crate) fn parse(text: &str, role: Role) -> Result<Self, String> {
        Self::new(google::parse(text)?, role)
    }

    fn new(mut fields: Map<String, Value>, role: Role) -> Result<Self, String> {
        let file_type = file_type(&fields, role)?;
        let domain = fields.get("universe_domain");
        if domain.is_some_and(|domain| !domain.is_string() && !domain.is_null()) {
            return Err("has a \"universe_domain\" that is not text".to_owned());
        }
        match file_type {
            FileType::ServiceAccount => check_key(&mut fields)?,
            FileType::ExternalAccount => require_object(&fields, "credential_source")?,
            FileType::ImpersonatedServiceAccount => require_object(&fields, "source_credentials")?,
            FileType::AuthorizedUser => {}
        }
        let text = |name: &str| {
            let text = fields.get(name)?.as_str()?;
            Some(text.to_owned()).filter(|text| !text.is_empty())
        };
        Ok(Self {
            file_type,
            role,
            project: text("project_id").filter(|_| file_type == FileType::ServiceAccount),
            universe_domain: text("universe_domain"),
            quota_project: text("quota_project_id").filter(|_| role != Role::Key),
            pool_project: text("audience").and_then(|audience| pool_project(&audience)),
            given_by: String::new(),
            document: Value::Object(fields).to_string().into(),
        })
    }

    /// All that the file holds.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(self.document.expose()).unwrap_or_default()
    }

    /// The credentials that a file starts from which impersonates an account.
    ///
    /// # Errors
    /// When they are not good.
    pub(super) fn source(&self) -> Result<Self, Failure> {
        let source = match self.document() {
            Value::Object(mut fields) => fields.remove("source_credentials"),
            _ => None,
        };
        let source = match source {
            Some(Value::Object(source)) => Self::new(source, Role::Default),
            _ => return Err(self.unusable()),
        };
        let mut source = source.map_err(|why| {
            Failure::configuration(format!(
                "the credentials of {} cannot be used: \"source_credentials\" {why}",
                self.given_by
            ))
        })?;
        source.given_by.clone_from(&self.given_by);
        Ok(source)
    }

    /// The account that the file impersonates, if it does.
    ///
    /// # Errors
    /// When the file names it by something other than text.
    pub(super) fn impersonation(&self) -> Result<Option<Impersonation>, Failure> {
        let document = self.document();
        let url = match document.get("service_account_impersonation_url") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(url)) => url.clone(),
            Some(_) => return Err(self.unusable()),
        };
        let delegates = document.get("delegates").and_then(Value::as_array);
        let delegates = delegates.into_iter().flatten().filter_map(Value::as_str);
        let life = document
            .get("service_account_impersonation")
            .and_then(|options| options.get("token_lifetime_seconds")?.as_u64());
        Ok(Some(Impersonation {
            url,
            delegates: delegates.map(str::to_owned).collect(),
            life: life.unwrap_or(LIFE),
        }))
    }

    /// The failure for a file whose fields turn out to be invalid when they are used.
    pub(super) fn unusable(&self) -> Failure {
        Failure::configuration(format!(
            "the credentials of {} cannot be used: a field is missing or has the wrong type",
            self.given_by
        ))
    }
}

fn file_type(fields: &Map<String, Value>, role: Role) -> Result<FileType, String> {
    let named = fields.get("type").and_then(Value::as_str);
    if role == Role::Key {
        // Airflow's class does not look at the type of a key that has all it needs.
        return match (missing(fields, SERVICE_ACCOUNT), named) {
            (None, _) => Ok(FileType::ServiceAccount),
            (Some(_), Some(named)) if named != "service_account" => Err(format!(
                "is of type {named:?}, and a key must be of type \"service_account\"; other types \
                 are for \"gcp_credential_config_file\""
            )),
            (Some(name), _) => Err(lacks(name)),
        };
    }
    let (file_type, needed) = match named {
        Some("service_account") => (FileType::ServiceAccount, SERVICE_ACCOUNT),
        Some("authorized_user") => (FileType::AuthorizedUser, AUTHORIZED_USER),
        Some("external_account") => (FileType::ExternalAccount, EXTERNAL_ACCOUNT),
        Some("impersonated_service_account") => {
            (FileType::ImpersonatedServiceAccount, IMPERSONATED)
        }
        other => {
            let found = match other {
                Some(other) => format!("is of type {other:?}"),
                None => "has no \"type\"".to_owned(),
            };
            return Err(format!(
                "{found}; known are service_account, authorized_user, external_account and \
                 impersonated_service_account"
            ));
        }
    };
    missing(fields, needed).map_or(Ok(file_type), |name| Err(lacks(name)))
}

fn missing(fields: &Map<String, Value>, needed: &[&'static str]) -> Option<&'static str> {
    let is_text = |name: &&&str| fields.get(**name).is_some_and(Value::is_string);
    needed.iter().find(|name| !is_text(name)).copied()
}

fn lacks(name: &str) -> String {
    format!("lacks the text {name:?}")
}

fn require_object(fields: &Map<String, Value>, name: &str) -> Result<(), String> {
    match fields.get(name) {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(format!("lacks the object {name:?}")),
    }
}

/// Checks that the private key can sign, and rewrites it so that it is read.
fn check_key(fields: &mut Map<String, Value>) -> Result<(), String> {
    let Some(Value::String(private_key)) = fields.get_mut("private_key") else {
        return Err(lacks("private_key"));
    };
    // A key that went through a shell may have its line ends escaped twice.
    *private_key = private_key.replace("\\n", "\n");
    if let Some(rewritten) = rewritten(private_key) {
        *private_key = rewritten;
    }
    match service_account::signer(private_key) {
        Some(_) => Ok(()),
        None => Err(
            "has a \"private_key\" that is broken: it must be the whole PEM text of an RSA key"
                .to_owned(),
        ),
    }
}

/// The key's PEM text with its own line ends. Text that is pasted into a variable or an indented file
/// may have spaces around its lines or in place of their ends; Python's library reads it all the same.
fn rewritten(pem: &str) -> Option<String> {
    let label = ["PRIVATE KEY", "RSA PRIVATE KEY"]
        .into_iter()
        .find(|label| pem.contains(&format!("-----BEGIN {label}-----")))?;
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let (_, key) = pem.split_once(&begin)?;
    let (key, _) = key.split_once(&end)?;
    let key = key.split_whitespace().collect::<String>();
    Some(format!("{begin}\n{key}\n{end}\n"))
}

/// The number in `//iam.googleapis.com/projects/NUMBER/locations/…`.
fn pool_project(audience: &str) -> Option<String> {
    let mut segments = audience.split('/');
    segments.find(|segment| *segment == "projects")?;
    let number = segments.next()?;
    Some(number.to_owned()).filter(|number| !number.is_empty())
}
