//! Google's services under their real names, on one server: Secret Manager, the token endpoints,
//! IAM, and a machine's metadata server. Every secret holds who reads it, and how that came about,
//! so that two clients read the same text where they are the same to Google.
//!
//! It follows Google's references:
//! * secrets: <https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access>
//! * signed JWTs: <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt>
//! * impersonation: <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>
//! * users' tokens: <https://developers.google.com/identity/protocols/oauth2/web-server#offline>
//! * keys' tokens: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>
//! * federation: <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>
//! * metadata: <https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys>

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    google::{self, claims_of},
    https::{self, Reply, Request},
    side_by_side::Variables,
};

const SECRET_MANAGER: &str = "secretmanager.googleapis.com";
const IAM: &str = "iamcredentials.googleapis.com";
/// Where Airflow has JWTs signed.
const FORMER_IAM: &str = "iam.googleapis.com";
const OAUTH: &str = "oauth2.googleapis.com";
const STS: &str = "sts.googleapis.com";

/// Another universe than Google's own, with all that a key needs there.
pub(crate) const UNIVERSE: &str = "universe.example";
const ITS_SECRET_MANAGER: &str = "secretmanager.universe.example";
const ITS_IAM: &str = "iamcredentials.universe.example";

pub(crate) const MACHINES_PROJECT: &str = "machine-project";
pub(crate) const SUBJECT_TOKEN: &str = "MARKER-of-the-pod";

/// What a machine's account, a user's login and all libraries have by default.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

pub(crate) struct GoogleServices {
    address: SocketAddr,
    state: Arc<State>,
    pub(crate) folder: TempDir,
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Request>>,
    /// Answers that come first, to requests to this host.
    queued: Mutex<Vec<(&'static str, Reply)>>,
}

impl GoogleServices {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let state = Arc::<State>::default();
        let handler = {
            let state = Arc::clone(&state);
            move |request: &Request| state.handle(request)
        };
        let ca = folder.path().join("ca.pem");
        let hosts = [
            SECRET_MANAGER,
            IAM,
            FORMER_IAM,
            OAUTH,
            STS,
            ITS_SECRET_MANAGER,
            ITS_IAM,
        ];
        let server = https::serve(&hosts, &ca, Arc::new(handler));
        Self {
            address: server.address,
            state,
            folder,
        }
    }

    /// What makes any client come here: the proxy, the authority to trust, and the metadata server.
    pub(crate) fn reach(&self) -> Variables {
        let ca = self.folder.path().join("ca.pem").display().to_string();
        let address = self.address.to_string();
        [
            ("https_proxy", format!("http://{address}")),
            ("SSL_CERT_FILE", ca.clone()),
            ("REQUESTS_CA_BUNDLE", ca),
            ("GCE_METADATA_HOST", address.clone()),
            // Where Python looks for one first.
            ("GCE_METADATA_IP", address),
            ("HOME", self.folder.path().display().to_string()),
            ("AIRFLOW_HOME", self.folder.path().display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A source of a pod's token that asks a URL.
    pub(crate) fn url_source(&self) -> Value {
        json!({
            "url": format!("http://{}/pods", self.address),
            "headers": {"Metadata-Flavor": "Google"},
            "format": {"type": "json", "subject_token_field_name": "jwt"},
        })
    }

    /// A source of a pod's token that runs a program.
    pub(crate) fn program_source(&self) -> Value {
        let output = json!({
            "version": 1, "success": true, "id_token": SUBJECT_TOKEN, "expiration_time": 4_000_000_000_u32,
            "token_type": "urn:ietf:params:oauth:token-type:id_token",
        });
        let program = self.file("program", &format!("#!/bin/sh\necho '{output}'\n"));
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        json!({"executable": {"command": program, "timeout_millis": 5000}})
    }

    /// A file of this name with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The tokens that are asked for first are not given.
    pub(crate) fn answer_first(&self, host: &'static str, reply: &Reply, times: usize) {
        let replies = std::iter::repeat_n((host, reply.clone()), times);
        self.state.queued.lock().unwrap().extend(replies);
    }

    /// What was asked of whom, in order, once.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }
}

impl State {
    fn handle(&self, request: &Request) -> Reply {
        self.requests.lock().unwrap().push(request.clone());
        let mut queued = self.queued.lock().unwrap();
        if let Some(next) = queued.iter().position(|(host, _)| *host == request.host) {
            return queued.remove(next).1;
        }
        drop(queued);
        match request.host.as_str() {
            _ if !request.is_tls => metadata(request),
            SECRET_MANAGER | ITS_SECRET_MANAGER => secret(request),
            IAM | FORMER_IAM if request.path.ends_with(":signJwt") => signed_jwt(request),
            IAM | ITS_IAM => impersonated(request),
            OAUTH => token(request),
            STS => exchanged(request),
            other => panic!("{other} is asked"),
        }
    }
}

/// A bearer of a token, and what it is good for.
struct Bearer {
    who: String,
    scopes: String,
}

impl Bearer {
    fn token(&self) -> String {
        format!("{}|{}", self.who, self.scopes)
    }

    /// Who sends a request: the bearer of a token from here, or who signed a JWT.
    fn of(request: &Request) -> Self {
        let token = request.header("authorization").strip_prefix("Bearer ");
        let token = token.unwrap_or_else(|| panic!("{request:?} has no token"));
        let mut bearer = match token.split_once('|') {
            Some((who, scopes)) => Self {
                who: who.to_owned(),
                scopes: scopes.to_owned(),
            },
            None => Self::signed(token),
        };
        if let Some(payer) = request.headers.get("x-goog-user-project") {
            bearer.who += &format!(" paid by {payer}");
        }
        bearer
    }

    fn signed(jwt: &str) -> Self {
        let claims = claims_of(jwt);
        let claim = |name: &str| claims[name].as_str().map(str::to_owned);
        // A JWT may be for a service instead, and is then good for all that it does.
        let of_service = || {
            let audience = claim("aud").unwrap();
            assert_eq!(audience, format!("https://{SECRET_MANAGER}/"));
            CLOUD_PLATFORM.to_owned()
        };
        Self {
            who: claim("iss").unwrap(),
            scopes: claim("scope").unwrap_or_else(of_service),
        }
    }
}

/// The name of a secret, its project, and its reader.
fn secret(request: &Request) -> Reply {
    let Bearer { who, scopes } = Bearer::of(request);
    let path = request.path.strip_prefix("/v1/").unwrap();
    let secret = path.strip_suffix("/versions/latest:access").unwrap();
    let payload = format!("{secret} for {who} with {scopes}");
    Reply::json(200, &google::version(payload))
}

/// What the bearer of a token has signed, as one who may sign for any account.
fn signed_jwt(request: &Request) -> Reply {
    assert_eq!(request.method, "POST");
    Bearer::of(request);
    let account = request.path.rsplit('/').next().unwrap();
    let account = account.strip_suffix(":signJwt").unwrap();
    let body = serde_json::from_str::<Value>(&request.body).unwrap();
    let payload = body["payload"].as_str().unwrap();
    let claims = serde_json::from_str::<Value>(payload).unwrap();
    assert_eq!(claims["sub"], account);
    let signed = json!({"keyId": "key-1", "signedJwt": google::signed(payload)});
    Reply::json(200, &signed)
}

fn impersonated(request: &Request) -> Reply {
    let path = request.path.strip_prefix("/v1/projects/-/serviceAccounts/");
    let path = path.unwrap().strip_suffix(":generateAccessToken");
    let Some(account) = path else {
        // Where its tokens may be used from, which few accounts say.
        assert!(request.path.ends_with("/allowedLocations"), "{request:?}");
        return Reply::json(404, &json!({}));
    };
    let body = serde_json::from_str::<Value>(&request.body).unwrap();
    assert_eq!(body["lifetime"], "3600s");
    let texts = |name: &str| {
        let texts = body[name].as_array().cloned().unwrap_or_default();
        let texts = texts.iter().map(|text| text.as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    let (source, delegates) = (Bearer::of(request).who, texts("delegates"));
    let bearer = Bearer {
        who: format!("{account}({source}{delegates:?})"),
        scopes: texts("scope").join(" "),
    };
    let expires = "2099-01-01T00:00:00Z";
    let token = json!({"accessToken": bearer.token(), "expireTime": expires});
    Reply::json(200, &token)
}

/// For the refresh token of a user, or what a key has signed.
fn token(request: &Request) -> Reply {
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/token")
    );
    // Google takes both.
    let fields = match serde_json::from_str::<BTreeMap<String, Value>>(&request.body) {
        Ok(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        Err(_) => request.form(),
    };
    let field = |name: &str| fields.get(name).map(String::as_str);
    let bearer = match field("grant_type") {
        Some("refresh_token") => {
            let secrets = ["client_id", "client_secret", "refresh_token"].map(field);
            let expected = ["the client", "MARKER-of-the-client", "MARKER-of-the-user"];
            assert_eq!(secrets, expected.map(Some));
            Bearer {
                who: "the user".to_owned(),
                scopes: field("scope").unwrap_or(CLOUD_PLATFORM).to_owned(),
            }
        }
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            Bearer::signed(field("assertion").unwrap())
        }
        other => panic!("{other:?} is no grant"),
    };
    let token = json!({
        "access_token": bearer.token(), "expires_in": 3600, "token_type": "Bearer",
        "scope": bearer.scopes,
    });
    Reply::json(200, &token)
}

/// For the token of another's identity provider.
fn exchanged(request: &Request) -> Reply {
    let form = request.form();
    if form["subject_token_type"].ends_with(":aws4_request") {
        check_aws(&form["subject_token"], &form["audience"]);
    } else {
        assert_eq!(form["subject_token"], SUBJECT_TOKEN);
    }
    let bearer = Bearer {
        who: format!("a pod of {}", form["audience"]),
        scopes: form["scope"].clone(),
    };
    let token = json!({
        "access_token": bearer.token(), "token_type": "Bearer", "expires_in": 3600,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    Reply::json(200, &token)
}

/// A request that AWS would know its sender by, written as JSON and percent-encoded.
fn check_aws(subject_token: &str, audience: &str) {
    let decoded = url::form_urlencoded::parse(subject_token.as_bytes());
    let (request, _) = decoded.into_iter().next().unwrap();
    let request = serde_json::from_str::<Value>(&request).unwrap();
    assert_eq!(request["method"], "POST");
    let url = request["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://sts.eu-west-1.amazonaws.com"),
        "{url}"
    );
    let header = |name: &str| {
        let headers = request["headers"].as_array().unwrap();
        let is_it = |header: &&Value| header["key"].as_str().unwrap().eq_ignore_ascii_case(name);
        let value = headers.iter().find(is_it).expect(name)["value"].as_str();
        value.unwrap().to_owned()
    };
    assert_eq!(header("x-goog-cloud-target-resource"), audience);
    let signature = header("authorization");
    assert!(signature.contains("Credential=AKIATEST/"), "{signature}");
}

fn metadata(request: &Request) -> Reply {
    assert_eq!(request.header("metadata-flavor"), "Google");
    let account = "/computeMetadata/v1/instance/service-accounts/default";
    let reply = match request.path.strip_prefix(account).unwrap_or(&request.path) {
        "/" if request.path == "/" => text("computeMetadata/"),
        // Of another cloud's, which gives tokens.
        "/pods" => Reply::json(200, &json!({"jwt": SUBJECT_TOKEN})),
        "/computeMetadata/v1/project/project-id" => text(MACHINES_PROJECT),
        "/email" => text("machine@p"),
        "/" => Reply::json(
            200,
            &json!({"email": "machine@p", "scopes": [CLOUD_PLATFORM]}),
        ),
        "/token" => {
            let scopes = request
                .query
                .get("scopes")
                .map(|scopes| scopes.replace(',', " "));
            let bearer = Bearer {
                who: "the machine".to_owned(),
                scopes: scopes.unwrap_or_else(|| CLOUD_PLATFORM.to_owned()),
            };
            let token = json!({
                "access_token": bearer.token(), "expires_in": 3600, "token_type": "Bearer",
            });
            Reply::json(200, &token)
        }
        _ => Reply::json(404, &json!({})),
    };
    reply.with("Metadata-Flavor", "Google")
}

fn text(text: &str) -> Reply {
    Reply {
        status: 200,
        headers: vec![("Content-Type", "text/plain".to_owned())],
        body: text.into(),
    }
}

/// The file of a user who logged in with gcloud.
pub(crate) fn user() -> Value {
    json!({
        "type": "authorized_user", "client_id": "the client",
        "client_secret": "MARKER-of-the-client", "refresh_token": "MARKER-of-the-user",
    })
}

/// The key file of a service account whose token Google gives.
pub(crate) fn key() -> Value {
    let mut key = google::key_file();
    key["token_uri"] = format!("https://{OAUTH}/token").into();
    key
}

/// A file of workload identity federation, whose token is in this file.
pub(crate) fn pod(subject_token: &Path) -> Value {
    pod_with(&json!({"file": subject_token}))
}

/// The same with a token from elsewhere.
pub(crate) fn pod_with(credential_source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience":
            "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("https://{STS}/v1/token"),
        "credential_source": credential_source,
    })
}

/// Where the token of a service account is asked for.
pub(crate) fn impersonation_url(account: &str) -> String {
    format!("https://{IAM}/v1/projects/-/serviceAccounts/{account}:generateAccessToken")
}
