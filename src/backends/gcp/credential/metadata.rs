//! The metadata server of Google's machines: whether there is one, its project and its token.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response};

use super::token::{Giver, Token};
use crate::{
    Environment, Failure,
    backends::{
        gcp::client::wire::{self, Body, Wire},
        google,
    },
};

/// How long Google's Python library waits for an answer, and how often it tries.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_TRIES: u32 = 3;

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

/// The universe of Google's own cloud.
pub(crate) const GOOGLE_UNIVERSE: &str = "googleapis.com";

/// A metadata server that may or may not exist.
#[derive(Debug, Clone)]
pub(crate) struct MetadataServer {
    host: String,
    timeout: Duration,
    tries: u32,
}

/// Where the id of its project is.
const PROJECT: &str = "project/project-id";

/// What a metadata server tells of its machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) project: Option<String>,
    pub(crate) universe_domain: String,
}

impl MetadataServer {
    /// The one that `environment` names, else the usual one; `None` where it says that the machine
    /// has no metadata server.
    pub(crate) fn in_environment(environment: &Environment) -> Option<Self> {
        if environment.get("NO_GCE_CHECK") == Some("true") {
            return None;
        }
        let number = |name| environment.get(name)?.trim().parse::<u32>().ok();
        Some(Self {
            host: google::metadata_host(environment).to_owned(),
            timeout: number("GCE_METADATA_TIMEOUT").map_or(DEFAULT_TIMEOUT, |seconds| {
                Duration::from_secs(seconds.into())
            }),
            tries: number("GCE_METADATA_DETECT_RETRIES").unwrap_or(DEFAULT_TRIES),
        })
    }

    /// The machine that the server belongs to.
    ///
    /// # Errors
    /// When there is no metadata server.
    pub(crate) async fn machine(&self, wire: &Wire) -> Result<Machine, Failure> {
        let project = match told(&self.detect(wire).await?) {
            Ok(project) => project,
            Err(_) => self.ask(PROJECT, wire).await?,
        };
        let domain = self.ask("universe/universe-domain", wire).await?;
        Ok(Machine {
            project,
            universe_domain: domain.unwrap_or_else(|| GOOGLE_UNIVERSE.to_owned()),
        })
    }

    /// Its answer to the question for the project, if it is a metadata server.
    async fn detect(&self, wire: &Wire) -> Result<Response<Bytes>, Failure> {
        for _ in 0..self.tries.max(1) {
            let Ok(answer) = self.get(PROJECT, wire).await else {
                continue;
            };
            let flavor = answer.headers().get(FLAVOR);
            if flavor.is_some_and(|flavor| flavor.as_bytes() == b"Google") {
                return Ok(answer);
            }
            break;
        }
        Err(Failure::configuration(format!(
            "there are no Google credentials: give \"gcp_keyfile_dict\", \"gcp_key_path\" or \
             \"gcp_credential_config_file\", set GOOGLE_APPLICATION_CREDENTIALS, or log in with \
             `gcloud auth application-default login` (no metadata server answers at {})",
            self.host
        )))
    }

    /// A token of the machine's own account. It has the scopes of the machine where none are given.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub(crate) async fn token(&self, scopes: &[String], wire: &Wire) -> Result<Token, Failure> {
        let giver = Giver::of_others("the metadata server");
        let mut path = "instance/service-accounts/default/token".to_owned();
        if !scopes.is_empty() {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("scopes", &scopes.join(","));
            path = format!("{path}?{}", query.finish());
        }
        let answer = wire.with_retries(|| async { giver.accepted(self.get(&path, wire).await?) });
        giver.token(&answer.await?)
    }

    /// The email of the machine's own account, if it has one.
    ///
    /// # Errors
    /// When the server does not answer.
    #[cfg(feature = "vault")]
    pub(crate) async fn account(&self, wire: &Wire) -> Result<Option<String>, Failure> {
        self.detect(wire).await?;
        let path = "instance/service-accounts/default/email";
        self.ask(path, wire).await
    }

    /// What it tells, if anything; repeated while a failure may pass.
    async fn ask(&self, path: &str, wire: &Wire) -> Result<Option<String>, Failure> {
        wire.with_retries(|| async { told(&self.get(path, wire).await?) })
            .await
    }

    async fn get(&self, path: &str, wire: &Wire) -> Result<Response<Bytes>, Failure> {
        let request = Request::get(format!("http://{}/computeMetadata/v1/{path}", self.host));
        let request = request.header(FLAVOR, "Google").body(Body::default());
        let request = request.map_err(|_| wire::unsendable())?;
        wire.send_to_machine(request, self.timeout).await
    }
}

/// The text of an answer; `None` where it is empty, or the server does not know.
///
/// # Errors
/// When the server cannot answer.
fn told(answer: &Response<Bytes>) -> Result<Option<String>, Failure> {
    match answer.status().as_u16() {
        200 => {
            let text = std::str::from_utf8(answer.body()).unwrap_or_default();
            Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
        }
        404 => Ok(None),
        status => {
            let message = format!("the metadata server cannot answer (HTTP {status})");
            Err(Failure::unavailable(message))
        }
    }
}
