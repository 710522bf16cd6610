//! Google's ID token, for AWS roles that trust Google: for a credential file, else for the machine's
//! own service account.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::ask::{self, Method, Question};
use crate::{
    Environment, Failure, Secret,
    backends::{
        aws::client::http::{self, Wire},
        google,
        http_options::Roots,
        proxies::{Proxies, Rules},
        tls::{
            Tls,
            jwt::{Algorithm, JwtSigner},
            no_tls,
        },
    },
};

const AUDIENCE: &str = "assume_role_with_web_identity_federation_audience";
/// Google's token endpoint, which is also the audience of an assertion.
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// The lifetime of an assertion.
const LIFETIME: Duration = Duration::from_secs(3600);

/// An ID token for `audience`.
///
/// # Errors
/// When no source gives a token.
pub(super) async fn id_token(
    audience: Option<&str>,
    environment: &Environment,
    wire: &Wire,
) -> Result<Secret, Failure> {
    let given = environment.clone();
    let file = spawn_blocking(move || credential_file(&given)).await;
    // It fails only while the runtime shuts down.
    match file.unwrap_or(Ok(None))? {
        Some(file) => file.id_token(audience, environment, wire).await,
        None => of_machine(needed(audience)?, environment, wire).await,
    }
}

fn needed(audience: Option<&str>) -> Result<&str, Failure> {
    audience.ok_or_else(|| {
        Failure::configuration(format!(
            "\"{AUDIENCE}\" is not set, and the federation \"google\" needs it (AWS-26)"
        ))
    })
}

/// A credential file, with its name in errors.
struct CredentialFile {
    name: String,
    fields: Map<String, Value>,
}

/// The file that the environment names, even by an empty name, else the one that `gcloud` wrote.
fn credential_file(environment: &Environment) -> Result<Option<CredentialFile>, Failure> {
    let (path, name) = if let Some(path) = environment.get(google::VARIABLE) {
        let name = format!("the file that {} names", google::VARIABLE);
        (PathBuf::from(path), name)
    } else if let Some(path) = google::gcloud_file(environment).filter(|path| path.is_file()) {
        let name = "gcloud's application_default_credentials.json";
        (path, name.to_owned())
    } else {
        return Ok(None);
    };
    match google::read(&path) {
        Ok(fields) => Ok(Some(CredentialFile { name, fields })),
        Err(why) => Err(Failure::configuration(format!("{name} {why}"))),
    }
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
            whom: "Google's token endpoint (ID token)",
            url,
            headers: Vec::new(),
            method: Method::Post(form),
            remedy: "check the credential file, and that its key or login has not been revoked",
        };
        let wire = wire.through(Proxies::new(Rules::Requests, None, environment));
        let tls = Tls {
            roots: Roots::of_requests(environment),
            client_certificate: None,
        };
        let http = http::client(&wire, tls.config().await?);
        let answer = question.ask(http).await?;
        let answer = serde_json::from_str::<Value>(answer.expose()).ok();
        let token = answer
            .as_ref()
            .and_then(|answer| answer.get("id_token")?.as_str());
        token.map(Secret::from).ok_or_else(|| {
            Failure::unavailable("the answer of Google's token endpoint contains no ID token")
        })
    }

    fn what(&self, field: &str) -> String {
        format!("{field:?} in {}", self.name)
    }

    fn field(&self, name: &str) -> Result<&str, Failure> {
        let field = self.fields.get(name).and_then(Value::as_str);
        field.ok_or_else(|| Failure::configuration(format!("{} is missing", self.what(name))))
    }

    /// The assertion that a service account signs to get an ID token for `audience`.
    fn assertion(&self, audience: &str) -> Result<Secret, Failure> {
        let key = PrivateKeyDer::from_pem_slice(self.field("private_key")?.as_bytes()).ok();
        let signer = key.and_then(|key| JwtSigner::new(key, Algorithm::Rs256));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let header = json!({
            "typ": "JWT", "alg": Algorithm::Rs256.name(), "kid": self.fields.get("private_key_id"),
        });
        let claims = json!({
            "iat": now.as_secs(), "exp": (now + LIFETIME).as_secs(),
            "iss": self.field("client_email")?, "aud": TOKEN_ENDPOINT, "target_audience": audience,
        });
        let token = signer.and_then(|signer| signer.sign(&header, &claims));
        token.ok_or_else(|| {
            let field = self.what("private_key");
            Failure::configuration(format!("{field} is not a valid RSA key in PEM"))
        })
    }
}

/// The ID token from the metadata server of a Google Cloud machine, which is asked without a proxy.
async fn of_machine(
    audience: &str,
    environment: &Environment,
    wire: &Wire,
) -> Result<Secret, Failure> {
    let host = google::metadata_host(environment);
    let address =
        format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity");
    let mut url = ask::url("GCE_METADATA_HOST in the environment", &address)?;
    url.query_pairs_mut()
        .append_pair("audience", audience)
        .append_pair("format", "full");
    let question = Question {
        whom: "Google's metadata server (only on Google Cloud machines)",
        url,
        headers: vec![("metadata-flavor", "Google".into())],
        method: Method::Get,
        remedy: "check the machine's service account",
    };
    let wire = wire.through(Proxies::none());
    let http = http::client(&wire, no_tls()?);
    question.ask(http).await
}
