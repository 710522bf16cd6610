//! The credentials that a login in a browser leads to: IAM Identity Center, once "AWS SSO".

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_sso::{Client, config::BehaviorVersion};
use aws_smithy_types::date_time::{DateTime, Format};
use aws_types::region::Region;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::Value;
use tokio::{fs, io::AsyncWriteExt as _};

use super::moment;
use crate::{
    Failure, Secret,
    backends::aws::{
        retries::retry_partition,
        trouble::{self, Explain, Trouble},
    },
};

/// How long before its end a token is replaced, where that can be done without a browser.
const RENEWAL_MARGIN: Duration = Duration::from_secs(15 * 60);

/// Gives a role's credentials for the token that `aws sso login` left in a file, each time.
#[derive(Debug)]
pub(super) struct SingleSignOn {
    /// The profile that asks for it.
    pub(super) profile: String,
    pub(super) sdk: SdkConfig,
    /// The portal's address, and that of who renews tokens, where they are not AWS's own.
    pub(super) endpoints: [Option<String>; 2],
    pub(super) region: String,
    pub(super) start_url: String,
    /// A session that several profiles share; its token can be renewed.
    pub(super) session: Option<String>,
    pub(super) account_id: String,
    pub(super) role_name: String,
    pub(super) home: Option<PathBuf>,
    pub(super) timeout: Duration,
}

impl SingleSignOn {
    async fn ask(&self) -> Result<Credentials, Failure> {
        let token = self.token().await?;
        let mut config = aws_sdk_sso::config::Builder::from(&self.sdk)
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .retry_partition(retry_partition());
        let [portal, _] = &self.endpoints;
        config.set_endpoint_url(portal.clone());
        let call = Client::from_conf(config.build()).get_role_credentials();
        let call = call.role_name(&self.role_name).account_id(&self.account_id);
        let answer = call.access_token(token.expose()).send().await;
        let answer = answer.map_err(|error| self.refused(&trouble::trouble(&error)))?;
        let credentials = answer.role_credentials.and_then(|credentials| {
            Some(Credentials::new(
                credentials.access_key_id?,
                credentials.secret_access_key?,
                credentials.session_token,
                SystemTime::try_from(DateTime::from_millis(credentials.expiration)).ok(),
                "sso",
            ))
        });
        credentials.ok_or_else(|| self.explain().failure(&Trouble::NotUnderstood))
    }

    fn explain(&self) -> Explain {
        Explain {
            whom: format!("the SSO portal in {}", self.region),
            action: "sso:GetRoleCredentials",
            timeout: self.timeout,
        }
    }

    fn refused(&self, trouble: &Trouble) -> Failure {
        match trouble.code() {
            Some("UnauthorizedException") => self.expired(),
            Some("ForbiddenException" | "ResourceNotFoundException") => {
                Failure::access_denied(format!(
                    "the SSO portal gives the AWS profile {:?} no credentials: see to its \
                     sso_account_id and sso_role_name",
                    self.profile
                ))
            }
            _ => self.explain().failure(trouble),
        }
    }

    fn expired(&self) -> Failure {
        let profile = &self.profile;
        Failure::access_denied(format!(
            "the SSO login of the AWS profile {profile:?} has expired: run `aws sso login \
                 --profile {profile}`"
        ))
    }

    /// The token, renewed where it ends soon and can be.
    async fn token(&self) -> Result<Secret, Failure> {
        let profile = &self.profile;
        let no_login = || {
            Failure::configuration(format!(
                "there is no SSO login of the AWS profile {profile:?} in ~/.aws/sso/cache: run \
                 `aws sso login --profile {profile}`"
            ))
        };
        let path = self.token_file().ok_or_else(no_login)?;
        let text = fs::read(&path).await.map_err(|_| no_login())?;
        let token = Token(serde_json::from_slice(&text).unwrap_or_default());
        let unusable = || Failure::configuration(format!("{} holds no SSO token", path.display()));
        let access_token = token.text("accessToken").ok_or_else(unusable)?;
        let ends = token.time("expiresAt").ok_or_else(unusable)?;
        let now = SystemTime::now();
        if ends < now + RENEWAL_MARGIN
            && let Some(renewed) = self.renew(&token, now).await
        {
            // Not kept, it is as good: whoever needs one next renews it again.
            let _ = self.write_token(&path, &renewed).await;
            return Ok(renewed.text("accessToken").unwrap_or_default().into());
        }
        if ends <= now {
            return Err(self.expired());
        }
        Ok(access_token.into())
    }

    /// Where the token is: the name is made of the session's, else of the portal's address.
    fn token_file(&self) -> Option<PathBuf> {
        let name = self.session.as_ref().unwrap_or(&self.start_url);
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes());
        let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let name = hash.collect::<String>() + ".json";
        Some(self.home.as_ref()?.join(".aws/sso/cache").join(name))
    }

    /// A new token for the old one, or `None` where a browser is needed.
    async fn renew(&self, token: &Token, now: SystemTime) -> Option<Token> {
        self.session.as_ref()?;
        if token.time("registrationExpiresAt")? <= now {
            return None;
        }
        let mut config = aws_sdk_ssooidc::config::Builder::from(&self.sdk)
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .retry_partition(retry_partition());
        let [_, endpoint] = &self.endpoints;
        config.set_endpoint_url(endpoint.clone());
        let call = aws_sdk_ssooidc::Client::from_conf(config.build()).create_token();
        let call = call
            .grant_type("refresh_token")
            .client_id(token.text("clientId")?)
            .client_secret(token.text("clientSecret")?)
            .refresh_token(token.text("refreshToken")?);
        let answer = call.send().await.ok()?;
        let lasts = Duration::from_secs(u64::try_from(answer.expires_in).ok()?);
        let ends = DateTime::from(now + lasts).fmt(Format::DateTime).ok()?;
        let mut renewed = token.0.as_object()?.clone();
        renewed.insert("accessToken".to_owned(), answer.access_token?.into());
        renewed.insert("expiresAt".to_owned(), ends.into());
        if let Some(refresh_token) = answer.refresh_token {
            renewed.insert("refreshToken".to_owned(), refresh_token.into());
        }
        Some(Token(renewed.into()))
    }

    /// Keeps the token for all who share the session.
    async fn write_token(&self, path: &Path, token: &Token) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&new).await?;
        file.write_all(token.0.to_string().as_bytes()).await?;
        file.sync_all().await?;
        fs::rename(&new, path).await
    }
}

/// What a token's file holds.
struct Token(Value);

impl Token {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn time(&self, name: &str) -> Option<SystemTime> {
        // Older ones end in this.
        moment(&self.text(name)?.replace("UTC", "Z"))
    }
}

impl ProvideCredentials for SingleSignOn {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let ask = async { self.ask().await.map_err(CredentialsError::provider_error) };
        future::ProvideCredentials::new(ask)
    }
}
