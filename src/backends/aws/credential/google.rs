//! An ID token of Google's, for AWS roles that trust Google: that of a credential file, else of
//! the machine's own service account.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_smithy_types::base64;
use rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};

use super::ask::{self, Method, Question};
use crate::{
    Environment, Failure, Secret,
    backends::{
        aws::{
            http::{self, Wire},
            proxy::Proxies,
            tls::{self, Trust},
        },
        given::Given,
    },
};

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const AUDIENCE: &str = "assume_role_with_web_identity_federation_audience";
/// Who gives tokens, and whom an assertion is for.
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// How long an assertion is good.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The token for `audience`.
///
/// # Errors
/// When there is none to be had.
pub(super) async fn id_token(
    audience: Option<&str>,
    environment: &Environment,
    wire: &Wire,
) -> Result<Secret, Failure> {
    match credential_file(environment).await? {
        Some(file) => file.id_token(audience, environment, wire).await,
        None => of_machine(needed(audience)?, environment, wire).await,
    }
}

fn needed(audience: Option<&str>) -> Result<&str, Failure> {
    audience.ok_or_else(|| {
        Failure::configuration(format!("the federation \"google\" needs \"{AUDIENCE}\""))
    })
}

/// A file of credentials, and what it is called in errors.
struct CredentialFile {
    name: String,
    fields: Value,
}

/// The file that the environment names, else the one that `gcloud` wrote.
async fn credential_file(environment: &Environment) -> Result<Option<CredentialFile>, Failure> {
    let (path, name) = if let Some(path) = environment.get(CREDENTIALS) {
        let name = format!("the file that {CREDENTIALS} names");
        (PathBuf::from(path), name)
    } else {
        let home = || Some(PathBuf::from(environment.get("HOME")?).join(".config/gcloud"));
        let folder = environment.get("CLOUDSDK_CONFIG").map(PathBuf::from);
        let Some(folder) = folder.or_else(home) else {
            return Ok(None);
        };
        let path = folder.join("application_default_credentials.json");
        if !tokio::fs::try_exists(&path).await.unwrap_or_default() {
            return Ok(None);
        }
        (
            path,
            "gcloud's application_default_credentials.json".to_owned(),
        )
    };
    let text = tokio::fs::read(&path).await;
    let text =
        text.map_err(|error| Failure::configuration(format!("{name} cannot be read: {error}")))?;
    let fields = serde_json::from_slice(&text);
    let fields = fields.map_err(|_| Failure::configuration(format!("{name} is no JSON")))?;
    Ok(Some(CredentialFile { name, fields }))
}

impl CredentialFile {
    async fn id_token(
        &self,
        audience: Option<&str>,
        environment: &Environment,
        wire: &Wire,
    ) -> Result<Secret, Failure> {
        let (url, form) = match self.fields.get("type").and_then(Value::as_str) {
            Some("service_account") => {
                let url = ask::url(&self.what("token_uri"), self.field("token_uri")?)?;
                let assertion = self.assertion(needed(audience)?)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".into();
                (url, vec![("grant_type", grant), ("assertion", assertion)])
            }
            Some("authorized_user") => {
                let mut form = vec![
                    ("grant_type", "refresh_token".into()),
                    ("scope", "openid email".into()),
                ];
                for name in ["client_id", "client_secret", "refresh_token"] {
                    form.push((name, self.field(name)?.into()));
                }
                (ask::url(TOKEN_ENDPOINT, TOKEN_ENDPOINT)?, form)
            }
            _ => {
                return Err(Failure::configuration(format!(
                    "{} must be of the type service_account or authorized_user",
                    self.name
                )));
            }
        };
        let question = Question {
            whom: "Google's token endpoint, asked for an ID token,",
            url,
            headers: Vec::new(),
            method: Method::Post(form),
        };
        let wire = wire.through(Proxies::Environment(environment.clone()));
        let http_client = http::client(&wire, tls::config(&trust(environment), None).await?);
        let answer = question.ask(http_client).await?;
        let answer = serde_json::from_str::<Value>(answer.expose()).ok();
        let token = answer
            .as_ref()
            .and_then(|answer| answer.get("id_token")?.as_str());
        token
            .map(Secret::from)
            .ok_or_else(|| Failure::unavailable("Google's token endpoint gave no ID token"))
    }

    fn what(&self, field: &str) -> String {
        format!("{field:?} in {}", self.name)
    }

    fn field(&self, name: &str) -> Result<&str, Failure> {
        let field = self.fields.get(name).and_then(Value::as_str);
        field.ok_or_else(|| Failure::configuration(format!("{} is missing", self.what(name))))
    }

    /// What a service account signs to be given an ID token for `audience`.
    fn assertion(&self, audience: &str) -> Result<Secret, Failure> {
        let key = PrivateKeyDer::from_pem_slice(self.field("private_key")?.as_bytes()).ok();
        let key = key.and_then(|key| any_supported_type(&key).ok());
        let key = key.and_then(|key| key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let header =
            json!({"typ": "JWT", "alg": "RS256", "kid": self.fields.get("private_key_id")});
        let claims = json!({
            "iat": now.as_secs(), "exp": (now + LIFETIME).as_secs(),
            "iss": self.field("client_email")?, "aud": TOKEN_ENDPOINT, "target_audience": audience,
        });
        let signed = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = key.and_then(|key| key.sign(signed.as_bytes()).ok());
        let signature = signature.ok_or_else(|| {
            Failure::configuration(format!("{} is no RSA key", self.what("private_key")))
        })?;
        Ok(Secret::from(format!("{signed}.{}", encoded(signature))))
    }
}

/// Whom Google must be known to: those that Python's `requests` trusts.
fn trust(environment: &Environment) -> Trust {
    let bundle = |variable: &str| {
        let path = environment.non_empty(variable)?;
        Some(Given::new(variable, "the environment", PathBuf::from(path)))
    };
    let bundle = bundle("REQUESTS_CA_BUNDLE").or_else(|| bundle("CURL_CA_BUNDLE"));
    bundle.map_or(Trust::Mozilla, Trust::Bundle)
}

/// In base64 as JWTs have it.
fn encoded(bytes: impl AsRef<[u8]>) -> String {
    let text = base64::encode(bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}

/// What the metadata server of a machine of Google's gives, which no proxy stands before.
async fn of_machine(
    audience: &str,
    environment: &Environment,
    wire: &Wire,
) -> Result<Secret, Failure> {
    let get = |name: &str| environment.non_empty(name);
    let host = get("GCE_METADATA_HOST").or_else(|| get("GCE_METADATA_ROOT"));
    let host = host.unwrap_or("metadata.google.internal");
    let address =
        format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity");
    let mut url = ask::url("GCE_METADATA_HOST in the environment", &address)?;
    url.query_pairs_mut()
        .append_pair("audience", audience)
        .append_pair("format", "full");
    let question = Question {
        whom: "Google's metadata server, which is there on Google's machines alone,",
        url,
        headers: vec![("metadata-flavor", "Google".into())],
        method: Method::Get,
    };
    let wire = wire.through(Proxies::none());
    let http_client = http::client(&wire, tls::config(&Trust::Mozilla, None).await?);
    question.ask(http_client).await
}
