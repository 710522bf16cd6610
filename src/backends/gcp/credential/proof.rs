//! A JWT by which a third party knows which service account signed it: Vault's login `gcp`. The key
//! of a service account signs here; for other credentials, Google's IAM signs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Request, header::AUTHORIZATION};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{
    GcpCredential,
    file::{CredentialFile, FileType},
    identity::{Identity, Source},
    metadata::GOOGLE_UNIVERSE,
    service_account::signer,
    source,
    token::Giver,
};
use crate::{
    Environment, Failure, Secret,
    backends::{
        gcp::client::wire::{self, Wire},
        http_options::HttpOptions,
        retry::RetryOptions,
        tls::jwt::Algorithm,
    },
    config::Setting,
};

/// How long a JWT is valid, in seconds: as long as Vault allows.
const LIFE: u64 = 900;

/// How long one request may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// A JWT for `audience`, signed in the name of the service account that `credential` is of.
///
/// # Errors
/// When the credentials are not those of a service account, or nothing signs with them.
pub(crate) async fn signed_jwt(
    credential: &Setting<GcpCredential>,
    scopes: &[String],
    audience: &str,
    environment: &Environment,
) -> Result<Secret, Failure> {
    let (given, variables) = (credential.clone(), environment.clone());
    let source = spawn_blocking(move || source::read(&given, &variables, false)).await;
    let source = source.map_err(|_| Failure::unavailable("the runtime has ended"))?;
    let source = source.map_err(|error| Failure::configuration(error.to_string()))?;
    let wire = Wire::new(
        environment.clone(),
        HttpOptions::default(),
        RetryOptions::default(),
        ATTEMPT_TIMEOUT,
    );
    let account = match &source {
        Source::File(file) if file.file_type == FileType::ServiceAccount => {
            return signed_by_key(file, audience);
        }
        Source::File(file) => impersonated(file)?,
        Source::MetadataServer(server) => server.account(&wire).await?,
        Source::Anonymous => None,
    };
    let is_email = |account: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
        account.contains('@') && account.chars().all(is_plain)
    };
    let account = account.filter(is_email).ok_or_else(|| {
        credential.failure(
            "these credentials are not those of a service account: give the key of one, or use a \
             machine that has one or a file that impersonates one",
        )
    })?;
    let universe_domain = match &source {
        Source::File(file) => file.universe_domain.clone(),
        Source::MetadataServer(_) | Source::Anonymous => None,
    };
    let identity = Identity {
        source,
        scopes: scopes.to_vec(),
        impersonation: None,
        quota_project: None,
        universe_domain: universe_domain.unwrap_or_else(|| GOOGLE_UNIVERSE.to_owned()),
    };
    signed_by_iam(&identity, &account, audience, &wire).await
}

fn claims(account: &str, audience: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    json!({"iat": now, "exp": now + LIFE, "sub": account, "aud": audience})
}

fn signed_by_key(file: &CredentialFile, audience: &str) -> Result<Secret, Failure> {
    let document = file.document();
    let field = |name: &str| {
        let field = document.get(name).and_then(Value::as_str);
        field.filter(|field| !field.is_empty()).ok_or_else(|| {
            Failure::configuration(format!("{}: the key file lacks {name:?}", file.given_by))
        })
    };
    let header = json!({
        "typ": "JWT", "alg": Algorithm::Rs256.name(), "kid": field("private_key_id")?,
    });
    let claims = claims(field("client_email")?, audience);
    let signer = signer(field("private_key")?);
    let token = signer.and_then(|signer| signer.sign(&header, &claims));
    token.ok_or_else(|| file.unusable())
}

/// The account that a file's credentials become.
fn impersonated(file: &CredentialFile) -> Result<Option<String>, Failure> {
    let impersonation = file.impersonation()?;
    Ok(impersonation.and_then(|to| {
        let (_, account) = to.url.rsplit_once('/')?;
        Some(account.strip_suffix(":generateAccessToken")?.to_owned())
    }))
}

/// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt>
async fn signed_by_iam(
    identity: &Identity,
    account: &str,
    audience: &str,
    wire: &Wire,
) -> Result<Secret, Failure> {
    let token = identity.token(wire).await?;
    let domain = &identity.universe_domain;
    let url =
        format!("https://iamcredentials.{domain}/v1/projects/-/serviceAccounts/{account}:signJwt");
    let body = json!({"payload": claims(account, audience).to_string()}).to_string();
    let giver = Giver::of_google("Google's IAM");
    let answer = giver.ask(wire, || {
        let mut request = Request::post(&url).header("content-type", "application/json");
        if let Some(bearer) = &token.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(body.clone().into());
        request.map_err(|_| wire::unsendable())
    });
    let answer = answer.await.map_err(|failure| {
        let message = format!(
            "no JWT is signed for {account}, which needs the role Service Account Token Creator on \
             itself: {}",
            failure.message()
        );
        Failure::new(failure.kind(), message).with_transient(failure.is_transient())
    })?;
    let answer = serde_json::from_slice::<Value>(&answer).unwrap_or_default();
    let signed = answer.get("signedJwt").and_then(Value::as_str);
    signed.map(Secret::from).ok_or_else(|| giver.unreadable(""))
}
