//! The metadata server of Google's machines: is there one, and in which project.

use std::time::Duration;

use reqwest::{Client, StatusCode};

use crate::{Environment, Failure};

/// Where it is, unless the environment names another place.
const DEFAULT_HOST: &str = "metadata.google.internal";

/// How long Google's Python library waits for an answer, and how often it tries.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
const DEFAULT_TRIES: u32 = 3;

const FLAVOR: &str = "metadata-flavor";

/// A metadata server that may or may not be there.
#[derive(Debug, Clone)]
pub(super) struct MetadataServer {
    host: String,
    timeout: Duration,
    tries: u32,
}

impl MetadataServer {
    /// The one that `environment` names, else the usual one; none where it says that there is none.
    pub(super) fn in_environment(environment: &Environment) -> Option<Self> {
        if environment.get("NO_GCE_CHECK") == Some("true") {
            return None;
        }
        let host = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT"]
            .iter()
            .find_map(|name| environment.non_empty(name))
            .unwrap_or(DEFAULT_HOST);
        let number = |name| environment.get(name)?.trim().parse::<u32>().ok();
        Some(Self {
            host: host.to_owned(),
            timeout: number("GCE_METADATA_TIMEOUT").map_or(DEFAULT_TIMEOUT, |seconds| {
                Duration::from_secs(seconds.into())
            }),
            tries: number("GCE_METADATA_DETECT_RETRIES").unwrap_or(DEFAULT_TRIES),
        })
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The project of this machine, if it is in one.
    ///
    /// # Errors
    /// When there is no metadata server.
    pub(super) async fn project(&self) -> Result<Option<String>, Failure> {
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(self.timeout)
            .build()
            .map_err(|_| self.is_absent())?;
        let url = format!("{}/computeMetadata/v1/project/project-id", self.url());
        for _ in 0..self.tries.max(1) {
            let Ok(response) = client.get(&url).header(FLAVOR, "Google").send().await else {
                continue;
            };
            let flavor = response.headers().get(FLAVOR);
            if flavor.is_none_or(|flavor| flavor.as_bytes() != b"Google") {
                return Err(self.is_absent());
            }
            return match response.status() {
                StatusCode::OK => {
                    let project = response.text().await.map_err(|_| self.is_absent())?;
                    Ok(Some(project).filter(|project| !project.is_empty()))
                }
                _ => Ok(None),
            };
        }
        Err(self.is_absent())
    }

    fn is_absent(&self) -> Failure {
        Failure::configuration(format!(
            "there are no Google credentials: give \"gcp_keyfile_dict\", \"gcp_key_path\" or \
                 \"gcp_credential_config_file\", set GOOGLE_APPLICATION_CREDENTIALS, or log in \
                 with `gcloud auth application-default login` (no metadata server answers at {})",
            self.host
        ))
    }
}
