//! Which proxy stands before AWS: chosen as botocore does.

use std::{collections::BTreeMap, fmt};

use http::Uri;
use hyper_util::client::proxy::matcher::Intercept;

use crate::{
    Environment, Failure, Secret,
    backends::{given::Given, http_client},
};

/// Where proxies come from.
#[derive(Clone)]
pub(super) enum Proxies {
    /// From `http_proxy`, `https_proxy` and `no_proxy`.
    Environment(Environment),
    /// Those that are given, by scheme, and no others.
    Given(BTreeMap<String, Secret>),
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(_) => f.write_str("Environment"),
            Self::Given(proxies) => f.debug_set().entries(proxies.keys()).finish(),
        }
    }
}

impl Proxies {
    pub(super) fn none() -> Self {
        Self::Given(BTreeMap::new())
    }

    /// The proxy for `uri`.
    ///
    /// # Errors
    /// When it is none that can be asked.
    pub(super) fn choose(&self, uri: &Uri) -> Result<Option<Intercept>, Failure> {
        let proxy = self.url(uri).map(http_client::proxy).transpose();
        proxy.map_err(|why| {
            let mut variable = format!("{}_proxy", uri.scheme_str().unwrap_or_default());
            if let Self::Environment(environment) = self
                && environment.get(&variable).is_none()
            {
                variable = variable.to_uppercase();
            }
            Given::new(&variable, "the environment", ()).failure(why)
        })
    }

    fn url(&self, uri: &Uri) -> Option<&str> {
        let scheme = uri.scheme_str()?;
        match self {
            Self::Given(proxies) => proxies.get(scheme).map(Secret::expose),
            Self::Environment(environment) => {
                proxy_variable(environment, scheme).filter(|_| !is_bypassed(uri, environment))
            }
        }
    }
}

/// In lower case, else in upper case.
fn proxy_variable<'e>(environment: &'e Environment, scheme: &str) -> Option<&'e str> {
    let name = format!("{scheme}_proxy");
    // The clients of a CGI script could set HTTP_PROXY.
    let is_unsafe = scheme == "http" && environment.get("REQUEST_METHOD").is_some();
    let upper = || environment.get(&name.to_uppercase()).filter(|_| !is_unsafe);
    let proxy = environment.get(&name).or_else(upper)?;
    Some(proxy).filter(|proxy| !proxy.is_empty())
}

/// Whether `no_proxy` names the host of `uri`, as itself or as a domain.
fn is_bypassed(uri: &Uri, environment: &Environment) -> bool {
    let no_proxy = environment.get("no_proxy");
    let no_proxy = no_proxy.or_else(|| environment.get("NO_PROXY"));
    let no_proxy = no_proxy.unwrap_or_default().to_lowercase();
    if no_proxy == "*" {
        return true;
    }
    let host = uri.host().unwrap_or_default().to_lowercase();
    let host_and_port = uri.port().map(|port| format!("{host}:{port}"));
    let entries = no_proxy.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_start_matches('.');
        let is_in = |host: &str| {
            host.strip_suffix(entry)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        is_in(&host) || host_and_port.as_deref().is_some_and(is_in)
    })
}
