//! The account that asks Secret Manager: its token, from the first credential to the last account of
//! the chain.

use http::{Request, header::AUTHORIZATION};
use serde_json::json;

use super::{
    external_account,
    file::{CredentialFile, FileType, Role},
    metadata::MetadataServer,
    service_account,
    token::{self, Giver, Token},
};
use crate::{
    Failure,
    backends::gcp::client::wire::{self, Wire},
};

/// What a token is for, unless scopes are configured.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where the refresh tokens of users are exchanged, unless their file names another place.
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";

/// An account, and all that it takes to get its token.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) source: Source,
    /// Empty for Google's default.
    pub(crate) scopes: Vec<String>,
    pub(crate) impersonation: Option<Impersonation>,
    /// `GOOGLE_CLOUD_QUOTA_PROJECT`.
    pub(crate) quota_project: Option<String>,
    pub(crate) universe_domain: String,
}

/// Where the first token comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Anonymous,
    MetadataServer(MetadataServer),
    File(Box<CredentialFile>),
}

/// An account to impersonate.
#[derive(Debug, Clone)]
pub(crate) struct Impersonation {
    /// Where its tokens are asked for.
    pub(crate) url: String,
    /// The accounts in between.
    pub(crate) delegates: Vec<String>,
    /// In seconds.
    pub(crate) life: u64,
}

impl Identity {
    /// A new token.
    ///
    /// # Errors
    /// When a service that gives tokens does not answer, or refuses.
    pub(crate) async fn token(&self, wire: &Wire) -> Result<Token, Failure> {
        let Some(impersonation) = &self.impersonation else {
            return self.first_token(&self.scopes, wire).await;
        };
        let first = self.first_token(&[], wire).await?;
        let quota_project = self.first_quota_project();
        impersonation
            .token(&first, &self.scopes, quota_project, wire)
            .await
    }

    /// The project that reads of secrets are billed to, where it is not that of the account.
    pub(crate) fn quota_project(&self) -> Option<&str> {
        match self.impersonation {
            Some(_) => None,
            None => self.first_quota_project(),
        }
    }

    /// The same for requests with the first token.
    fn first_quota_project(&self) -> Option<&str> {
        let of_environment = self.quota_project.as_deref();
        match &self.source {
            Source::Anonymous => None,
            Source::MetadataServer(_) => of_environment,
            // A key by itself pays from its own project, whatever the environment says.
            Source::File(file) if file.role == Role::Key => None,
            Source::File(file) => of_environment.or(file.quota_project.as_deref()),
        }
    }

    async fn first_token(&self, scopes: &[String], wire: &Wire) -> Result<Token, Failure> {
        match &self.source {
            Source::Anonymous => Ok(Token::none()),
            Source::MetadataServer(server) => server.token(scopes, wire).await,
            Source::File(file) => file.token(scopes, wire).await,
        }
    }
}

impl CredentialFile {
    /// A new token.
    ///
    /// # Errors
    /// As those of [`Identity::token`].
    async fn token(&self, scopes: &[String], wire: &Wire) -> Result<Token, Failure> {
        match self.file_type {
            FileType::ServiceAccount => service_account::token(self, &scope(scopes)),
            FileType::AuthorizedUser => {
                // What the user agreed to cannot be changed by a default.
                let scopes = match self.role {
                    Role::Config => scopes,
                    Role::Key | Role::Default => &[],
                };
                self.user_token(&scopes.join(" "), wire).await
            }
            FileType::ExternalAccount => match self.impersonation()? {
                None => external_account::token(self, &scope(scopes), wire).await,
                Some(impersonation) => {
                    let first = external_account::token(self, CLOUD_PLATFORM, wire).await?;
                    impersonation.token(&first, scopes, None, wire).await
                }
            },
            FileType::ImpersonatedServiceAccount => {
                let (source, impersonation) = (self.source()?, self.impersonation()?);
                let impersonation = impersonation.ok_or_else(|| self.unusable())?;
                let first = Box::pin(source.token(&[], wire)).await?;
                let quota_project = source.quota_project.as_deref();
                impersonation
                    .token(&first, scopes, quota_project, wire)
                    .await
            }
        }
    }

    /// A token for the user's refresh token.
    async fn user_token(&self, scope: &str, wire: &Wire) -> Result<Token, Failure> {
        let document = self.document();
        let field = |name| document.get(name).and_then(serde_json::Value::as_str);
        let secrets = ["client_id", "client_secret", "refresh_token"];
        let giver = Giver::of_google("Google's token endpoint");
        let answer = giver.ask(wire, || {
            let secrets = secrets.map(|name| (name, field(name).unwrap_or_default()));
            let fields = [("grant_type", "refresh_token")].into_iter().chain(secrets);
            let scope = Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty());
            let url = field("token_uri").unwrap_or(TOKEN_ENDPOINT);
            token::form(Request::post(url), fields.chain(scope))
        });
        giver.token(&answer.await?)
    }
}

impl Impersonation {
    /// A token of the account, asked for with the token `first` of another.
    async fn token(
        &self,
        first: &Token,
        scopes: &[String],
        quota_project: Option<&str>,
        wire: &Wire,
    ) -> Result<Token, Failure> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(rename = "accessToken")]
            access_token: String,
        }
        let scopes = match scopes {
            [] => json!([CLOUD_PLATFORM]),
            scopes => json!(scopes),
        };
        let mut body = json!({"scope": scopes, "lifetime": format!("{}s", self.life)});
        if let (Some(body), false) = (body.as_object_mut(), self.delegates.is_empty()) {
            body.insert("delegates".to_owned(), json!(self.delegates));
        }
        let body = body.to_string();
        let giver = Giver::of_google("Google's IAM");
        let answer = giver.ask(wire, || {
            let mut request = Request::post(&self.url).header("content-type", "application/json");
            if let Some(bearer) = &first.bearer {
                request = request.header(AUTHORIZATION, bearer);
            }
            if let Some(project) = quota_project {
                request = request.header("x-goog-user-project", project);
            }
            let request = request.body(body.clone().into());
            request.map_err(|_| wire::unsendable())
        });
        let answer = serde_json::from_slice::<Answer>(&answer.await?);
        let Answer { access_token } = answer.map_err(|_| giver.unreadable(""))?;
        // By the life that was asked for, and not by the time in the answer: this machine's clock may
        // be wrong.
        let life = std::time::Duration::from_secs(self.life);
        Token::new(crate::Secret::from(access_token).expose(), life)
    }
}

/// `scopes` as one text.
fn scope(scopes: &[String]) -> String {
    match scopes {
        [] => CLOUD_PLATFORM.to_owned(),
        scopes => scopes.join(" "),
    }
}
