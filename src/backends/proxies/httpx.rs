//! What Python's `httpx` reads in `no_proxy`.
//!
//! | entry | hosts that are reached without a proxy |
//! |---|---|
//! | `*` | all |
//! | `example.com` | it, and those below it |
//! | `.example.com` | those below it |
//! | `localhost`, `10.1.2.3`, `::1` | it; what stands behind a `/` does not count: networks are not known |
//! | `example.com:8080` | the same, where the URL has this port and it is not the scheme's own |
//! | `[::1]:8080` | it, where the URL has this port; without a scheme, `httpx` itself refuses to start (EXEC-12) |
//! | `https://example.com` | it, for this scheme; `all` stands for both |

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Target;

/// Whether `no_proxy` names `target`.
pub(super) fn is_bypassed(target: &Target<'_>, no_proxy: &str) -> bool {
    let entries = no_proxy.split(',').map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == "*" || names(&entry.to_lowercase(), target))
}

/// Whether `entry` names `target`.
fn names(entry: &str, target: &Target<'_>) -> bool {
    let (scheme, rest) = entry.split_once("://").unwrap_or(("", entry));
    if !matches!(scheme, "" | "all") && scheme != target.scheme {
        return false;
    }
    let place = rest.split('/').next().unwrap_or_default();
    if is_ipv6(place) {
        return place == target.host.to_lowercase();
    }
    let in_brackets = place
        .strip_prefix('[')
        .and_then(|place| place.split_once(']'));
    let (host, port) = match in_brackets.or_else(|| place.rsplit_once(':')) {
        Some((host, port)) => (host, port.trim_start_matches(':').parse().ok()),
        None => (place, None),
    };
    // The scheme's own port counts as none, also where the URL or an entry with a scheme spells it.
    let own = own_port(target.scheme);
    let of_target = target.port.filter(|port| Some(*port) != own);
    let port = port.filter(|port| scheme.is_empty() || scheme == "all" || Some(*port) != own);
    if port.is_some() && port != of_target {
        return false;
    }
    let is_address = in_brackets.is_some() || host.parse::<Ipv4Addr>().is_ok();
    let is_name = scheme.is_empty() && host != "localhost" && !is_address;
    if is_name {
        is_below(&target.host.to_lowercase(), host)
    } else if let Some(domain) = host.strip_prefix('*') {
        is_below(&target.host.to_lowercase(), domain)
    } else {
        !host.is_empty() && host == target.host.to_lowercase()
    }
}

/// Whether `host` is below `domain`, or is it where `domain` does not begin with a dot.
fn is_below(host: &str, domain: &str) -> bool {
    let Some(rest) = host.strip_suffix(domain.strip_prefix('.').unwrap_or(domain)) else {
        return false;
    };
    if rest.is_empty() {
        return !domain.starts_with('.') && !domain.is_empty();
    }
    rest.ends_with('.') && rest.len() > 1
}

fn is_ipv6(place: &str) -> bool {
    place.parse::<Ipv6Addr>().is_ok()
}

fn own_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_around_an_address_are_no_part_of_it() {
        for (no_proxy, port, expected) in [
            ("[::1]", 8080, true),
            ("[::1]:8080", 8080, true),
            ("[::1]:8080", 9090, false),
            ("[::2]", 8080, false),
        ] {
            let target = Target::new("http", "[::1]", Some(port));
            assert_eq!(is_bypassed(&target, no_proxy), expected, "{no_proxy}");
        }
    }
}
