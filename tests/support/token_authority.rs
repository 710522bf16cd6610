//! A token authority for tests: what Microsoft Entra ID, a virtual machine's metadata service and
//! App Service's identity endpoint answer, after checking what was sent.
//!
//! It follows Microsoft's identity platform reference:
//! * tokens for a client secret, a certificate's assertion and a federated token:
//!   <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
//! * the assertion: <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>
//! * federated tokens: <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>
//! * its errors: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
//! * IMDS: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
//! * App Service: <https://learn.microsoft.com/azure/app-service/overview-managed-identity>

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
        RsaKeyPair, UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::https::{Reply, Request};

pub(crate) const HOST: &str = "login.microsoftonline.com";
pub(crate) const TENANT: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
pub(crate) const OTHER_TENANT: &str = "22222222-aaaa-4bbb-8ccc-000000000002";
pub(crate) const CLIENT: &str = "33333333-aaaa-4bbb-8ccc-000000000003";
pub(crate) const CLIENT_SECRET: &str = "MARKER~client.secret";
pub(crate) const EXPIRED_SECRET: &str = "MARKER~expired.secret";
pub(crate) const USER_ASSIGNED: &str = "44444444-aaaa-4bbb-8ccc-000000000004";
pub(crate) const SUBSCRIPTION: &str = "55555555-aaaa-4bbb-8ccc-000000000005";
pub(crate) const IDENTITY_HEADER: &str = "MARKER-identity-header";
pub(crate) const AUDIENCE: &str = "https://vault.azure.net";
const KUBERNETES: &str = "https://oidc.kubernetes.example";

/// The key that tokens are signed with, the application's, Kubernetes', and a stranger's.
static KEYS: LazyLock<[RsaKeyPair; 4]> =
    LazyLock::new(|| [(); 4].map(|()| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));

pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn sign(key: &RsaKeyPair, claims: &Value) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT"}).to_string();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(&header), encode(&claims.to_string()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The header and claims of a token whose signature is `key`'s.
fn verify(key: &RsaKeyPair, token: &str) -> Option<(Value, Value)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let algorithm = match header["alg"].as_str()? {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        _ => return None,
    };
    UnparsedPublicKey::new(algorithm, key.public_key().as_ref())
        .verify(signed.as_bytes(), &decode(signature)?)
        .ok()?;
    Some((header, serde_json::from_slice(&decode(claims)?).ok()?))
}

/// The claims of an access token, if it is one of ours and its time has not passed.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let (_, claims) = verify(&KEYS[0], token)?;
    (claims["exp"].as_u64()? > now()).then_some(claims)
}

/// An access token for Key Vault, which a tool got for its user.
pub(crate) fn users_token() -> String {
    sign(&KEYS[0], &access_claims(TENANT, AUDIENCE, "user", 3600))
}

fn access_claims(tenant: &str, audience: &str, client: &str, life: i64) -> Value {
    let now = i64::try_from(now()).unwrap();
    json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{tenant}/"), "appid": client,
        "tid": tenant, "iat": now, "nbf": now, "exp": now + life,
    })
}

/// The token that Kubernetes puts into a file, for the service account `subject`.
pub(crate) fn federated_token(subject: &str) -> String {
    sign(
        &KEYS[2],
        &json!({
            "iss": KUBERNETES, "sub": subject, "aud": ["api://AzureADTokenExchange"],
            "exp": now() + 3600,
        }),
    )
}

pub(crate) const SUBJECT: &str = "system:serviceaccount:airflow:worker";

/// The application's certificate, or a stranger's, with its key, in PEM.
pub(crate) fn certificate(is_strangers: bool) -> String {
    let key = &KEYS[if is_strangers { 3 } else { 1 }];
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(der.as_ref().to_vec());
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = APPLICATION.params.clone().self_signed(&key).unwrap();
    format!("{}{}", certificate.pem(), key.serialize_pem())
}

struct Application {
    params: rcgen::CertificateParams,
}

static APPLICATION: LazyLock<Application> = LazyLock::new(|| {
    let mut params = rcgen::CertificateParams::default();
    // The same certificate each time.
    params.serial_number = Some(7_u64.into());
    Application { params }
});

fn registered_thumbprint(algorithm: &'static digest::Algorithm) -> String {
    let pem = certificate(false);
    let pem = pem.split("-----").nth(2).unwrap().replace(['\r', '\n'], "");
    let der = base64::engine::general_purpose::STANDARD
        .decode(pem)
        .unwrap();
    URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &der))
}

/// What the authority was asked, and how it is to behave.
#[derive(Debug, Default)]
pub(crate) struct TokenAuthority {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many tokens it gave.
    given: usize,
    requests: Vec<Request>,
    /// Answers that come first, whatever is asked.
    queued: Vec<Reply>,
    /// How long tokens live, in seconds; an hour where it is not said.
    life: Option<i64>,
}

impl TokenAuthority {
    pub(crate) fn tokens_given(&self) -> usize {
        self.state.lock().unwrap().given
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(crate) fn answer_first(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().queued.extend(replies);
    }

    pub(crate) fn token_life(&self, seconds: i64) {
        self.state.lock().unwrap().life = Some(seconds);
    }

    pub(crate) fn handle(&self, request: &Request) -> Reply {
        let mut state = self.state.lock().unwrap();
        state.requests.push(request.clone());
        if !state.queued.is_empty() {
            return state.queued.remove(0);
        }
        let life = state.life.unwrap_or(3599);
        let reply = answer(request, life);
        if reply.status == 200 && reply.body.windows(12).any(|w| w == b"access_token") {
            state.given += 1;
        }
        reply
    }
}

fn answer(request: &Request, life: i64) -> Reply {
    let segments = request.path.trim_start_matches('/').split('/');
    let segments = segments.collect::<Vec<_>>();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["metadata", "identity", "oauth2", "token"]) => imds(request, life),
        ("GET", ["metadata", "instance", "compute"]) => machine(request),
        ("GET", ["msi", "token"]) => app_service(request, life),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) if request.is_tls => {
            token(request, tenant, life)
        }
        // What Python's client asks for first.
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => Reply::json(
            200,
            &json!({
                "issuer": format!("https://{HOST}/{tenant}/v2.0"),
                "token_endpoint": format!("https://{HOST}/{tenant}/oauth2/v2.0/token"),
                "authorization_endpoint": format!("https://{HOST}/{tenant}/oauth2/v2.0/authorize"),
            }),
        ),
        _ => Reply::json(404, &json!({"error": "not_found"})),
    }
}

fn refusal(status: u16, error: &str, code: u32) -> Reply {
    let description = format!("AADSTS{code}: MARKER of the authority. Trace ID: MARKER");
    Reply::json(
        status,
        &json!({
            "error": error, "error_description": description, "error_codes": [code],
            "trace_id": "MARKER", "correlation_id": "MARKER",
        }),
    )
}

fn token(request: &Request, tenant: &str, life: i64) -> Reply {
    let form = request.form();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if !request
        .header("content-type")
        .starts_with("application/x-www-form-urlencoded")
        || field("grant_type") != "client_credentials"
    {
        return refusal(400, "unsupported_grant_type", 70003);
    }
    if ![TENANT, OTHER_TENANT].contains(&tenant) {
        return refusal(400, "invalid_request", 90002);
    }
    if field("client_id") != CLIENT {
        return refusal(400, "unauthorized_client", 700_016);
    }
    let Some(audience) = field("scope").strip_suffix("/.default") else {
        return refusal(400, "invalid_scope", 70011);
    };
    if let Err(reply) = authenticate(&form, tenant) {
        return reply;
    }
    let claims = access_claims(tenant, audience, CLIENT, life);
    let body = json!({
        "token_type": "Bearer", "expires_in": life, "ext_expires_in": life,
        "access_token": sign(&KEYS[0], &claims),
    });
    Reply::json(200, &body)
}

/// A secret, or an assertion: the certificate's or Kubernetes'.
fn authenticate(form: &BTreeMap<String, String>, tenant: &str) -> Result<(), Reply> {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if let Some(secret) = form.get("client_secret") {
        return match secret.as_str() {
            CLIENT_SECRET => Ok(()),
            EXPIRED_SECRET => Err(refusal(401, "invalid_client", 7_000_222)),
            _ => Err(refusal(401, "invalid_client", 7_000_215)),
        };
    }
    if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
        return Err(refusal(401, "invalid_client", 7_000_218));
    }
    let assertion = field("client_assertion");
    if let Some((_, claims)) = verify(&KEYS[2], assertion) {
        let is_trusted = claims["iss"] == KUBERNETES
            && claims["sub"] == SUBJECT
            && claims["aud"] == json!(["api://AzureADTokenExchange"]);
        return match is_trusted {
            true => Ok(()),
            false => Err(refusal(400, "invalid_request", 700_213)),
        };
    }
    let invalid = |code| Err(refusal(401, "invalid_client", code));
    let Some((header, claims)) = verify(&KEYS[1], assertion) else {
        return invalid(700_027);
    };
    // Python's client still sends the older of the two.
    let is_registered = match header["x5t"].as_str() {
        Some(sha1) => {
            sha1.trim_end_matches('=') == registered_thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY)
        }
        None => header["x5t#S256"] == registered_thumbprint(&digest::SHA256),
    };
    if header["typ"] != "JWT" || !is_registered {
        return invalid(700_027);
    }
    let endpoint = format!("https://{HOST}/{tenant}/oauth2/v2.0/token");
    if claims["aud"] != endpoint || claims["iss"] != CLIENT || claims["sub"] != CLIENT {
        return invalid(50027);
    }
    // Python's client sends fractions, and no "nbf".
    let time = |name: &str| claims[name].as_f64().unwrap_or_default();
    let soon = Duration::from_secs(now() + 300).as_secs_f64();
    let is_now = time("nbf") <= soon && time("exp") > soon - 300.0;
    let has_id = claims["jti"].as_str().is_some_and(|id| !id.is_empty());
    match is_now && has_id {
        true => Ok(()),
        false => invalid(700_024),
    }
}

/// The resource of a request to a metadata endpoint, or what is wrong with it.
fn resource<'a>(request: &'a Request, version: &str) -> Result<&'a str, Reply> {
    let client_id = request.parameter("client_id");
    let wrong = |why: &str| {
        let body = json!({"error": "invalid_request", "error_description": why});
        Err(Reply::json(400, &body))
    };
    if request.parameter("api-version") != version {
        return wrong("api-version MARKER");
    }
    if !client_id.is_empty() && client_id != USER_ASSIGNED {
        return wrong("Identity not found MARKER");
    }
    match request.parameter("resource") {
        "" => wrong("resource is missing MARKER"),
        resource => Ok(resource),
    }
}

fn imds(request: &Request, life: i64) -> Reply {
    if request.header("metadata") != "true" {
        let why = "Required metadata header not specified MARKER";
        return Reply::json(
            400,
            &json!({"error": "invalid_request", "error_description": why}),
        );
    }
    match resource(request, "2018-02-01") {
        Ok(resource) => managed(request, resource, life),
        Err(reply) => reply,
    }
}

/// <https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#instance-metadata>
fn machine(request: &Request) -> Reply {
    if request.header("metadata") != "true" || request.parameter("api-version") != "2021-02-01" {
        return Reply::json(400, &json!({"error": "Bad request. MARKER"}));
    }
    let machine = json!({
        "name": "worker-0", "resourceGroupName": "airflow-group", "subscriptionId": SUBSCRIPTION,
        "vmId": "MARKER-vm-id", "vmScaleSetName": "",
    });
    Reply::json(200, &machine)
}

fn app_service(request: &Request, life: i64) -> Reply {
    if request.header("x-identity-header") != IDENTITY_HEADER {
        return Reply::json(401, &json!({"statusCode": 401, "message": "MARKER"}));
    }
    match resource(request, "2019-08-01") {
        Ok(resource) => managed(request, resource, life),
        Err(reply) => reply,
    }
}

/// Times are texts here.
fn managed(request: &Request, resource: &str, life: i64) -> Reply {
    let client = match request.parameter("client_id") {
        "" => "system-assigned",
        client => client,
    };
    let claims = access_claims(TENANT, resource, client, life);
    let body = json!({
        "access_token": sign(&KEYS[0], &claims), "client_id": client, "resource": resource,
        "expires_on": claims["exp"].to_string(), "expires_in": life.to_string(),
        "not_before": claims["nbf"].to_string(), "token_type": "Bearer",
    });
    Reply::json(200, &body)
}
