//! Credential files: read and checked when the backend is made, so that a bad one is said at once.

use std::path::Path;

use futures_util::FutureExt as _;
use google_cloud_auth::credentials::service_account;
use serde_json::{Map, Value, json};

use crate::Secret;

/// The types of file that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backends::gcp) enum FileType {
    ServiceAccount,
    AuthorizedUser,
    ExternalAccount,
    ImpersonatedServiceAccount,
}

/// How a file came to be read, which decides what else Google's library reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backends::gcp) enum Role {
    /// As the key of a service account, and nothing else.
    Key,
    /// As a file of any type.
    Config,
    /// As the default of the environment.
    Default,
}

/// A credential file that has all that its type needs.
#[derive(Debug, Clone)]
pub(in crate::backends::gcp) struct CredentialFile {
    pub(in crate::backends::gcp) file_type: FileType,
    pub(in crate::backends::gcp) role: Role,
    pub(in crate::backends::gcp) project: Option<String>,
    pub(in crate::backends::gcp) universe_domain: Option<String>,
    pub(in crate::backends::gcp) quota_project: Option<String>,
    /// The number of the project that a workload identity pool is in.
    pub(in crate::backends::gcp) pool_project: Option<String>,
    /// The setting that led to it, and where that came from.
    pub(in crate::backends::gcp) given_by: String,
    /// The whole of it, as JSON.
    document: Secret,
}

/// What the fields of a type are, all of them texts.
const SERVICE_ACCOUNT: &[&str] = &["client_email", "private_key"];
const AUTHORIZED_USER: &[&str] = &["client_id", "client_secret", "refresh_token"];
const EXTERNAL_ACCOUNT: &[&str] = &["audience", "subject_token_type", "token_url"];
const IMPERSONATED: &[&str] = &["service_account_impersonation_url"];

impl CredentialFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// With what is wrong with it, and nothing of what it holds.
    pub(in crate::backends::gcp) fn at(path: &Path, role: Role) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {}", path.display(), error.kind()))?;
        Self::parse(&text, role).map_err(|why| format!("{} {why}", path.display()))
    }

    /// Reads `text`.
    ///
    /// # Errors
    /// With what is wrong with it, and nothing of what it holds.
    pub(in crate::backends::gcp) fn parse(text: &str, role: Role) -> Result<Self, String> {
        // The error of the parser would hold a piece of the text.
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Self::new(fields, role),
            Ok(_) => Err("is JSON, but no object: it must be a whole credential file".to_owned()),
            Err(error) => Err(format!(
                "is not JSON (line {}, column {})",
                error.line(),
                error.column()
            )),
        }
    }

    fn new(mut fields: Map<String, Value>, role: Role) -> Result<Self, String> {
        let file_type = file_type(&fields, role)?;
        let domain = fields.get("universe_domain");
        if domain.is_some_and(|domain| !domain.is_string() && !domain.is_null()) {
            return Err("has a \"universe_domain\" that is no text".to_owned());
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

    /// Whether Google's library takes the file itself as what impersonates.
    pub(in crate::backends::gcp) fn may_be_impersonated_from(&self) -> bool {
        self.file_type != FileType::ImpersonatedServiceAccount
    }

    /// All that the file holds.
    pub(in crate::backends::gcp) fn document(&self) -> Value {
        serde_json::from_str(self.document.expose()).unwrap_or_default()
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

/// Signs something with the key, and fills in what Google's Rust library insists on.
fn check_key(fields: &mut Map<String, Value>) -> Result<(), String> {
    let Some(Value::String(private_key)) = fields.get_mut("private_key") else {
        return Err(lacks("private_key"));
    };
    // A key that went through a shell may have its line ends escaped twice.
    *private_key = private_key.replace("\\n", "\n");
    if let Some(rewritten) = rewritten(private_key) {
        *private_key = rewritten;
    }
    if private_key.contains("BEGIN RSA PRIVATE KEY") {
        return Err(
            "has a \"private_key\" in the old PKCS #1 form: convert it with `openssl pkcs8 -topk8 \
             -nocrypt`"
                .to_owned(),
        );
    }
    for name in ["private_key_id", "project_id"] {
        if !fields.get(name).is_some_and(Value::is_string) {
            fields.insert(name.to_owned(), json!(""));
        }
    }
    let document = Value::Object(fields.clone());
    let signed = service_account::Builder::new(document)
        .build_signer()
        .ok()
        // Nobody has to be asked for it, so that it is done at once.
        .and_then(|signer| signer.sign("").now_or_never())
        .is_some_and(|signature| signature.is_ok());
    if signed {
        return Ok(());
    }
    Err(
        "has a \"private_key\" that is broken: it must be the whole PEM text of an RSA key"
            .to_owned(),
    )
}

/// The key's PEM text with lines of its own. What is pasted into a variable or an indented file may
/// have spaces around its lines or in place of their ends: Python's library reads it all the same,
/// and Google's for Rust does not.
fn rewritten(pem: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let (_, key) = pem.split_once(BEGIN)?;
    let (key, _) = key.split_once(END)?;
    let key = key.split_whitespace().collect::<String>();
    Some(format!("{BEGIN}\n{key}\n{END}\n"))
}

/// The number in `//iam.googleapis.com/projects/NUMBER/locations/…`.
fn pool_project(audience: &str) -> Option<String> {
    let mut segments = audience.split('/');
    segments.find(|segment| *segment == "projects")?;
    let number = segments.next()?;
    Some(number.to_owned()).filter(|number| !number.is_empty())
}
