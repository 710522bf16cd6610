//! One session for both services: profile, region, endpoints, time-outs, retries, credentials.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::{identity::IdentityCache, retries::RetryPartition};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_types::region::Region;
use url::Url;

use super::{
    credential,
    facts::Facts,
    http::{self, Wire},
    options::SessionOptions,
    retries::retry_partition,
    shared_config::{SharedConfig, named_profile, profile_variable},
    tls::{self, ProxyTls, Trust},
    trouble::Explain,
};
use crate::Failure;

/// How long before their end credentials are replaced.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// What a client is made from.
pub(crate) struct Session {
    pub(super) sdk: SdkConfig,
    pub(super) endpoint_url: Option<String>,
    pub(super) retry_partition: RetryPartition,
    pub(super) explain: Explain,
}

/// Reads the profile and the certificates, and puts everything together. Nothing goes over the
/// network yet.
///
/// # Errors
/// When a setting is missing or cannot be used.
pub(super) async fn connect(options: &SessionOptions, facts: &Facts) -> Result<Session, Failure> {
    let shared = SharedConfig::load(options, named_profile(options)).await?;
    let region = shared.region()?;
    // Airflow uses a profile that settings name to ask for the role, and has the service asked as
    // the environment's profile says.
    let has_own = options.role.is_some() && options.profile_name.is_some();
    let of_service = if has_own {
        Some(SharedConfig::load(options, profile_variable(options)).await?)
    } else {
        None
    };
    let of_service = of_service.as_ref().unwrap_or(&shared);
    let endpoint_url = of_service.endpoint(options.endpoint_url.as_ref(), facts.service_id)?;
    let credentials_wire = options.wire.through(options.wire.proxies.clone());
    let credentials_http =
        http_client(options, &credentials_wire, &shared.trust_unless_given(None)).await?;
    let without_tls = options.wire.without_tls && endpoint_url.is_none();
    let service_http = match &options.trust {
        None if !without_tls && !has_own => credentials_http.clone(),
        trust => {
            let trust = of_service.trust_unless_given(trust.as_ref());
            let wire = Wire {
                without_tls,
                ..options.wire.clone()
            };
            http_client(options, &wire, &trust).await?
        }
    };
    #[cfg(test)]
    let (credentials_http, service_http) = match &options.recorder {
        Some(recorder) => (recorder.clone(), recorder.clone()),
        None => (credentials_http, service_http),
    };
    let mut sdk = SdkConfig::builder()
        .region(Region::new(region.clone()))
        .retry_config(shared.retry_config()?)
        .sleep_impl(TokioSleep::new())
        .http_client(credentials_http)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(
            IdentityCache::lazy()
                // The time for a call holds for this too, and is over first: the SDK does not tell
                // that credentials were what did not come.
                .load_timeout(options.timeout.saturating_mul(2))
                .buffer_time(RENEWAL_MARGIN)
                .build(),
        );
    sdk.set_use_fips(shared.switch(
        options.use_fips,
        "AWS_USE_FIPS_ENDPOINT",
        "use_fips_endpoint",
    ));
    sdk.set_use_dual_stack(shared.switch(
        options.use_dual_stack,
        "AWS_USE_DUALSTACK_ENDPOINT",
        "use_dualstack_endpoint",
    ));
    let sdk = sdk.build();
    let credentials = credential::provider(&shared, facts, &sdk, &region)?;
    let mut sdk = sdk.into_builder().credentials_provider(credentials);
    sdk.set_http_client(Some(service_http));
    if endpoint_url.is_some() {
        // They choose among AWS's own endpoints.
        sdk.set_use_fips(None).set_use_dual_stack(None);
    }
    let whom = match &endpoint_url {
        Some(url) => format!("{} at {}", facts.service_id, shown(url)),
        None => format!("{} in {region}", facts.service_id),
    };
    Ok(Session {
        sdk: sdk.build(),
        endpoint_url,
        retry_partition: retry_partition(),
        explain: Explain {
            whom,
            action: facts.action,
            timeout: options.timeout,
        },
    })
}

/// A way to the network on which the server must be known to `trust`.
async fn http_client(
    options: &SessionOptions,
    wire: &Wire,
    trust: &Trust,
) -> Result<SharedHttpClient, Failure> {
    let tls = tls::config(trust, options.client_certificate.as_ref()).await?;
    let ProxyTls {
        ca_bundle,
        client_certificate,
    } = &options.proxy_tls;
    if ca_bundle.is_none() && client_certificate.is_none() {
        return Ok(http::client(wire, tls));
    }
    let proxy_trust = ca_bundle.clone().map(Trust::Bundle);
    let proxy_trust = proxy_trust.as_ref().unwrap_or(trust);
    let proxy_tls = tls::config(proxy_trust, client_certificate.as_ref()).await?;
    Ok(http::client_through(wire, tls, Some(proxy_tls)))
}

/// An endpoint as errors show it: no path, no query.
fn shown(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "its endpoint".to_owned();
    };
    url.origin().ascii_serialization()
}
