//! An ID token of Google's, for AWS roles that trust Google: that of the machine's own service
//! account.

use std::time::Duration;

use crate::{Environment, Failure, FailureKind};

/// The token for `audience`.
///
/// # Errors
/// When there is none to be had.
pub(super) async fn id_token(
    audience: Option<&str>,
    environment: &Environment,
) -> Result<String, Failure> {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if get("GOOGLE_APPLICATION_CREDENTIALS").is_some() {
        return Err(super::misconfigured(
            "GOOGLE_APPLICATION_CREDENTIALS is not offered for the federation \"google\": leave \
             it out on a machine of Google's, or use the federation \"file\"",
        ));
    }
    let Some(audience) = audience else {
        return Err(super::misconfigured(
            "the federation \"google\" needs \"assume_role_with_web_identity_federation_audience\"",
        ));
    };
    let host = get("GCE_METADATA_HOST").or_else(|| get("GCE_METADATA_ROOT"));
    let host = host.unwrap_or("metadata.google.internal");
    let failure = |kind, message: &str| Failure::new(kind, message);
    let address =
        format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity");
    let mut address = reqwest::Url::parse(&address)
        .map_err(|_| super::misconfigured("GCE_METADATA_HOST in the environment is no host"))?;
    address
        .query_pairs_mut()
        .append_pair("audience", audience)
        .append_pair("format", "full");
    let unreachable = || {
        failure(
            FailureKind::Unavailable,
            "Google's metadata server gave no ID token: it is there on Google's machines alone",
        )
    };
    let tls = super::super::tls::config(&super::super::tls::Trust::Mozilla, None).await?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .map_err(|_| unreachable())?;
    let request = client.get(address).header("Metadata-Flavor", "Google");
    let answer = request.send().await.map_err(|_| unreachable())?;
    if !answer.status().is_success() {
        return Err(unreachable());
    }
    answer.text().await.map_err(|_| unreachable())
}
