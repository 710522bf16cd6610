//! The proxy for an address: that of settings or of the environment, chosen as the provider's
//! client in Airflow chooses it.

mod httpx;

use std::{fmt, net::Ipv4Addr};

use url::Url;

use crate::{Environment, Secret, backends::http_options::ProxyMap, config::Setting};

/// Which client's rules apply. Both read `<scheme>_proxy` and `no_proxy`, in lower case before upper
/// case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Those of Python's `requests`, which hvac and Azure's SDK use: `all_proxy` counts, the
    /// environment's proxies are added to those of settings, and `no_proxy` may hold IPv4 networks.
    #[cfg_attr(
        not(any(
            feature = "astro",
            feature = "vault",
            feature = "azure",
            feature = "gcp"
        )),
        allow(dead_code, reason = "AWS's client does not use requests")
    )]
    Requests,
    /// Those of Python's `httpx`, which Airflow's client of the Execution API is: like `requests`, but a name
    /// in `no_proxy` is followed by what is behind it alone (see [`httpx`]), and a name without a password
    /// is sent to the proxy.
    #[cfg_attr(
        not(feature = "execution-api"),
        allow(dead_code, reason = "only the Execution API's client is httpx")
    )]
    Httpx,
    /// Those of botocore: settings replace the environment.
    #[cfg_attr(
        not(feature = "_aws"),
        allow(dead_code, reason = "only AWS's client is botocore")
    )]
    Botocore,
    /// Those of Kubernetes' Python client: as `requests`, but the first of [`OF_KUBERNETES`] that is not empty
    /// counts for each address, and `all_proxy` does not.
    #[cfg_attr(
        not(feature = "kubernetes"),
        allow(dead_code, reason = "only Kubernetes' client has them")
    )]
    Kubernetes,
}

/// The variables that name a proxy for Kubernetes' Python client.
const OF_KUBERNETES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];

/// Chooses the proxy for an address.
#[derive(Clone)]
pub(crate) struct Proxies {
    rules: Rules,
    given: Option<Setting<ProxyMap>>,
    environment: Environment,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.iter().flat_map(|given| given.value.keys());
        f.debug_set().entries(given).finish()
    }
}

impl Proxies {
    pub(crate) fn new(
        rules: Rules,
        given: Option<Setting<ProxyMap>>,
        environment: &Environment,
    ) -> Self {
        Self {
            rules,
            given,
            environment: environment.clone(),
        }
    }

    /// Never a proxy.
    #[cfg(any(
        test,
        feature = "_aws",
        feature = "astro",
        feature = "azure",
        feature = "gcp"
    ))]
    pub(crate) fn none() -> Self {
        Self::new(Rules::Requests, None, &Environment::default())
    }

    /// The URL of the proxy for `target`, with its scheme.
    pub(crate) fn choose(&self, target: &Target<'_>) -> Option<Setting<Secret>> {
        let chosen = match self.rules {
            Rules::Requests | Rules::Httpx | Rules::Kubernetes => self.as_requests(target),
            Rules::Botocore => self.as_botocore(target),
        };
        chosen
            .filter(|proxy| !proxy.value.is_empty())
            .map(|proxy| proxy.map(|url| with_scheme(&url)))
    }

    /// Whether the name and password in the proxy's `url` are sent: not a name without a password or a
    /// password without a name, but by httpx, and for botocore no empty password either.
    #[cfg(feature = "_http")]
    pub(crate) fn sends_credentials(&self, url: &Secret) -> bool {
        let url = url.expose();
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
        let given = user_info.and_then(|user_info| user_info.split_once(':'));
        match self.rules {
            Rules::Requests | Rules::Kubernetes => given.is_some_and(|(name, _)| !name.is_empty()),
            Rules::Botocore => {
                given.is_some_and(|(name, password)| !name.is_empty() && !password.is_empty())
            }
            Rules::Httpx => user_info.is_some_and(|user_info| !matches!(user_info, "" | ":")),
        }
    }

    fn as_requests(&self, target: &Target<'_>) -> Option<Setting<Secret>> {
        let Target { scheme, host, .. } = target;
        let is_bypassed = self.is_bypassed(target);
        let names = [
            format!("{scheme}://{host}"),
            (*scheme).to_owned(),
            format!("all://{host}"),
            "all".to_owned(),
        ];
        names.iter().find_map(|name| {
            let is_variable = ["http", "https", "all"].contains(&&**name) && !is_bypassed;
            let variable = || self.variable(name).filter(|_| is_variable);
            self.given(name).or_else(variable)
        })
    }

    fn as_botocore(&self, target: &Target<'_>) -> Option<Setting<Secret>> {
        if self.given.is_some() {
            return self.given(target.scheme);
        }
        let proxy = self.variable(target.scheme);
        proxy.filter(|_| !self.is_bypassed(target))
    }

    fn given(&self, name: &str) -> Option<Setting<Secret>> {
        let given = self.given.as_ref()?;
        let proxy = given.value.get(name)?.clone();
        Some(given.with(proxy))
    }

    /// `http_proxy` and the like: in lower case, where an empty one counts, else in upper case.
    fn variable(&self, scheme: &str) -> Option<Setting<Secret>> {
        if self.rules == Rules::Kubernetes {
            let names = OF_KUBERNETES.iter().filter(|_| scheme != "all");
            let mut set = names.filter_map(|name| {
                let proxy = self.environment.non_empty(name)?;
                Some(Setting::new(*name, "the environment", Secret::from(proxy)))
            });
            return set.next();
        }
        let lower = format!("{scheme}_proxy");
        let upper = lower.to_uppercase();
        // The clients of a CGI script could set HTTP_PROXY.
        let is_unsafe = scheme == "http" && self.environment.get("REQUEST_METHOD").is_some();
        let names = [Some(lower), Some(upper).filter(|_| !is_unsafe)];
        let set = names.iter().flatten().find_map(|name| {
            let proxy = self.environment.get(name)?;
            Some(Setting::new(name, "the environment", Secret::from(proxy)))
        });
        set.filter(|proxy| !proxy.value.is_empty())
    }

    /// Whether `no_proxy` names the host of `target`: the host itself, a domain above it or, for
    /// `requests`, its IPv4 network. A host may be followed by a port.
    fn is_bypassed(&self, target: &Target<'_>) -> bool {
        let is_requests = self.rules != Rules::Botocore;
        let given = self.given.as_ref().and_then(|given| {
            let no_proxy = given.value.get("no_proxy")?;
            Some(no_proxy.expose())
        });
        let variable = |name| match self.rules {
            Rules::Kubernetes => self.environment.non_empty(name),
            Rules::Requests | Rules::Botocore | Rules::Httpx => self.environment.get(name),
        };
        let lower = given.or(variable("no_proxy"));
        let upper = variable("NO_PROXY").filter(|_| given.is_none());
        if self.rules == Rules::Httpx {
            return httpx::is_bypassed(target, lower.or(upper).unwrap_or_default());
        }
        if lower.or(upper) == Some("*") {
            return true;
        }
        // For requests an empty variable in lower case hides only a `*` in upper case.
        let lower = lower.filter(|hosts| !is_requests || !hosts.is_empty());
        let no_proxy = lower.or(upper).unwrap_or_default().to_lowercase();
        let host = target.host.to_lowercase();
        let address = host.parse::<Ipv4Addr>().ok().filter(|_| is_requests);
        let host_and_port = match target.port {
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
}

/// An address that may be asked through a proxy.
pub(crate) struct Target<'a> {
    scheme: &'a str,
    /// An IPv6 address has no brackets.
    host: &'a str,
    /// The port that the URL names, else the scheme's own.
    port: Option<u16>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(scheme: &'a str, host: &'a str, port: Option<u16>) -> Self {
        let ipv6 = |host: &'a str| host.strip_prefix('[')?.strip_suffix(']');
        let own_port = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Self {
            scheme,
            host: ipv6(host).unwrap_or(host),
            port: port.or(own_port),
        }
    }
}

impl<'a> From<&'a Url> for Target<'a> {
    fn from(url: &'a Url) -> Self {
        Self::new(url.scheme(), url.host_str().unwrap_or_default(), url.port())
    }
}

/// Whether the proxy at `url` can be used.
///
/// # Errors
/// Why it cannot, without its text.
pub(crate) fn check(url: &Secret) -> Result<(), &'static str> {
    match Url::parse(with_scheme(url).expose()) {
        Ok(url) if url.scheme().starts_with("socks") => {
            Err("SOCKS proxies are not offered: use an HTTP proxy")
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err("a proxy's URL must look like http://proxy.example.com:3128"),
    }
}

/// Whether all proxies that settings name can be used.
///
/// # Errors
/// When one cannot, with the setting that names it.
#[cfg(any(
    feature = "_aws",
    feature = "astro",
    feature = "azure",
    feature = "execution-api",
    feature = "gcp",
    feature = "kubernetes"
))]
pub(crate) fn check_all(given: &Setting<ProxyMap>) -> Result<(), crate::ConfigurationError> {
    let mut urls = given.value.values();
    urls.try_for_each(|url| check(url).map_err(|why| given.error(why)))
}

fn with_scheme(proxy: &Secret) -> Secret {
    match proxy.expose() {
        url if url.contains("://") => url.into(),
        host => format!("http://{host}").into(),
    }
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
            let given = Setting::new("proxies", "here", given.collect());
            let proxies = Proxies::new(Rules::Requests, Some(given), &environment);
            let chosen = proxies.choose(&Target::from(&url));
            assert_eq!(
                chosen.as_ref().map(|chosen| chosen.value.expose()),
                case["proxy"].as_str(),
                "{line}"
            );
        }
        assert_eq!(corpus.lines().count(), 900);
    }

    #[test]
    fn the_proxy_is_the_one_that_httpx_chooses() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/conformance/execution_api_proxies.jsonl"
        );
        let corpus = std::fs::read_to_string(corpus).unwrap();
        for line in corpus.lines() {
            let case = serde_json::from_str::<Value>(line).unwrap();
            let variables = case["environment"].as_object().unwrap().iter();
            let variables = variables.map(|(name, value)| (name, value.as_str().unwrap()));
            let environment = variables.collect::<Environment>();
            let url = Url::parse(case["url"].as_str().unwrap()).unwrap();
            let proxies = Proxies::new(Rules::Httpx, None, &environment);
            let chosen = proxies.choose(&Target::from(&url));
            let address = chosen.as_ref().map(|chosen| {
                let url = Url::parse(chosen.value.expose()).unwrap();
                let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
                format!("{}://{host}:{port}", url.scheme())
            });
            assert_eq!(address.as_deref(), case["proxy"].as_str(), "{line}");
            #[cfg(feature = "_http")]
            {
                let sends = chosen.is_some_and(|chosen| proxies.sends_credentials(&chosen.value));
                assert_eq!(Some(sends), case["authorized"].as_bool(), "{line}");
            }
        }
        assert_eq!(corpus.lines().count(), 900);
    }

    #[test]
    fn the_schemes_own_port_may_be_in_no_proxy() {
        let environment = Environment::from_iter([
            ("all_proxy", "http://proxy:1"),
            ("no_proxy", "vault.example.com:443"),
        ]);
        let proxies = Proxies::new(Rules::Requests, None, &environment);
        let bypasses = |url: &str| {
            let url = Url::parse(url).unwrap();
            proxies.choose(&Target::from(&url)).is_none()
        };
        assert!(bypasses("https://vault.example.com"));
        assert!(bypasses("https://vault.example.com:443/"));
        assert!(!bypasses("https://vault.example.com:8200"));
        assert!(!bypasses("http://vault.example.com"));
    }

    #[test]
    fn the_credentials_that_a_proxy_gets_are_those_that_airflows_clients_send() {
        let sends = |rules, url: &str| {
            Proxies::new(rules, None, &Environment::default()).sends_credentials(&url.into())
        };
        for (url, requests, botocore) in [
            ("http://u:p@proxy:1", true, true),
            ("u:p@proxy:1", true, true),
            ("http://u:@proxy:1", true, false),
            ("http://u@proxy:1", false, false),
            ("http://:p@proxy:1", false, false),
            ("http://proxy:1/a:b@c", false, false),
        ] {
            let expected = (requests, botocore);
            let sent = (sends(Rules::Requests, url), sends(Rules::Botocore, url));
            assert_eq!(sent, expected, "{url}");
        }
    }
}
