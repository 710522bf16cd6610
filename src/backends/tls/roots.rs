//! The authorities whose signature on a server's certificate is trusted.

use std::path::Path;

use rustls::pki_types::CertificateDer;

#[cfg(any(
    feature = "astro",
    feature = "execution-api",
    feature = "gcp",
    feature = "kubernetes",
    feature = "vault"
))]
use super::machine;
#[cfg(any(
    feature = "astro",
    feature = "azure",
    feature = "execution-api",
    feature = "gcp"
))]
use super::places::named_by;
use super::{pem, places::authorities_at};
use crate::{Environment, Failure, backends::http_options::Roots, config::Setting};

impl Setting<Roots> {
    /// The authorities; `None` where the server's certificate is not checked.
    ///
    /// # Errors
    /// Which file or text cannot be used, and why.
    pub(crate) async fn read(&self) -> Result<Option<Vec<CertificateDer<'static>>>, Failure> {
        let found = match &self.value {
            Roots::Unchecked => return Ok(None),
            Roots::Mozilla => return Ok(Some(mozilla())),
            Roots::At(path) => certificates(path).await,
            #[cfg(any(feature = "execution-api", feature = "vault"))]
            Roots::Machine => Ok(of_machine().await),
            Roots::Pem(text) => pem::authorities(text).map_err(|why| format!("the text {why}")),
        };
        found.map(Some).map_err(|why| self.failure(&why))
    }
}

#[allow(dead_code, reason = "whose client reads them depends on the features")]
impl Roots {
    /// Those that `variable` names, where it is set and not empty.
    pub(crate) fn in_variable(environment: &Environment, variable: &str) -> Option<Setting<Self>> {
        let path = environment.non_empty(variable)?;
        Some(Setting::new(
            variable,
            "the environment",
            Self::At(path.into()),
        ))
    }

    /// Those that Python's `requests` trusts in place of Mozilla's.
    pub(crate) fn of_requests(environment: &Environment) -> Option<Setting<Self>> {
        let bundle = |variable| Self::in_variable(environment, variable);
        bundle("REQUESTS_CA_BUNDLE").or_else(|| bundle("CURL_CA_BUNDLE"))
    }
}

/// Mozilla's authorities, which are also those of Python's `certifi`, which Airflow's clients use.
pub(crate) fn mozilla() -> Vec<CertificateDer<'static>> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec()
}

/// The authorities that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. A warning names what cannot be read:
/// Airflow's clients do not look there.
#[cfg(any(
    feature = "astro",
    feature = "azure",
    feature = "execution-api",
    feature = "gcp"
))]
pub(crate) async fn further(environment: &Environment) -> Vec<CertificateDer<'static>> {
    let mut found = Vec::new();
    for (variable, path) in named_by(environment) {
        let roots = Setting::new(variable, "the environment", Roots::At(path));
        match roots.read().await {
            Ok(further) => found.extend(further.unwrap_or_default()),
            Err(failure) => tracing::warn!("ignored: {failure}"),
        }
    }
    found
}

/// The authorities that the operating system trusts.
#[cfg(any(
    feature = "astro",
    feature = "execution-api",
    feature = "gcp",
    feature = "kubernetes",
    feature = "vault"
))]
pub(crate) async fn of_machine() -> Vec<CertificateDer<'static>> {
    let found = tokio::task::spawn_blocking(machine::authorities).await;
    found.unwrap_or_default()
}

/// The authorities at `path`, as [`authorities_at`] says.
async fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = path.to_owned();
    let found = tokio::task::spawn_blocking(move || authorities_at(&path)).await;
    found.map_err(|_| "the runtime ended during the lookup".to_owned())?
}
