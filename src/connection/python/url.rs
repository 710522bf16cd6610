//! `urlsplit`, the parts of a network location, and `parse_qsl`.

use std::{borrow::Cow, net::Ipv6Addr};

use super::{
    Text, percent,
    text::{self, MAX_DIGITS},
};

/// What `urlsplit` gives, without the fragment.
pub(in crate::connection) struct SplitUrl<'a> {
    /// In lower case; empty where there is none.
    pub(in crate::connection) scheme: Cow<'a, str>,
    pub(in crate::connection) netloc: Netloc<'a>,
    pub(in crate::connection) path: &'a str,
    pub(in crate::connection) query: &'a str,
}

/// A network location, `user:password@host:port`.
#[derive(Clone, Copy)]
pub(in crate::connection) struct Netloc<'a>(&'a str);

/// The text that `urlsplit` really splits: without blanks and control characters before it, and
/// without tabs and line breaks anywhere.
pub(in crate::connection) fn clean(url: &str) -> Text<'_> {
    let url = url.trim_start_matches(|c| c <= ' ');
    let is_removed = |c| matches!(c, '\t' | '\r' | '\n');
    if !url.contains(is_removed) {
        return Text::Borrowed(url);
    }
    let mut cleaned = String::with_capacity(url.len());
    cleaned.extend(url.chars().filter(|&c| !is_removed(c)));
    Text::from(cleaned)
}

/// `urlsplit` of a text that is [`clean`].
pub(in crate::connection) fn split(url: &str) -> Result<SplitUrl<'_>, &'static str> {
    let (scheme, rest) = split_scheme(url);
    let (netloc, rest) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            rest.split_at_checked(end).unwrap_or((rest, ""))
        }
        None => ("", rest),
    };
    check_brackets(netloc)?;
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    check_normal_form(netloc)?;
    Ok(SplitUrl {
        scheme,
        netloc: Netloc(netloc),
        path,
        query,
    })
}

fn split_scheme(url: &str) -> (Cow<'_, str>, &str) {
    let is_scheme_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    match url.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(is_scheme_byte) =>
        {
            (text::lower(scheme), rest)
        }
        _ => (Cow::Borrowed(""), url),
    }
}

/// Brackets stand around an IPv6 or an IPvFuture address, wherever in the location they are.
fn check_brackets(netloc: &str) -> Result<(), &'static str> {
    match (netloc.split_once('['), netloc.contains(']')) {
        (None, false) => Ok(()),
        (Some((_, bracketed)), true) => {
            let address = bracketed
                .split_once(']')
                .map_or(bracketed, |(host, _)| host);
            if is_ip_future(address) || is_ipv6(address) {
                Ok(())
            } else {
                Err("what stands in brackets is no IPv6 address")
            }
        }
        _ => Err("a bracket has no counterpart"),
    }
}

fn is_ip_future(address: &str) -> bool {
    address
        .strip_prefix('v')
        .and_then(|address| address.split_once('.'))
        .is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
        })
}

fn is_ipv6(address: &str) -> bool {
    let (address, scope) = match address.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (address, None),
    };
    address.parse::<Ipv6Addr>().is_ok()
        && scope.is_none_or(|scope| !scope.is_empty() && !scope.contains('%'))
}

/// Refuses characters whose NFKC form holds a delimiter: a reader that normalises would see
/// another host. The set is complete: no such character has come since Unicode 5.1.
fn check_normal_form(netloc: &str) -> Result<(), &'static str> {
    let hides_a_delimiter = |c| {
        matches!(
            c,
            '\u{2047}'
                ..='\u{2049}'
                    | '\u{2100}'
                    | '\u{2101}'
                    | '\u{2105}'
                    | '\u{2106}'
                    | '\u{2a74}'
                    | '\u{fe13}'
                    | '\u{fe16}'
                    | '\u{fe55}'
                    | '\u{fe56}'
                    | '\u{fe5f}'
                    | '\u{fe6b}'
                    | '\u{ff03}'
                    | '\u{ff0f}'
                    | '\u{ff1a}'
                    | '\u{ff1f}'
                    | '\u{ff20}'
        )
    };
    if !netloc.is_ascii() && netloc.contains(hides_a_delimiter) {
        return Err("the host holds a character that stands for a delimiter");
    }
    Ok(())
}

impl<'a> Netloc<'a> {
    /// What stands after the user info.
    pub(in crate::connection) fn after_user_info(self) -> &'a str {
        self.0.rsplit_once('@').map_or(self.0, |(_, host)| host)
    }

    /// User name and password, each as it is written.
    pub(in crate::connection) fn user_info(self) -> (Option<&'a str>, Option<&'a str>) {
        match self.0.rsplit_once('@') {
            None => (None, None),
            Some((user_info, _)) => match user_info.split_once(':') {
                None => (Some(user_info), None),
                Some((user, password)) => (Some(user), Some(password)),
            },
        }
    }

    /// Host and port, each as it is written.
    fn host_and_port(self) -> (&'a str, &'a str) {
        let host_info = self.after_user_info();
        match host_info.split_once('[') {
            Some((_, bracketed)) => {
                let (host, after) = bracketed.split_once(']').unwrap_or((bracketed, ""));
                (host, after.split_once(':').map_or("", |(_, port)| port))
            }
            None => host_info.split_once(':').unwrap_or((host_info, "")),
        }
    }

    /// The host: in lower case up to the first `%`, percent-decoded.
    pub(in crate::connection) fn hostname(self) -> Text<'a> {
        let (host, _) = self.host_and_port();
        let zone_at = host.find('%').unwrap_or(host.len());
        let (name, zone) = host.split_at_checked(zone_at).unwrap_or((host, ""));
        match text::lower(name) {
            Cow::Borrowed(_) => percent::unquote(host),
            Cow::Owned(name) if zone.is_empty() => Text::from(name),
            Cow::Owned(name) => Text::from(name + &percent::unquote(zone)),
        }
    }

    /// The port; `None` where it is absent or empty.
    pub(in crate::connection) fn port(self) -> Result<Option<u16>, &'static str> {
        let (_, port) = self.host_and_port();
        if port.is_empty() {
            return Ok(None);
        }
        if port.len() > MAX_DIGITS || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("the port is no number");
        }
        match port.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err("the port is not in 0..=65535"),
        }
    }
}

/// `parse_qsl(query, keep_blank_values=True)`: names and values, decoded, in order.
pub(in crate::connection) fn query_pairs(
    query: &str,
) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent::unquote_plus(name), percent::unquote_plus(value))
        })
}
