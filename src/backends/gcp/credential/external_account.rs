//! Workload identity federation: a token of another identity provider is exchanged for one of Google's,
//! as <https://google.aip.dev/auth/4117> describes it.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    aws,
    file::CredentialFile,
    token::{self, Giver, Token},
};
use crate::{
    Failure, Secret,
    backends::{
        gcp::client::wire::{self, Body, Wire},
        program,
    },
    files,
};

/// The variable without which no program of a file is run.
const ALLOW_EXECUTABLES: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";

/// How long a program may run where the file does not say.
const RUN_TIME: Duration = Duration::from_secs(30);

/// A token of Google's for `scope`.
///
/// # Errors
/// When the other provider's token cannot be had, or Google does not exchange it.
pub(super) async fn token(
    file: &CredentialFile,
    scope: &str,
    wire: &Wire,
) -> Result<Token, Failure> {
    let document = file.document();
    let account = Account {
        file,
        document: &document,
    };
    let subject_token = account.subject_token(wire).await?;
    let giver = Giver::of_google("Google's Security Token Service");
    let user_project = account.text("workforce_pool_user_project");
    let options = user_project.map(|project| json!({"userProject": project}).to_string());
    let answer = giver.ask(wire, || {
        let mut request = Request::post(account.text("token_url").unwrap_or_default());
        let (id, secret) = (account.text("client_id"), account.text("client_secret"));
        if let (Some(id), Some(secret)) = (id, secret) {
            let credentials = STANDARD.encode(format!("{id}:{secret}"));
            let header = http::HeaderValue::try_from(format!("Basic {credentials}"));
            let mut header = header.map_err(|_| wire::unsendable())?;
            header.set_sensitive(true);
            request = request.header("authorization", header);
        }
        let fields = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("audience", account.text("audience").unwrap_or_default()),
            ("scope", scope),
            ("subject_token", subject_token.expose()),
            (
                "subject_token_type",
                account.text("subject_token_type").unwrap_or_default(),
            ),
        ];
        let options = options.iter().map(|options| ("options", options.as_str()));
        token::form(request, fields.into_iter().chain(options))
    });
    giver.token(&answer.await?)
}

/// A file of the type `external_account`.
struct Account<'a> {
    file: &'a CredentialFile,
    document: &'a Value,
}

impl<'a> Account<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.document.get(name)?.as_str()
    }

    /// The token of the other provider, from where the file says that it is.
    async fn subject_token(&self, wire: &Wire) -> Result<Secret, Failure> {
        let source = self.document.get("credential_source");
        let field = |name: &str| source?.get(name);
        let text = |name: &str| field(name).and_then(Value::as_str);
        if let Some(environment) = text("environment_id") {
            if !environment.starts_with("aws") {
                return Err(self.file.unusable());
            }
            let audience = self.text("audience").unwrap_or_default();
            return aws::subject_token(&text, audience, wire).await;
        }
        let content = if let Some(path) = text("file") {
            let read = files::read_text_in_background(path).await;
            read.map_err(|error| {
                Failure::configuration(format!(
                    "the token file {path} of {} cannot be read: {error}",
                    self.file.given_by
                ))
            })?
        } else if let Some(url) = text("url") {
            self.fetched(url, field("headers"), wire).await?
        } else if let Some(program) = field("executable") {
            return self.printed(program, wire).await;
        } else {
            return Err(self.file.unusable());
        };
        self.read(content, field("format"))
    }

    async fn fetched(
        &self,
        url: &str,
        headers: Option<&Value>,
        wire: &Wire,
    ) -> Result<Secret, Failure> {
        let giver = Giver::of_others("the URL of the \"credential_source\"");
        let answer = giver.ask(wire, || {
            let headers = headers.and_then(Value::as_object).into_iter().flatten();
            let headers = headers.filter_map(|(name, value)| Some((name, value.as_str()?)));
            let request = headers.fold(Request::get(url), |request, (name, value)| {
                request.header(name, value)
            });
            request
                .body(Body::default())
                .map_err(|_| self.file.unusable())
        });
        let text = String::from_utf8(answer.await?.to_vec());
        text.map(Secret::from).map_err(|_| giver.unreadable(""))
    }

    /// The token in `content`: the whole of it, or a member of its JSON object.
    fn read(&self, content: Secret, format: Option<&Value>) -> Result<Secret, Failure> {
        let format = |name: &str| format?.get(name)?.as_str();
        match format("type") {
            None | Some("text") => Ok(content),
            Some("json") => {
                let document = serde_json::from_str::<Value>(content.expose());
                let name = format("subject_token_field_name").unwrap_or_default();
                let token = document
                    .as_ref()
                    .ok()
                    .and_then(|document| document.get(name)?.as_str());
                token.map(Secret::from).ok_or_else(|| {
                    Failure::configuration(format!(
                        "the \"credential_source\" of {} gave no JSON object with the text {name:?}",
                        self.file.given_by
                    ))
                })
            }
            Some(_) => Err(self.file.unusable()),
        }
    }

    /// The token that a program prints.
    async fn printed(&self, source: &Value, wire: &Wire) -> Result<Secret, Failure> {
        let environment = wire.environment();
        let failed = |why: &str| {
            Failure::configuration(format!(
                "the program in the \"credential_source\" of {} gave no token: {why}",
                self.file.given_by
            ))
        };
        if environment.get(ALLOW_EXECUTABLES) != Some("1") {
            return Err(failed(&format!("set {ALLOW_EXECUTABLES} to 1 to allow it")));
        }
        let field = |name: &str| source.get(name);
        let command = field("command").and_then(Value::as_str);
        let mut words = command.unwrap_or_default().split_whitespace();
        let mut command = Command::new(words.next().ok_or_else(|| self.file.unusable())?);
        command
            .args(words)
            .env_clear()
            .envs(environment.iter())
            .env(
                "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE",
                self.text("audience").unwrap_or_default(),
            )
            .env(
                "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE",
                self.text("subject_token_type").unwrap_or_default(),
            )
            .env("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0");
        let output_file = field("output_file").and_then(Value::as_str);
        if let Some(path) = output_file {
            if let Some(token) = kept(Path::new(path)).await {
                return Ok(token);
            }
            command.env("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", path);
        }
        let limit = field("timeout_millis").and_then(Value::as_u64);
        let limit = limit.map_or(RUN_TIME, Duration::from_millis);
        let output = program::output(command, limit).await;
        let output = output.map_err(|error| failed(&error.to_string()))?;
        let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let token = program_token(&printed).filter(|_| output.status.success());
        token.ok_or_else(|| failed("it failed, or printed none: run it by hand to see why"))
    }
}

/// The token that a program left in its file, while that is good.
async fn kept(path: &Path) -> Option<Secret> {
    let content = files::read_in_background(path).await.ok()?;
    let document = serde_json::from_slice::<Value>(&content).ok()?;
    let end = document.get("expiration_time")?.as_u64()?;
    let now = std::time::UNIX_EPOCH.elapsed().ok()?.as_secs();
    (now < end).then(|| program_token(&document))?
}

/// The token in what a program prints.
fn program_token(document: &Value) -> Option<Secret> {
    let is_success = document.get("success") == Some(&Value::Bool(true));
    let token = document
        .get("id_token")
        .or_else(|| document.get("saml_response"));
    token?.as_str().filter(|_| is_success).map(Secret::from)
}
