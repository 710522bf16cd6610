//! Credentials after a login in a browser: IAM Identity Center, formerly AWS SSO.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sso::{Client, config::BehaviorVersion};
use aws_smithy_types::date_time::{DateTime, Format};
use aws_types::region::Region;
use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};
use tokio::task::spawn_blocking;
use zeroize::Zeroize as _;

use super::{moment, source::Source};
use crate::{
    Failure, Secret,
    backends::aws::{
        answer::{self, CallError, Explain},
        client::{retries::retry_partition, session, signing::HiddenSecrets},
    },
    files,
};

/// How long before it expires a token is renewed, where that needs no browser.
const RENEWAL_MARGIN: Duration = Duration::from_secs(15 * 60);

/// Gets a role's credentials for the token that `aws sso login` wrote to a file, each time.
#[derive(Debug)]
pub(super) struct SingleSignOn {
    /// The profile that uses SSO.
    pub(super) profile: String,
    pub(super) sdk: SdkConfig,
    /// The endpoints of the portal and of the service that renews tokens, where settings name them.
    pub(super) endpoints: [Option<String>; 2],
    pub(super) region: String,
    pub(super) start_url: String,
    /// The `sso-session`, if the profile names one; its token can be renewed.
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
        let mut hidden = HiddenSecrets::default();
        let call = call.access_token(hidden.hide("HiddenAccessToken", token));
        let call = call.customize().mutate_request(hidden.attach());
        let answer = call.send().await;
        let answer = answer.map_err(|error| self.refused(&answer::call_error(&error)))?;
        let credentials = answer.role_credentials.and_then(|credentials| {
            Some(Credentials::new(
                credentials.access_key_id?,
                credentials.secret_access_key?,
                credentials.session_token,
                SystemTime::try_from(DateTime::from_millis(credentials.expiration)).ok(),
                "sso",
            ))
        });
        credentials.ok_or_else(|| self.explain().failure(&CallError::NotUnderstood))
    }

    fn explain(&self) -> Explain {
        let [portal, _] = &self.endpoints;
        Explain {
            whom: session::whom("the SSO portal", portal.as_deref(), &self.region),
            action: "sso:GetRoleCredentials",
            timeout: self.timeout,
        }
    }

    fn refused(&self, trouble: &CallError) -> Failure {
        match trouble.code() {
            Some("UnauthorizedException") => self.expired(),
            Some("ForbiddenException" | "ResourceNotFoundException") => {
                Failure::access_denied(format!(
                    "the SSO portal refused credentials for the AWS profile {:?}: check its \
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

    /// The token, renewed if it expires soon and can be renewed.
    async fn token(&self) -> Result<Secret, Failure> {
        let profile = &self.profile;
        let no_login = || {
            Failure::configuration(format!(
                "no SSO login for the AWS profile {profile:?} in ~/.aws/sso/cache: run \
                 `aws sso login --profile {profile}`"
            ))
        };
        let path = self.token_file().ok_or_else(no_login)?;
        let text = files::read_in_background(&path)
            .await
            .map_err(|_| no_login())?;
        let token = Token(serde_json::from_slice(&text).unwrap_or_default());
        let unusable = || {
            Failure::configuration(format!(
                "{} is not an SSO token: run `aws sso login --profile {profile}`",
                path.display()
            ))
        };
        let access_token = token.text("accessToken").ok_or_else(unusable)?;
        let ends = token.time("expiresAt").ok_or_else(unusable)?;
        let now = SystemTime::now();
        if ends < now + RENEWAL_MARGIN
            && let Some(renewed) = self.renew(&token, now).await
        {
            let access_token = renewed.text("accessToken").unwrap_or_default().into();
            // A token that could not be written is still valid: the next lookup renews it again.
            let _ = spawn_blocking(move || renewed.write_to(&path)).await;
            return Ok(access_token);
        }
        if ends <= now {
            return Err(self.expired());
        }
        Ok(access_token.into())
    }

    /// The path of the token: its name is a hash of the session's name, else of the portal's URL.
    fn token_file(&self) -> Option<PathBuf> {
        let name = self.session.as_ref().unwrap_or(&self.start_url);
        let name = format!("{:x}.json", Sha1::digest(name));
        Some(self.home.as_ref()?.join(".aws/sso/cache").join(name))
    }

    /// A new token, or `None` where that needs a browser.
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
        let mut hidden = HiddenSecrets::default();
        let call = call
            .grant_type("refresh_token")
            .client_id(token.text("clientId")?)
            .client_secret(hidden.hide("HiddenClientSecret", in_json(token.text("clientSecret")?)))
            .refresh_token(hidden.hide("HiddenRefreshToken", in_json(token.text("refreshToken")?)));
        let call = call.customize().mutate_request(hidden.attach());
        let answer = call.send().await.ok()?;
        let lasts = Duration::from_secs(u64::try_from(answer.expires_in).ok()?);
        let ends = DateTime::from(now + lasts).fmt(Format::DateTime).ok()?;
        let mut renewed = Token(token.0.clone());
        renewed.set("accessToken", answer.access_token?);
        renewed.set("expiresAt", ends);
        if let Some(refresh_token) = answer.refresh_token {
            renewed.set("refreshToken", refresh_token);
        }
        Some(renewed)
    }
}

/// `secret` as a JSON text holds it, without the quotes around it.
fn in_json(secret: &str) -> Secret {
    let quoted = Value::from(secret).to_string();
    let text = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    text.unwrap_or_default().into()
}

/// The members of a token's file. Its texts are wiped when it is dropped.
struct Token(Map<String, Value>);

impl Token {
    fn set(&mut self, name: &str, text: String) {
        if let Some(Value::String(mut old)) = self.0.insert(name.to_owned(), text.into()) {
            old.zeroize();
        }
    }

    /// Replaces the file at `path` in one step: a reader sees the old token or the new one, and
    /// on Unix the file belongs to its owner alone (mode 0600) from the moment it exists.
    fn write_to(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".airflow-secrets-")
            .tempfile_in(folder)?;
        // Member by member, so that no buffer holds the whole text.
        serde_json::to_writer(&mut file, &self.0)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn time(&self, name: &str) -> Option<SystemTime> {
        // Older ones end in this.
        moment(&self.text(name)?.replace("UTC", "Z"))
    }
}

impl Source for SingleSignOn {
    async fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        self.ask().await.map(Some)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}
