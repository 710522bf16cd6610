//! `config_kwargs`: the options of botocore's `Config`.

use crate::{
    ConfigurationError,
    backends::{
        aws::{
            Service,
            builder::AwsBuilder,
            options::{RetryMode, SessionOptions},
        },
        http_options::Roots,
        retry::RetryOptions,
        tls::Tls,
    },
    config::{Kwargs, Setting, set},
};

/// Options of botocore's `Config` that have no effect here.
const NOT_USED: &[&str] = &[
    "signature_version",
    "user_agent",
    "user_agent_extra",
    "user_agent_appid",
    "parameter_validation",
    "s3",
    "s3_disable_express_session_auth",
    "inject_host_prefix",
    "endpoint_discovery_enabled",
    "defaults_mode",
    "tcp_keepalive",
    "request_min_compression_size_bytes",
    "disable_request_compression",
    "client_context_params",
    "sigv4a_signing_region_set",
    "request_checksum_calculation",
    "response_checksum_validation",
    "account_id_endpoint_mode",
    "auth_scheme_preference",
];

pub(super) fn take<S: Service>(
    kwargs: &mut Kwargs,
    builder: &mut AwsBuilder<S>,
) -> Result<(), ConfigurationError> {
    let Some(given) = kwargs.truthy("config_kwargs") else {
        return Ok(());
    };
    let mut config = given.object()?;
    let session = &mut builder.session;
    let http = &mut builder.http;
    http.connect_timeout = config.seconds("connect_timeout")?;
    let read_timeout = config.seconds("read_timeout")?;
    set(&mut session.wire.read_timeout, read_timeout);
    // The limit for the call leaves room for one attempt.
    let connect = http.connect_timeout.as_ref().map(|given| given.value);
    let connect = connect.unwrap_or(http.connect_timeout());
    let both = connect.saturating_add(session.wire.read_timeout);
    http.timeout = Some(http.timeout().max(both));
    if let Some(given) = config.object("retries")? {
        retries(given, session, &mut builder.retries)?;
    }
    http.proxies = config.any("proxies").map(Setting::proxies).transpose()?;
    let calls = config.count("max_pool_connections", 1)?;
    http.max_concurrent_requests = calls.and_then(|calls| calls.value.try_into().ok());
    let client_cert = config.any("client_cert").map(Setting::client_certificate);
    http.client_certificate = client_cert.transpose()?;
    session.sts_region = config.text("region_name")?.map(|region| region.value);
    let use_dual_stack = config.flag("use_dualstack_endpoint")?;
    session.use_dual_stack = use_dual_stack.map(|on| on.value);
    session.use_fips = config.flag("use_fips_endpoint")?.map(|on| on.value);
    set(
        &mut session.ignore_configured_endpoint_urls,
        config.flag("ignore_configured_endpoint_urls")?,
    );
    if let Some(given) = config.truthy("proxies_config") {
        session.proxy_tls = proxy_tls(given.object()?)?;
    }
    for name in NOT_USED {
        let not_used = config.ignore_with_warning(name, "it has no effect here (AWS-2)");
        builder.warnings.extend(not_used);
    }
    config.deny_unknown()
}

/// botocore counts the first attempt in `total_max_attempts`, which comes before the other.
fn retries(
    mut kwargs: Kwargs,
    session: &mut SessionOptions,
    retries: &mut RetryOptions,
) -> Result<(), ConfigurationError> {
    let total = kwargs.count("total_max_attempts", 1)?;
    let total = total.map(|attempts| attempts.value.saturating_sub(1));
    let further = kwargs.count("max_attempts", 0)?;
    retries.max_retries = total.or(further.map(|times| times.value));
    if let Some(mode) = kwargs.text("mode")? {
        session.retry_mode = Some(match &*mode.value {
            "standard" => RetryMode::Standard,
            "legacy" | "adaptive" => RetryMode::Adaptive,
            _ => return Err(mode.error("must be legacy, standard or adaptive")),
        });
    }
    kwargs.deny_unknown()
}

/// `proxies_config`: TLS to a proxy.
fn proxy_tls(mut kwargs: Kwargs) -> Result<Tls, ConfigurationError> {
    let ca_bundle = kwargs.path("proxy_ca_bundle")?;
    let client_cert = kwargs
        .any("proxy_client_cert")
        .map(Setting::client_certificate);
    let client_certificate = client_cert.transpose()?;
    kwargs.refuse(
        &["proxy_use_forwarding_for_https"],
        "is not supported, since the proxy would read the secrets: remove it, and a tunnel is used \
         (AWS-4)",
    )?;
    kwargs.deny_unknown()?;
    Ok(Tls {
        roots: ca_bundle.map(|path| path.map(Roots::At)),
        client_certificate,
    })
}
