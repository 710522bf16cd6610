//! `urlsplit`, the parts of a network location, and `parse_qsl`.

use std::{borrow::Cow, net::Ipv6Addr};

use memchr::{memchr, memchr3, memrchr};

use super::{AsciiSet, Text, contains, number::MAX_DIGITS, percent, split_once, split_run, text};

/// What is wrong where no port is: mostly a password with a special character.
const BAD_PORT: &str = "the port is not a number; percent-encode '/', '?', '#' and '@' in the password, and \
                        give one host only";

/// What `urlsplit` gives.
pub(crate) struct SplitUrl<'a> {
    /// In lower case; empty if it is absent.
    pub(crate) scheme: Cow<'a, str>,
    /// Whether there is a network location: `//` follows the scheme.
    pub(crate) has_netloc: bool,
    pub(crate) netloc: Netloc<'a>,
    /// All that follows the network location: path, query and fragment.
    pub(crate) tail: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
}

/// A network location, `user:password@host:port`, each part as it is written.
#[derive(Clone, Copy)]
pub(crate) struct Netloc<'a> {
    pub(crate) login: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    /// Host and port together.
    pub(crate) host_info: &'a str,
    host: &'a str,
    port: &'a str,
}

/// The text that `urlsplit` really splits: without blanks and control characters before it, and
/// without tabs and line breaks anywhere.
pub(crate) fn clean(url: &str) -> Text<'_> {
    let url = url.trim_start_matches(|c| c <= ' ');
    if memchr3(b'\t', b'\r', b'\n', url.as_bytes()).is_none() {
        return Text::Borrowed(url);
    }
    let mut cleaned = String::with_capacity(url.len());
    for piece in url.split(['\t', '\r', '\n']) {
        cleaned.push_str(piece);
    }
    Text::from(cleaned)
}

/// `urlsplit` of a text that is [`clean`].
pub(crate) fn split(url: &str) -> Result<SplitUrl<'_>, &'static str> {
    let (scheme, rest) = split_scheme(url);
    let location = rest.strip_prefix("//");
    let (netloc, tail) = match location {
        Some(rest) => {
            let end = memchr3(b'/', b'?', b'#', rest.as_bytes());
            end.and_then(|end| rest.split_at_checked(end))
                .unwrap_or((rest, ""))
        }
        None => ("", rest),
    };
    check_brackets(netloc)?;
    check_normal_form(netloc)?;
    let rest = split_once(tail, b'#').map_or(tail, |(before, _)| before);
    let (path, query) = split_once(rest, b'?').unwrap_or((rest, ""));
    Ok(SplitUrl {
        scheme,
        has_netloc: location.is_some(),
        netloc: Netloc::split(netloc),
        tail,
        path,
        query,
    })
}

fn split_scheme(url: &str) -> (Cow<'_, str>, &str) {
    static SCHEME: AsciiSet = AsciiSet::alphanumeric_and(b"+-.");
    let (scheme, rest) = split_run(url, &SCHEME);
    match rest.strip_prefix(':') {
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            (text::lower(scheme), rest)
        }
        _ => (Cow::Borrowed(""), url),
    }
}

/// Brackets stand around an IPv6 or an `IPvFuture` address, wherever in the location they are.
fn check_brackets(netloc: &str) -> Result<(), &'static str> {
    match (split_once(netloc, b'['), contains(netloc, b']')) {
        (None, false) => Ok(()),
        (Some((_, bracketed)), true) => {
            let address = bracketed
                .split_once(']')
                .map_or(bracketed, |(host, _)| host);
            if is_ip_future(address) || is_ipv6(address) {
                Ok(())
            } else {
                Err("the text in square brackets is not an IPv6 address")
            }
        }
        _ => Err("a square bracket is not paired"),
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

pub(crate) fn is_ipv6(address: &str) -> bool {
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
        return Err("the host contains a character that Unicode treats as a delimiter");
    }
    Ok(())
}

impl<'a> Netloc<'a> {
    fn split(netloc: &'a str) -> Self {
        let (user_info, host_info) = match memrchr(b'@', netloc.as_bytes()) {
            Some(at) => (netloc.get(..at), netloc.get(at + 1..).unwrap_or_default()),
            None => (None, netloc),
        };
        let (login, password) = match user_info.map(|info| (info, split_once(info, b':'))) {
            None => (None, None),
            Some((login, None)) => (Some(login), None),
            Some((_, Some((login, password)))) => (Some(login), Some(password)),
        };
        let (host, port) = match split_once(host_info, b'[') {
            Some((_, bracketed)) => {
                let (host, after) = split_once(bracketed, b']').unwrap_or((bracketed, ""));
                (host, split_once(after, b':').map_or("", |(_, port)| port))
            }
            None => split_once(host_info, b':').unwrap_or((host_info, "")),
        };
        Self {
            login,
            password,
            host_info,
            host,
            port,
        }
    }

    /// The host: in lower case up to the first `%`, percent-decoded.
    pub(crate) fn hostname(self) -> Text<'a> {
        let host = self.host;
        let (name, zone) = memchr(b'%', host.as_bytes())
            .and_then(|at| host.split_at_checked(at))
            .unwrap_or((host, ""));
        match text::lower(name) {
            Cow::Borrowed(_) => percent::unquote(host),
            Cow::Owned(name) if zone.is_empty() => Text::from(name),
            Cow::Owned(name) => Text::from(name + &percent::unquote(zone)),
        }
    }

    /// The port; `None` where it is absent or empty.
    pub(crate) fn port(self) -> Result<Option<u16>, &'static str> {
        let port = self.port;
        if port.is_empty() {
            return Ok(None);
        }
        if port.len() > MAX_DIGITS || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BAD_PORT);
        }
        match port.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err("the port is not in the range 0 to 65535"),
        }
    }
}

/// `parse_qsl(query, keep_blank_values=True)`: names and values, decoded, in order.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = split_once(pair, b'=').unwrap_or((pair, ""));
            (percent::unquote_plus(name), percent::unquote_plus(value))
        })
}
