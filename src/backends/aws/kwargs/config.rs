//! `config_kwargs`: the options of botocore's `Config`.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use super::{Taker, nested::take_retries, warning};
use crate::{
    ConfigurationError, GivenKwarg, Secret,
    backends::{
        aws::{
            Service,
            tls::{ClientCertificate, ProxyTls},
        },
        given::Given,
    },
    config::is_truthy,
};

/// Options of botocore's `Config` that change nothing about what is read here.
const CONFIG_NOT_USED: &[&str] = &[
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

impl<S: Service> Taker<'_, S> {
    pub(super) fn config_kwargs(&mut self) -> Result<(), ConfigurationError> {
        let Some(kwarg) = self.object("config_kwargs")? else {
            return Ok(());
        };
        let empty = Map::new();
        let session = &mut self.builder.session;
        for (name, value) in kwarg.value().as_object().unwrap_or(&empty) {
            let wrong = |what: &str| Err(kwarg.error(format!("{name:?} {what}")));
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("connect_timeout" | "read_timeout", value) => {
                    let seconds = value.as_f64().filter(|seconds| *seconds > 0.0);
                    let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                    let Some(time) = time else {
                        return wrong("must be a number of seconds above 0");
                    };
                    if name == "connect_timeout" {
                        session.wire.connect_timeout = time;
                    } else {
                        session.wire.read_timeout = time;
                    }
                    // A call that may take longer than all of them together would never do so.
                    let wire = &session.wire;
                    let both = wire.connect_timeout.saturating_add(wire.read_timeout);
                    session.timeout = session.timeout.max(both);
                }
                ("retries", Value::Object(retries)) => {
                    if let Err(why) = take_retries(retries, session) {
                        return wrong(why);
                    }
                }
                ("proxies", Value::Object(proxies)) => {
                    let proxies = proxies.iter().map(|(scheme, url)| {
                        let url = url.as_str().map(Secret::from);
                        url.map(|url| (scheme.clone(), url))
                    });
                    let Some(proxies) = proxies.collect::<Option<_>>() else {
                        return wrong("must be an object from a scheme to a proxy's URL");
                    };
                    self.builder.proxies = Some(Given::by(&kwarg, proxies));
                }
                ("max_pool_connections", value) => match value.as_u64().map(usize::try_from) {
                    Some(Ok(calls)) if calls > 0 => self.builder.max_concurrent_requests = calls,
                    _ => return wrong("must be a number above 0"),
                },
                ("client_cert", value) => match client_certificate("client_cert", value) {
                    Some(files) => session.client_certificate = Some(Given::by(&kwarg, files)),
                    None => return wrong("must be a PEM file, or those of certificate and key"),
                },
                ("region_name", Value::String(region)) => {
                    session.sts_region = Some(region.clone());
                }
                ("use_dualstack_endpoint", Value::Bool(on)) => session.use_dual_stack = Some(*on),
                ("use_fips_endpoint", Value::Bool(on)) => session.use_fips = Some(*on),
                ("ignore_configured_endpoint_urls", Value::Bool(on)) => {
                    session.ignore_configured_endpoint_urls = *on;
                }
                (name, _) if CONFIG_NOT_USED.contains(&name) => {
                    let error = kwarg.error(format!("{name:?} is passed over: nothing uses it"));
                    self.warnings.push(warning(&error));
                }
                ("proxies_config", value) if !is_truthy(value) => {}
                ("proxies_config", Value::Object(options)) => {
                    session.proxy_tls = match proxy_tls(options, &kwarg) {
                        Ok(proxy_tls) => proxy_tls,
                        Err(why) => return wrong(&why),
                    };
                }
                (
                    "retries"
                    | "proxies"
                    | "proxies_config"
                    | "region_name"
                    | "use_dualstack_endpoint"
                    | "use_fips_endpoint"
                    | "ignore_configured_endpoint_urls",
                    _,
                ) => return wrong("has a value of a wrong type"),
                _ => return wrong("is no option of botocore's Config"),
            }
        }
        Ok(())
    }
}

/// `proxies_config`: TLS to a proxy.
fn proxy_tls(options: &Map<String, Value>, kwarg: &GivenKwarg) -> Result<ProxyTls, String> {
    let mut tls = ProxyTls::default();
    for (name, value) in options {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("proxy_ca_bundle", Value::String(path)) => {
                tls.ca_bundle = Some(Given::by(kwarg, PathBuf::from(path)));
            }
            ("proxy_client_cert", value) => {
                let files = client_certificate("proxy_client_cert", value);
                let files = files.ok_or_else(|| {
                    format!("has a {name:?} that is no PEM file, nor those of certificate and key")
                })?;
                tls.client_certificate = Some(Given::by(kwarg, files));
            }
            ("proxy_use_forwarding_for_https", value) if !is_truthy(value) => {}
            ("proxy_use_forwarding_for_https", _) => {
                return Err(format!(
                    "has {name:?}, which is not offered: the proxy would read the secrets; leave \
                     it out, and the proxy gets a tunnel"
                ));
            }
            _ => {
                return Err(
                    "takes proxy_ca_bundle and proxy_client_cert, which name files".to_owned(),
                );
            }
        }
    }
    Ok(tls)
}

fn client_certificate(option: &'static str, value: &Value) -> Option<ClientCertificate> {
    let path = |value: &Value| value.as_str().map(PathBuf::from);
    match value {
        Value::Array(files) => match files.as_slice() {
            [certificate, key] => Some(ClientCertificate {
                option,
                certificate: path(certificate)?,
                key: Some(path(key)?),
            }),
            _ => None,
        },
        value => Some(ClientCertificate {
            option,
            certificate: path(value)?,
            key: None,
        }),
    }
}
