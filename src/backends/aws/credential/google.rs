//! An ID token of Google's, for AWS roles that trust Google: that of the machine's own service
//! account.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use tokio::time::timeout;
use url::Url;

use crate::{
    Environment, Failure, FailureKind,
    backends::http_client::{Http, Settings, no_proxies, tls},
};

/// For the metadata server, which is near.
const TIMEOUT: Duration = Duration::from_secs(5);

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
    let not_a_host = || super::misconfigured("GCE_METADATA_HOST in the environment is no host");
    let address =
        format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity");
    let mut address = Url::parse(&address).map_err(|_| not_a_host())?;
    address
        .query_pairs_mut()
        .append_pair("audience", audience)
        .append_pair("format", "full");
    let request = Request::get(address.as_str())
        .header("Metadata-Flavor", "Google")
        .body(Full::default())
        .map_err(|_| not_a_host())?;
    let unreachable = || {
        Failure::new(
            FailureKind::Unavailable,
            "Google's metadata server gave no ID token: it is there on Google's machines alone",
        )
    };
    let http = Http::new(Settings {
        tls: tls::config(Some(Vec::new()), None).map_err(|_| unreachable())?,
        proxies: no_proxies(),
        connect_timeout: TIMEOUT,
        idle_timeout: TIMEOUT,
        most_idle_connections: 0,
    });
    let answer = timeout(TIMEOUT, http.send(request)).await;
    let answer = answer
        .ok()
        .and_then(Result::ok)
        .filter(|answer| answer.status().is_success())
        .ok_or_else(unreachable)?;
    String::from_utf8(answer.into_body().into()).map_err(|_| unreachable())
}
