//! The identity that Azure gave the machine or the app: App Service's endpoint, or the metadata
//! service of a virtual machine (IMDS).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use azure_core::{
    credentials::AccessToken,
    http::{
        Context, Method, Pipeline, PipelineOptions, PipelineSendOptions, RawResponse, Request,
        StatusCode, Url,
    },
    time::OffsetDateTime,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::{NoToken, Reach, Source};
#[cfg(feature = "vault")]
use crate::Failure;
use crate::{
    Environment, Secret,
    backend::FailureKind,
    backends::azure::{answer, client::wire::Wire},
};

const NAME: &str = "managed identity";

/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
const IMDS: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "metadata/identity/oauth2/token";
const IMDS_VERSION: &str = "2018-02-01";

/// <https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service>
#[cfg(feature = "vault")]
const MACHINE_PATH: &str = "metadata/instance/compute";
#[cfg(feature = "vault")]
const MACHINE_QUERY: &str = "api-version=2021-02-01&format=json";

/// <https://learn.microsoft.com/azure/app-service/overview-managed-identity>
const APP_SERVICE_VERSION: &str = "2019-08-01";

/// How long IMDS may take to give its first answer.
const PROBE: Duration = Duration::from_secs(2);

/// A managed identity, and the endpoint that gives its tokens.
#[derive(Debug, Clone)]
pub(crate) struct ManagedIdentity {
    endpoint: Url,
    kind: MetadataService,
    /// Of a user-assigned identity.
    client_id: Option<String>,
}

/// A virtual machine's names; an empty one it has not.
#[cfg(feature = "vault")]
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Machine {
    pub(crate) subscription_id: String,
    pub(crate) resource_group_name: String,
    pub(crate) name: String,
    pub(crate) vm_scale_set_name: String,
}

#[derive(Debug, Clone)]
enum MetadataService {
    AppService {
        header: Secret,
    },
    /// Whether the service has answered before.
    Imds {
        is_there: Arc<AtomicBool>,
    },
}

impl ManagedIdentity {
    /// The one that `environment` describes. `probes`: whether IMDS is probed first.
    pub(super) fn source(
        client_id: Option<&str>,
        environment: &Environment,
        probes: bool,
    ) -> Source {
        let variable = |name| environment.non_empty(name);
        let client_id = client_id.or_else(|| variable("AZURE_CLIENT_ID"));
        let not_supported = |kind| Source::NotOffered(NAME, format!("{kind} is not supported"));
        let (endpoint, kind) = match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
            (Some(_), Some(_)) if variable("IDENTITY_SERVER_THUMBPRINT").is_some() => {
                return not_supported("Service Fabric");
            }
            (Some(endpoint), Some(header)) => {
                let header = header.into();
                let endpoint = Url::parse(endpoint).map_err(|_| "IDENTITY_ENDPOINT");
                (endpoint, MetadataService::AppService { header })
            }
            (Some(_), None) if variable("IMDS_ENDPOINT").is_some() => {
                return not_supported("Azure Arc");
            }
            (Some(_), None) => {
                let why = "IDENTITY_ENDPOINT is set without IDENTITY_HEADER";
                return Source::NotOffered(NAME, why.to_owned());
            }
            (None, _) if variable("MSI_ENDPOINT").is_some() => {
                return not_supported("an MSI_ENDPOINT (Azure ML, Cloud Shell)");
            }
            // A pod that should have its own identity does not get its node's.
            (None, _) if probes && client_id.is_none() && is_workload(environment) => {
                let why = "AZURE_FEDERATED_TOKEN_FILE is set without AZURE_CLIENT_ID";
                return Source::Broken(NAME, why.to_owned());
            }
            (None, _) => {
                let host = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                let is_there = AtomicBool::new(host.is_some() || !probes);
                let endpoint = format!("{}/{IMDS_PATH}", host.unwrap_or(IMDS).trim_matches('/'));
                let is_there = Arc::new(is_there);
                let endpoint = Url::parse(&endpoint);
                let endpoint = endpoint.map_err(|_| "AZURE_POD_IDENTITY_AUTHORITY_HOST");
                (endpoint, MetadataService::Imds { is_there })
            }
        };
        match endpoint {
            Ok(endpoint) => Source::ManagedIdentity(Self {
                endpoint,
                kind,
                client_id: client_id.map(str::to_owned),
            }),
            Err(variable) => Source::Broken(NAME, format!("{variable} is not a URL")),
        }
    }

    pub(super) async fn token(&self, scope: &str, reach: &Reach) -> Result<AccessToken, NoToken> {
        let mut request = self.request(scope);
        if let MetadataService::Imds { is_there } = &self.kind
            && !is_there.load(Ordering::Relaxed)
        {
            // Any answer counts. It is sent without the header that IMDS needs to give a token.
            let answer = timeout(PROBE, reach.wire.send(&request)).await;
            if !matches!(answer, Ok(Ok(_))) {
                return not_here(FailureKind::Configuration, "no answer from IMDS");
            }
            is_there.store(true, Ordering::Relaxed);
        }
        match &self.kind {
            MetadataService::AppService { header } => {
                request.insert_header("x-identity-header", header.expose().to_owned());
            }
            MetadataService::Imds { .. } => request.insert_header("metadata", "true"),
        }
        match self.ask(&mut request, reach).await {
            Ok(answer) => self.read(&answer),
            Err(error) => not_here(FailureKind::Unavailable, &no_answer(&error)),
        }
    }

    async fn ask(&self, request: &mut Request, reach: &Reach) -> azure_core::Result<RawResponse> {
        let options = PipelineSendOptions {
            skip_checks: true,
            ..PipelineSendOptions::default()
        };
        let (pipeline, context) = (self.pipeline(reach), Context::new());
        pipeline.send(&context, request, Some(options)).await
    }

    fn request(&self, scope: &str) -> Request {
        let version = match self.kind {
            MetadataService::AppService { .. } => APP_SERVICE_VERSION,
            MetadataService::Imds { .. } => IMDS_VERSION,
        };
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let mut url = self.endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("api-version", version);
            query.append_pair("resource", resource);
            if let Some(client_id) = &self.client_id {
                query.append_pair("client_id", client_id);
            }
        }
        Request::new(url, Method::Get)
    }

    /// The virtual machine of this identity, as its own metadata service describes it; `None` for an
    /// app's identity, and where the service does not describe the machine.
    ///
    /// # Errors
    /// When the service does not answer, or cannot.
    #[cfg(feature = "vault")]
    pub(super) async fn machine(&self, reach: &Reach) -> Result<Option<Machine>, Failure> {
        let MetadataService::Imds { .. } = &self.kind else {
            return Ok(None);
        };
        let mut url = self.endpoint.clone();
        url.set_path(MACHINE_PATH);
        url.set_query(Some(MACHINE_QUERY));
        let mut request = Request::new(url, Method::Get);
        request.insert_header("metadata", "true");
        let unknown = |why: &str| {
            Failure::unavailable(format!(
                "the metadata endpoint does not name the machine: {why}"
            ))
        };
        let answer = self.ask(&mut request, reach).await;
        let answer = answer.map_err(|error| unknown(&no_answer(&error)))?;
        match u16::from(answer.status()) {
            200 => {
                let machine = serde_json::from_slice(answer.body().as_ref());
                machine
                    .map(Some)
                    .map_err(|_| unknown("its answer is not that of IMDS"))
            }
            status @ (429 | 500..) => Err(unknown(&format!("HTTP {status}"))),
            _ => Ok(None),
        }
    }

    /// More statuses are transient for IMDS than for other services.
    fn pipeline(&self, reach: &Reach) -> Pipeline {
        let mut options = PipelineOptions {
            retry_status_codes: vec![StatusCode::TooManyRequests],
            ..PipelineOptions::default()
        };
        if matches!(self.kind, MetadataService::Imds { .. }) {
            let transient = [StatusCode::NotFound, StatusCode::Gone];
            options.retry_status_codes.extend(transient);
        }
        options
            .retry_status_codes
            .extend((500_u16..600).map(StatusCode::from));
        let client_options = Wire::options(&reach.wire);
        Pipeline::new(
            None,
            None,
            client_options,
            Vec::new(),
            Vec::new(),
            Some(options),
        )
    }

    fn read(&self, answer: &RawResponse) -> Result<AccessToken, NoToken> {
        let status = u16::from(answer.status());
        let refuses = |what: &str| format!("the metadata endpoint {what} (HTTP {status})");
        match status {
            200 => {}
            400 => {
                let identity = match self.client_id {
                    Some(_) => {
                        "the identity with this client id (managed_identity_client_id, or \
                         AZURE_CLIENT_ID) is not"
                    }
                    None => "no identity is",
                };
                let why = format!("{identity} assigned to this resource");
                return not_here(FailureKind::Configuration, &why);
            }
            429 | 500..=599 => {
                return not_here(FailureKind::Unavailable, &refuses("cannot answer"));
            }
            _ => return not_here(FailureKind::AccessDenied, &refuses("refuses")),
        }
        let token = serde_json::from_slice::<Token>(answer.body().as_ref());
        match token.ok().and_then(Token::access_token) {
            Some(token) => Ok(token),
            None => not_here(
                FailureKind::Configuration,
                "the answer is not a token of a metadata endpoint",
            ),
        }
    }
}

/// Why `error` is no answer.
fn no_answer(error: &azure_core::Error) -> String {
    let failure = answer::own_failure(error);
    failure.map_or_else(
        || "no answer".to_owned(),
        |failure| failure.message().to_owned(),
    )
}

/// Whether Kubernetes' webhook set its variables.
fn is_workload(environment: &Environment) -> bool {
    [
        "AZURE_AUTHORITY_HOST",
        "AZURE_TENANT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
    ]
    .iter()
    .all(|name| environment.non_empty(name).is_some())
}

/// As in Python's chain, the next source is asked whatever a metadata endpoint answers.
fn not_here(kind: FailureKind, why: &str) -> Result<AccessToken, NoToken> {
    Err(NoToken::NotHere(kind, why.to_owned()))
}

/// A token; its times are numbers, or numbers as text.
#[derive(Deserialize)]
struct Token {
    #[serde(rename = "access_token")]
    secret: String,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    expires_in: Value,
}

impl Token {
    fn access_token(self) -> Option<AccessToken> {
        let seconds = |value: &Value| match value {
            Value::String(text) => text.parse::<i64>().ok(),
            value => value.as_i64(),
        };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let expires_on =
            seconds(&self.expires_on).or_else(|| seconds(&self.expires_in)?.checked_add(now))?;
        let expires_on = OffsetDateTime::from_unix_timestamp(expires_on).ok()?;
        Some(AccessToken::new(self.secret, expires_on))
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Instant};

    use super::*;
    use crate::backends::{
        HttpOptions, RetryOptions,
        azure::{client::wire::WireSettings, credential::Authority},
    };

    #[tokio::test]
    async fn a_machine_without_imds_is_known_in_a_moment() {
        // Takes connections, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/{IMDS_PATH}", silent.local_addr().unwrap());
        let environment = Environment::default();
        let reach = Reach {
            wire: Arc::new(Wire::new(WireSettings {
                environment: environment.clone(),
                http: HttpOptions::default(),
                retries: RetryOptions::default(),
            })),
            authority: Authority::from_environment(&environment).unwrap(),
            environment,
        };
        let identity = ManagedIdentity {
            endpoint: Url::parse(&endpoint).unwrap(),
            kind: MetadataService::Imds {
                is_there: Arc::default(),
            },
            client_id: None,
        };
        let start = Instant::now();
        let no_token = identity.token("https://vault.azure.net/.default", &reach);
        let Err(NoToken::NotHere(kind, why)) = no_token.await else {
            panic!("a token");
        };
        assert_eq!(
            (kind, why.as_str()),
            (FailureKind::Configuration, "no answer from IMDS")
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
