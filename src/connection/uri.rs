//! The connection URI, in and out.

use memchr::memchr_iter;

use super::{Connection, ConnectionError, Dialect, Fields, Form, extra};
use crate::{
    Secret,
    python::{
        Sink, Text, Written, contains,
        json::{self, Dict, Object, ParseError, Value},
        percent::{quote, quote_plus, unquote},
        split_once,
        text::lower,
        url::{self, Netloc, SplitUrl},
    },
};

/// The query parameter that contains all of `extra`, where `extra` cannot be a query itself.
const EXTRA_KEY: &str = "__extra__";

/// Reads a URI as `Connection(uri=…)` (core) or `Connection.from_uri` (Task SDK) does.
pub(super) fn from_uri(uri: &str, dialect: Dialect) -> Result<Fields, ConnectionError> {
    if uri.is_empty() && dialect == Dialect::Core {
        // The core treats an empty URI as not given.
        return Ok(Fields::default());
    }
    let protocols = protocol_marks(uri).count();
    if protocols > 2 {
        return Err(ConnectionError::Uri(
            "it contains `://` more than twice; percent-encode ':' and '/' in the password",
        ));
    }
    let cleaned = url::clean(uri);
    let whole = url::split(&cleaned).map_err(ConnectionError::Uri)?;
    let conn_type = normalize_conn_type(&whole.scheme);
    let after_scheme = uri.strip_prefix(&*whole.scheme).unwrap_or_default();
    if protocols == 1 && !whole.scheme.is_empty() && after_scheme.starts_with("://") {
        // What follows the scheme is already split.
        return fields(conn_type, None, &whole, dialect);
    }
    let host_has_protocol = protocols == 2;
    let scheme = [&*whole.scheme, "://"].concat();
    let slashes = if host_has_protocol { "" } else { "//" };
    let rest = Text::from(uri.replace(&scheme, slashes));
    if host_has_protocol {
        let protocol = split_protocol(&rest).map_or(&*rest, |(before, _)| before);
        if protocol.contains(['@', ':']) {
            return Err(ConnectionError::Uri(
                "the protocol before the host contains `@` or `:`; percent-encode them in the password",
            ));
        }
    }
    let cleaned = url::clean(&rest);
    let parts = url::split(&cleaned).map_err(ConnectionError::Uri)?;
    let protocol = host_has_protocol.then_some(&*parts.scheme);
    fields(conn_type, protocol, &parts, dialect)
}

/// Splits at the first `://`.
pub(super) fn split_protocol(text: &str) -> Option<(&str, &str)> {
    let at = protocol_marks(text).next()?;
    Some((text.get(..at)?, text.get(at + 3..)?))
}

/// The places of `://` in `text`.
fn protocol_marks(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr_iter(b':', bytes).filter(|at| {
        bytes
            .get(at + 1..)
            .is_some_and(|after| after.starts_with(b"//"))
    })
}

/// `Connection._normalize_conn_type`.
pub(super) fn normalize_conn_type(conn_type: &str) -> String {
    if conn_type == "postgresql" {
        "postgres".to_owned()
    } else if contains(conn_type, b'-') {
        conn_type.replace('-', "_")
    } else {
        conn_type.to_owned()
    }
}

fn fields(
    conn_type: String,
    protocol: Option<&str>,
    parts: &SplitUrl<'_>,
    dialect: Dialect,
) -> Result<Fields, ConnectionError> {
    let Netloc {
        login, password, ..
    } = parts.netloc;
    let password = password.map(|password| Secret::from(&*unquote(password)));
    let mut path = parts.path.chars();
    path.next();
    Ok(Fields {
        conn_type: Some(conn_type),
        description: None,
        host: Some(host(protocol, parts.netloc)),
        login: login.map(|login| unquote(login).to_owned()),
        password: password.filter(|password| !is_dropped(password, dialect)),
        schema: Some(unquote(path.as_str()).to_owned()),
        port: parts.netloc.port().map_err(ConnectionError::Uri)?,
        extra: extra_of_query(parts.query, dialect)?,
        form: form(parts),
    })
}

/// Whether the parts are what their names say. Without a scheme and `//`, all of the text is the
/// path: the text of a JDBC URL, with its password. An `@` or `#` behind the location comes from a
/// password with a `/`, `?` or `#` that is not encoded: its first letters are in the location.
fn form(parts: &SplitUrl<'_>) -> Form {
    if parts.scheme.is_empty() || !parts.has_netloc || parts.tail.contains(['@', '#']) {
        Form::Unusual
    } else if parts.netloc.password == Some("") {
        Form::UriWithoutPassword
    } else {
        Form::Uri
    }
}

/// The core does not keep an empty password.
pub(super) fn is_dropped(password: &Secret, dialect: Dialect) -> bool {
    dialect == Dialect::Core && password.is_empty()
}

fn host(protocol: Option<&str>, netloc: Netloc<'_>) -> String {
    let mut host = netloc.hostname();
    if contains(&host, b'/') {
        // A path to a socket keeps its letters as they are.
        let host_info = netloc.host_info;
        host = unquote(split_once(host_info, b':').map_or(host_info, |(host, _)| host));
    }
    match protocol {
        Some(protocol) if !protocol.is_empty() && !host.is_empty() => {
            [protocol, "://", &*host].concat()
        }
        _ => host.to_owned(),
    }
}

fn extra_of_query(query: &str, dialect: Dialect) -> Result<Option<Secret>, ConnectionError> {
    if query.is_empty() {
        return Ok(None);
    }
    let mut query = url::query_pairs(query).collect::<Dict<'_, Text<'_>>>();
    if let Some(text) = query.take(EXTRA_KEY) {
        extra::check(&text, dialect)?;
        return Ok(Some(Secret::from(&*text)));
    }
    let extra = query.try_map(|text| match dialect {
        Dialect::Core => read_as_json(text),
        Dialect::TaskSdk => Ok(Value::String(Text::Borrowed(text))),
    });
    match extra {
        Ok(extra) => Ok(Some(extra.to_secret())),
        Err(error) => Err(ConnectionError::field("extra", error.problem())),
    }
}

/// The JSON value that `text` is, or else `text`.
fn read_as_json(text: &str) -> Result<Value<'_>, ParseError> {
    // One level is left for the object that the value becomes a member of.
    match json::parse(text, json::MAX_DEPTH - 1) {
        Ok(parsed) => parsed.strict(),
        Err(ParseError::Syntax) => Ok(Value::String(Text::Borrowed(text))),
        Err(error) => Err(error),
    }
}

/// Writes a URI as `Connection.get_uri` does.
pub(super) fn get_uri(connection: &Connection) -> Secret {
    let extra = connection.extra().map(Secret::expose);
    let extra = extra.filter(|extra| !extra.is_empty());
    let uri = Uri {
        fields: &connection.fields,
        extra,
        query: extra.and_then(flat_query),
    };
    uri.to_secret()
}

/// A connection on its way to become a URI.
struct Uri<'a> {
    fields: &'a Fields,
    extra: Option<&'a str>,
    query: Option<Object<'a>>,
}

/// `extra` as an object of texts only, which can be a query as it is.
fn flat_query(extra: &str) -> Option<Object<'_>> {
    match json::parse(extra, json::MAX_DEPTH).ok()?.lenient() {
        Value::Object(members) if !members.is_empty() && members.is_flat() => Some(members),
        _ => None,
    }
}

impl Written for Uri<'_> {
    fn write(&self, out: &mut impl Sink) {
        let fields = self.fields;
        let conn_type = fields.conn_type.as_deref();
        if let Some(conn_type) = conn_type.filter(|conn_type| !conn_type.is_empty()) {
            write_scheme(conn_type, out);
            out.push(":");
        }
        out.push("//");
        let host = fields.host.as_deref().unwrap_or_default();
        let host = match split_protocol(host) {
            // A protocol that equals the scheme is not repeated.
            Some((protocol, host)) if Some(protocol) != conn_type => {
                if !protocol.is_empty() {
                    out.push(protocol);
                    out.push("://");
                }
                host
            }
            _ => host,
        };
        let login = fields.login.as_deref().unwrap_or_default();
        let has_user_info = !login.is_empty() || fields.password.is_some();
        if has_user_info {
            quote(login, out);
            if let Some(password) = &fields.password {
                out.push(":");
                quote(password.expose(), out);
            }
            out.push("@");
        }
        quote(host, out);
        if let Some(port) = fields.port.filter(|&port| port != 0) {
            if host.is_empty() && !has_user_info {
                out.push("@");
            }
            out.push(":");
            out.push(&port.to_string());
        }
        let schema = fields.schema.as_deref().unwrap_or_default();
        if !schema.is_empty() {
            out.push("/");
            quote(schema, out);
        }
        if let Some(extra) = self.extra {
            out.push(if schema.is_empty() { "/?" } else { "?" });
            if let Some(query) = &self.query {
                write_query(query, out);
            } else {
                out.push(EXTRA_KEY);
                out.push("=");
                quote_plus(extra, out);
            }
        }
    }
}

/// `conn_type.lower().replace("_", "-")`
fn write_scheme(conn_type: &str, out: &mut impl Sink) {
    let scheme = lower(conn_type);
    if contains(&scheme, b'_') {
        out.push(&scheme.replace('_', "-"));
    } else {
        out.push(&scheme);
    }
}

fn write_query(query: &Object<'_>, out: &mut impl Sink) {
    let mut separator = "";
    for (key, value) in query.iter() {
        if let Value::String(value) = value {
            out.push(separator);
            quote_plus(key, out);
            out.push("=");
            quote_plus(value, out);
            separator = "&";
        }
    }
}
