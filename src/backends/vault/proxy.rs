//! Which proxy stands before Vault: chosen as Python's `requests` does, for one address.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::{Environment, Secret};

/// The proxies that settings name, by `http`, `https`, `all` or `<scheme>://<host>`.
pub(super) type Proxies = BTreeMap<String, Secret>;

/// The proxy for `url`: of `given`, or of the environment unless its `no_proxy` says otherwise.
pub(super) fn choose(url: &Url, given: &Proxies, environment: &Environment) -> Option<Secret> {
    let mut proxies = given.clone();
    let no_proxy = match given.get("no_proxy") {
        Some(hosts) => Some(hosts.clone()),
        None => variable(environment, "no_proxy"),
    };
    if !is_bypassed(url, no_proxy.as_ref().map_or("", Secret::expose)) {
        for scheme in ["http", "https", "all"] {
            // A CGI script's clients could set HTTP_PROXY.
            if scheme == "http" && environment.get("REQUEST_METHOD").is_some() {
                continue;
            }
            if let Some(proxy) = variable(environment, &format!("{scheme}_proxy")) {
                proxies.entry(scheme.to_owned()).or_insert(proxy);
            }
        }
    }
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    let names = [
        format!("{scheme}://{host}"),
        scheme.to_owned(),
        format!("all://{host}"),
        "all".to_owned(),
    ];
    let chosen = names.iter().find_map(|name| proxies.get(name))?;
    Some(chosen)
        .filter(|proxy| !proxy.is_empty())
        .map(with_scheme)
}

/// Whether `proxy` is one that can be used.
///
/// # Errors
/// Why it is not.
pub(super) fn check(proxy: &Secret) -> Result<(), &'static str> {
    let url = with_scheme(proxy);
    match Url::parse(url.expose()) {
        Ok(url) if url.scheme().starts_with("socks") => {
            Err("SOCKS proxies are not offered: use an HTTP proxy")
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err("the proxy's URL must look like http://proxy.example.com:3128"),
    }
}

fn with_scheme(proxy: &Secret) -> Secret {
    match proxy.expose() {
        url if url.contains("://") => url.into(),
        host => format!("http://{host}").into(),
    }
}

/// `name` from the environment: in lower case, else in upper case.
fn variable(environment: &Environment, name: &str) -> Option<Secret> {
    let value = environment
        .get(name)
        .or_else(|| environment.get(&name.to_uppercase()))?;
    Some(value.into()).filter(|value: &Secret| !value.is_empty())
}

fn is_bypassed(url: &Url, no_proxy: &str) -> bool {
    let host = url.host_str().unwrap_or_default().to_lowercase();
    let host_and_port = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    let no_proxy = no_proxy.replace(' ', "");
    if no_proxy == "*" {
        return true;
    }
    let address = host.parse::<std::net::Ipv4Addr>().ok();
    no_proxy
        .split(',')
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let entry = entry.to_lowercase();
            if let Some(address) = address {
                return entry == host || in_network(address, &entry) || entry == host_and_port;
            }
            let bare = entry.trim_start_matches('.');
            host.ends_with(&entry) || host_and_port.ends_with(&entry) || host == bare
        })
}

fn in_network(address: std::net::Ipv4Addr, network: &str) -> bool {
    let Some((network, bits)) = network.split_once('/') else {
        return false;
    };
    let (Ok(network), Ok(bits)) = (network.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>())
    else {
        return false;
    };
    let mask = match bits {
        1..=32 => u32::MAX << (32 - bits),
        _ => return false,
    };
    address.to_bits() & mask == network.to_bits() & mask
}
