//! A Key Vault for tests, with the token authority beside it: one server, reached under the real
//! names.
//!
//! It follows the Key Vault REST reference:
//! * secrets: <https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret>,
//!   <https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret>
//! * deleted ones:
//!   <https://learn.microsoft.com/rest/api/keyvault/secrets/get-deleted-secret/get-deleted-secret>
//! * the challenge and tokens:
//!   <https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>
//! * errors: <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes>
//! * throttling: <https://learn.microsoft.com/azure/key-vault/general/overview-throttling>
//! * expired secrets are still read:
//!   <https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations>

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use airflow_secrets::Environment;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    https::{self, Reply, Request},
    token_authority::{self, AUDIENCE, CLIENT, CLIENT_SECRET, TENANT, TokenAuthority},
};

pub(crate) const VAULT: &str = "https://airflow-test.vault.azure.net";
const HOST: &str = "airflow-test.vault.azure.net";

/// The two services, and what the vault holds.
pub(crate) struct Azure {
    pub(crate) authority: Arc<TokenAuthority>,
    pub(crate) vault: Arc<KeyVault>,
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    pub(crate) folder: TempDir,
}

#[derive(Debug, Default)]
pub(crate) struct KeyVault {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    secrets: BTreeMap<String, Vec<Version>>,
    deleted: BTreeSet<String>,
    /// Names that the identity may not read.
    denied: BTreeSet<String>,
    requests: Vec<Request>,
    /// Answers that come first to requests with a token.
    queued: Vec<Reply>,
    /// The tenant that the vault trusts, where it is not the usual one.
    tenant: Option<&'static str>,
    /// The audience in its challenge, where it is not the usual one.
    challenge: Option<String>,
    /// Whether it takes no token.
    refuses_tokens: bool,
    /// Headers with tokens that it takes no more.
    revoked: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Version {
    value: String,
    enabled: bool,
    expires: Option<u64>,
}

impl Azure {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let hosts = [
            HOST,
            token_authority::HOST,
            "*.vault.azure.net",
            "localhost",
        ];
        let config = https::config(&hosts, &folder.path().join("ca.pem"));
        Self::serve(config, folder)
    }

    /// The same with TLS of one's own.
    #[allow(dead_code)] // Not for the benches.
    pub(crate) fn start_with(config: rustls::ServerConfig) -> Self {
        Self::serve(config, TempDir::new().unwrap())
    }

    fn serve(config: rustls::ServerConfig, folder: TempDir) -> Self {
        let authority = Arc::new(TokenAuthority::default());
        let vault = Arc::new(KeyVault::default());
        let handler = {
            let (authority, vault) = (Arc::clone(&authority), Arc::clone(&vault));
            move |request: &Request| match request.host.as_str() {
                host if host.ends_with(".vault.azure.net") => vault.handle(request),
                _ => authority.handle(request),
            }
        };
        let server = https::serve_by(config, Arc::new(handler));
        Self {
            authority,
            vault,
            address: server.address,
            connections: server.connections,
            folder,
        }
    }

    /// How many connections there ever were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A file of this name with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// What makes any client come here: the proxy, and the authority to trust.
    pub(crate) fn reach(&self) -> BTreeMap<String, String> {
        let ca = self.ca().display().to_string();
        // Nothing listens on that address, and no time is lost there.
        let nowhere = "http://127.0.0.1:9".to_owned();
        let proxy = format!("http://{}", self.address);
        BTreeMap::from([
            ("https_proxy".to_owned(), proxy),
            ("REQUESTS_CA_BUNDLE".to_owned(), ca),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), nowhere),
            ("PATH".to_owned(), "/nowhere".to_owned()),
        ])
    }

    /// The same with these variables besides; an empty one is taken out.
    pub(crate) fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let mut all = self.reach();
        for (name, value) in variables {
            match *value {
                "" => all.remove(*name),
                value => all.insert((*name).to_owned(), value.to_owned()),
            };
        }
        all.into_iter().collect()
    }

    /// The variables of a service principal that may read.
    pub(crate) fn principal() -> [(&'static str, &'static str); 3] {
        [
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
        ]
    }
}

impl KeyVault {
    pub(crate) fn put(&self, name: &str, value: &str) {
        self.version(name, value, true, None);
    }

    pub(crate) fn version(&self, name: &str, value: &str, enabled: bool, expires: Option<u64>) {
        let mut state = self.state.lock().unwrap();
        let versions = state.secrets.entry(name.to_lowercase()).or_default();
        versions.push(Version {
            value: value.to_owned(),
            enabled,
            expires,
        });
    }

    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        state.deleted.insert(name.to_lowercase());
    }

    pub(crate) fn deny(&self, name: &str) {
        self.state.lock().unwrap().denied.insert(name.to_owned());
    }

    pub(crate) fn trust(&self, tenant: &'static str) {
        self.state.lock().unwrap().tenant = Some(tenant);
    }

    pub(crate) fn challenge_with(&self, audience: &str) {
        self.state.lock().unwrap().challenge = Some(audience.to_owned());
    }

    pub(crate) fn refuse_tokens(&self, refuses: bool) {
        self.state.lock().unwrap().refuses_tokens = refuses;
    }

    /// Takes none of the tokens any more that it has seen.
    pub(crate) fn revoke_tokens(&self) {
        let mut state = self.state.lock().unwrap();
        let seen = state.requests.iter();
        let seen = seen.map(|request| request.header("authorization").to_owned());
        state.revoked = seen.collect();
    }

    pub(crate) fn answer_first(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().queued.extend(replies);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// The names that were asked for with a token, in order.
    pub(crate) fn names_asked(&self) -> Vec<String> {
        let requests = self.requests();
        let with_token = requests
            .iter()
            .filter(|request| !request.header("authorization").is_empty());
        let names = with_token.filter_map(|request| request.path.split('/').nth(2));
        names.map(str::to_owned).collect()
    }

    pub(crate) fn handle(&self, request: &Request) -> Reply {
        let mut state = self.state.lock().unwrap();
        state.requests.push(request.clone());
        if request.parameter("api-version").is_empty() {
            return error(400, "BadParameter", None);
        }
        if let Some(reply) = state.unauthorized(request) {
            return reply;
        }
        if !state.queued.is_empty() {
            return state.queued.remove(0);
        }
        state.answer(request)
    }
}

impl State {
    fn unauthorized(&self, request: &Request) -> Option<Reply> {
        let tenant = self.tenant.unwrap_or(TENANT);
        let audience = self.challenge.as_deref().unwrap_or(AUDIENCE);
        let authority = token_authority::HOST;
        let challenge = format!(
            "Bearer authorization=\"https://{authority}/{tenant}\", resource=\"{audience}\""
        );
        let refusal = |code: &str| {
            let message = format!("{code}: MARKER");
            let body = json!({"error": {"code": "Unauthorized", "message": message}});
            Some(Reply::json(401, &body).with("WWW-Authenticate", challenge.clone()))
        };
        let Some(token) = request.header("authorization").strip_prefix("Bearer ") else {
            return refusal("AKV10000");
        };
        let is_revoked = self.revoked.contains(request.header("authorization"));
        let is_refused = self.refuses_tokens || is_revoked;
        let Some(claims) = token_authority::claims(token).filter(|_| !is_refused) else {
            return refusal("AKV10046");
        };
        if claims["iss"] != format!("https://sts.windows.net/{tenant}/") {
            return refusal("AKV10032");
        }
        if claims["aud"] != audience {
            return refusal("AKV10022");
        }
        None
    }

    fn answer(&mut self, request: &Request) -> Reply {
        let segments = request.path.trim_matches('/').split('/');
        let segments = segments.collect::<Vec<_>>();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["secrets", name]) => self.get(name),
            ("PUT", ["secrets", name]) => {
                let body: Value = serde_json::from_str(&request.body).unwrap();
                let enabled = body["attributes"]["enabled"] != json!(false);
                let versions = self.secrets.entry(name.to_lowercase()).or_default();
                versions.push(Version {
                    value: body["value"].as_str().unwrap().to_owned(),
                    enabled,
                    expires: body["attributes"]["exp"].as_u64(),
                });
                found(name, versions)
            }
            ("DELETE", ["secrets", name]) => {
                self.deleted.insert(name.to_lowercase());
                self.get_deleted(name)
            }
            ("GET", ["deletedsecrets", name]) => self.get_deleted(name),
            _ => error(400, "BadParameter", None),
        }
    }

    fn get(&self, name: &str) -> Reply {
        if self.denied.contains(name) {
            return error(403, "Forbidden", Some("ForbiddenByRbac"));
        }
        // Names are the same in either case.
        let name = name.to_lowercase();
        let versions = self.secrets.get(&name);
        match versions.filter(|_| !self.deleted.contains(&name)) {
            None => error(404, "SecretNotFound", None),
            Some(versions) if !versions.last().unwrap().enabled => {
                error(403, "Forbidden", Some("SecretDisabled"))
            }
            Some(versions) => found(&name, versions),
        }
    }

    fn get_deleted(&self, name: &str) -> Reply {
        match self.deleted.contains(&name.to_lowercase()) {
            true => {
                let recovery_id = format!("{VAULT}/deletedsecrets/{name}");
                let id = format!("{VAULT}/secrets/{name}/1");
                let body = json!({
                    "recoveryId": recovery_id, "id": id, "deletedDate": 1, "scheduledPurgeDate": 2,
                    "attributes": {"enabled": true},
                });
                Reply::json(200, &body)
            }
            false => error(404, "SecretNotFound", None),
        }
    }
}

/// The latest version.
fn found(name: &str, versions: &[Version]) -> Reply {
    let latest = versions.last().unwrap();
    let mut attributes = json!({
        "enabled": latest.enabled, "created": 1_600_000_000, "updated": 1_600_000_000,
        "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
    });
    if let Some(expires) = latest.expires {
        attributes["exp"] = expires.into();
    }
    let id = format!("{VAULT}/secrets/{name}/{:032x}", versions.len());
    let body = json!({"value": latest.value, "id": id, "attributes": attributes});
    Reply::json(200, &body)
}

pub(crate) fn error(status: u16, code: &str, inner: Option<&str>) -> Reply {
    let mut error = json!({"code": code, "message": "MARKER of the vault"});
    if let Some(inner) = inner {
        error["innererror"] = json!({"code": inner});
    }
    Reply::json(status, &json!({"error": error}))
}

/// Too many requests; the same again after these seconds.
pub(crate) fn throttled(retry_after: u64) -> Reply {
    error(429, "Throttled", None).with("Retry-After", retry_after.to_string())
}
