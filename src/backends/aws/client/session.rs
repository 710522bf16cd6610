//! The session of a service: profile, region, endpoint, time-outs, retries, credentials.

use aws_config::SdkConfig;
use aws_smithy_runtime::client::{identity::IdentityCache, retries::RetryPartition};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_types::region::Region;
use url::Url;

use super::{
    facts::Facts,
    http::{self, NO_LIMIT, Pauses, Wire},
    retries::retry_partition,
};
use crate::{
    Failure,
    backends::{
        aws::{
            answer::Explain,
            credential,
            options::SessionOptions,
            profile_files::ProfileFiles,
            shared_config::{SharedConfig, named_profile, profile_variable},
        },
        http_options::Roots,
        tls::Tls,
    },
    config::Setting,
};

/// What a service's client is made from.
pub(crate) struct Session {
    pub(crate) sdk: SdkConfig,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) retry_partition: RetryPartition,
    pub(crate) explain: Explain,
}

/// Reads the profile and the certificates, and makes the session. Nothing is sent yet.
///
/// # Errors
/// When a setting is missing or invalid.
pub(crate) async fn connect(options: &SessionOptions, facts: &Facts) -> Result<Session, Failure> {
    let files = ProfileFiles::read(&options.environment).await?;
    let shared = SharedConfig::new(options, &files, named_profile(options))?;
    let region = shared.region()?;
    // In Airflow, the profile in the settings is for the call to STS; the service is called with the
    // environment's profile.
    let has_own = options.credential.role.is_some() && options.profile_name.is_some();
    let of_service = if has_own {
        Some(SharedConfig::new(
            options,
            &files,
            profile_variable(options),
        )?)
    } else {
        None
    };
    let of_service = of_service.as_ref().unwrap_or(&shared);
    let endpoint_url = of_service.endpoint(options.endpoint_url.as_ref(), facts.service_id)?;
    let credentials_wire = options.wire.through(options.wire.proxies.clone());
    let credentials_http = http_client(options, &credentials_wire, shared.roots()).await?;
    let without_tls = options.wire.without_tls && endpoint_url.is_none();
    let service_http = match &options.tls.roots {
        None if !without_tls && !has_own => credentials_http.clone(),
        roots => {
            let roots = roots.clone().or_else(|| of_service.roots());
            let wire = Wire {
                without_tls,
                ..options.wire.clone()
            };
            http_client(options, &wire, roots).await?
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
        .sleep_impl(Pauses)
        .http_client(credentials_http)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(
            IdentityCache::lazy()
                // The limit for a call covers this too: the SDK's own error does not say that it waited
                // for credentials.
                .load_timeout(NO_LIMIT)
                .buffer_time(credential::RENEWAL_MARGIN)
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
        // They apply to AWS's own endpoints alone.
        sdk.set_use_fips(None).set_use_dual_stack(None);
    }
    let whom = whom(facts.service_id, endpoint_url.as_deref(), &region);
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

/// A client that trusts `roots`.
async fn http_client(
    options: &SessionOptions,
    wire: &Wire,
    roots: Option<Setting<Roots>>,
) -> Result<SharedHttpClient, Failure> {
    let tls = Tls {
        roots,
        ..options.tls.clone()
    };
    let config = tls.config().await?;
    let to_proxy = &options.proxy_tls;
    if to_proxy.roots.is_none() && to_proxy.client_certificate.is_none() {
        return Ok(SharedHttpClient::new(http::client(wire, config)));
    }
    let proxy_tls = Tls {
        roots: to_proxy.roots.clone().or(tls.roots),
        client_certificate: to_proxy.client_certificate.clone(),
    };
    let proxy_tls = proxy_tls.config().await?;
    let http = http::client_through(wire, config, Some(proxy_tls));
    Ok(SharedHttpClient::new(http))
}

/// A service as messages name it, with its endpoint or else its region.
pub(crate) fn whom(service: &str, endpoint_url: Option<&str>, region: &str) -> String {
    match endpoint_url {
        Some(url) => format!("{service} at {}", shown(url)),
        None => format!("{service} in {region}"),
    }
}

/// An endpoint as messages show it: without path and query.
fn shown(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "its endpoint".to_owned();
    };
    url.origin().ascii_serialization()
}
