//! Which proxy stands before Vault: chosen as Python's `requests` does, for one address.

use std::{collections::BTreeMap, net::Ipv4Addr};

use reqwest::Url;

use crate::{Environment, Secret};

/// The proxies that settings name, by `http`, `https`, `all` or `<scheme>://<host>`.
pub(super) type Proxies = BTreeMap<String, Secret>;

/// The proxy for `url`: of `given`, or of the environment unless its `no_proxy` says otherwise.
pub(super) fn choose(url: &Url, given: &Proxies, environment: &Environment) -> Option<Secret> {
    let mut proxies = given.clone();
    if !is_bypassed(url, given.get("no_proxy"), environment) {
        for scheme in ["http", "https", "all"] {
            if let Some(proxy) = proxy_variable(environment, scheme) {
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

/// `http_proxy` and the like: in lower case, where an empty one counts, else in upper case.
fn proxy_variable(environment: &Environment, scheme: &str) -> Option<Secret> {
    let name = format!("{scheme}_proxy");
    // The clients of a CGI script could set HTTP_PROXY.
    let is_unsafe = scheme == "http" && environment.get("REQUEST_METHOD").is_some();
    let upper = || environment.get(&name.to_uppercase()).filter(|_| !is_unsafe);
    let proxy = environment.get(&name).or_else(upper)?;
    Some(proxy.into()).filter(|proxy: &Secret| !proxy.is_empty())
}

/// Whether `no_proxy` names the host of `url`, as itself, as a domain, or as a network of IPv4. In
/// the environment, an empty one in lower case hides a `*` in upper case and no more.
fn is_bypassed(url: &Url, given: Option<&Secret>, environment: &Environment) -> bool {
    let lower = given.map(Secret::expose).or(environment.get("no_proxy"));
    let upper = environment.get("NO_PROXY").filter(|_| given.is_none());
    if lower.or(upper) == Some("*") {
        return true;
    }
    let no_proxy = lower.filter(|hosts| !hosts.is_empty()).or(upper);
    let no_proxy = no_proxy.unwrap_or_default().to_lowercase();
    let host = url.host_str().unwrap_or_default().to_lowercase();
    let address = host.parse::<Ipv4Addr>().ok();
    let host_and_port = match url.port() {
        Some(port) if address.is_none() => format!("{host}:{port}"),
        _ => host.clone(),
    };
    let entries = no_proxy.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_start_matches('.');
        let is_in = |host: &str| {
            host.strip_suffix(entry)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        is_in(&host)
            || is_in(&host_and_port)
            || address.is_some_and(|address| in_network(address, entry))
    })
}

fn in_network(address: Ipv4Addr, network: &str) -> bool {
    let Some((network, bits)) = network.split_once('/') else {
        return false;
    };
    let (Ok(network), Ok(bits)) = (network.parse::<Ipv4Addr>(), bits.parse::<u32>()) else {
        return false;
    };
    let mask = match bits {
        1..=32 => u32::MAX << (32 - bits),
        _ => return false,
    };
    address.to_bits() & mask == network.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_proxy_is_the_one_that_requests_chooses() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/conformance/vault_proxies.jsonl"
        );
        let corpus = std::fs::read_to_string(corpus).unwrap();
        for line in corpus.lines() {
            let case = serde_json::from_str::<Value>(line).unwrap();
            let pairs = |name: &str| {
                let pairs = case[name].as_object().unwrap().iter();
                pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            };
            let environment = pairs("environment").collect::<Environment>();
            let given = pairs("given").map(|(name, url)| (name, Secret::from(url)));
            let url = Url::parse(case["url"].as_str().unwrap()).unwrap();
            let chosen = choose(&url, &given.collect(), &environment);
            assert_eq!(
                chosen.as_ref().map(Secret::expose),
                case["proxy"].as_str(),
                "{line}"
            );
        }
        assert_eq!(corpus.lines().count(), 600);
    }
}
