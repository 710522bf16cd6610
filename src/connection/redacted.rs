//! A connection as it may be shown to people.

use std::fmt;

use super::{Connection, Fields, Form, uri::split_protocol};
use crate::{REDACTED, python::url::is_ipv6};

/// The characters of user info, a query, `key=value` pairs and percent-encoding, which usual hosts and
/// schemas do not have.
const MARKS: [char; 7] = ['@', ';', '=', '?', '&', '#', '%'];

/// A connection as it may be shown: `***` in place of the password, of `extra`, of the URI, and of
/// whatever else may hold a piece of the password. See [`Connection::redacted`].
#[derive(Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RedactedConnection<'a> {
    conn_id: &'a str,
    conn_type: Option<&'a str>,
    description: Option<&'a str>,
    host: Option<&'a str>,
    login: Option<&'a str>,
    password: Option<&'static str>,
    schema: Option<&'a str>,
    port: Option<u16>,
    extra: Option<&'static str>,
    #[cfg(feature = "serde")]
    uri: &'static str,
}

impl<'a> From<&'a Connection> for RedactedConnection<'a> {
    fn from(connection: &'a Connection) -> Self {
        Self {
            conn_id: connection.conn_id(),
            conn_type: connection.conn_type(),
            description: connection.description(),
            host: connection.fields.shown_host(),
            login: connection.fields.shown_login(),
            password: connection.password().map(|_| REDACTED),
            schema: connection.fields.shown_schema(),
            port: connection.port(),
            extra: connection.extra().map(|_| REDACTED),
            #[cfg(feature = "serde")]
            uri: REDACTED,
        }
    }
}

impl RedactedConnection<'_> {
    /// The fields that are set, as text, without the URI.
    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let text = |text: Option<&str>| text.map(|text| format!("{text:?}"));
        let hidden = |hidden: Option<&str>| hidden.map(str::to_owned);
        let fields = [
            ("conn_type", text(self.conn_type)),
            ("description", text(self.description)),
            ("host", text(self.host)),
            ("login", text(self.login)),
            ("password", hidden(self.password)),
            ("schema", text(self.schema)),
            ("port", self.port.map(|port| port.to_string())),
            ("extra", hidden(self.extra)),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// One line: `connection "pg": conn_type "postgres", host "db", password ***`.
impl fmt::Display for RedactedConnection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {:?}", self.conn_id)?;
        for (index, (name, value)) in self.fields().enumerate() {
            let separator = if index == 0 { ":" } else { "," };
            write!(f, "{separator} {name} {value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedactedConnection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The parts of a connection that are no secrets, as they may be shown.
impl Fields {
    pub(super) fn shown_host(&self) -> Option<&str> {
        self.shown(self.host.as_deref())
    }

    pub(super) fn shown_login(&self) -> Option<&str> {
        // An e-mail address, or user and password in one.
        let may_be_both = |login: &str| self.password.is_none() && login.contains(['@', '/']);
        let is_secret = |login: &str| self.form == Form::UriWithoutPassword || may_be_both(login);
        match self.shown(self.login.as_deref()) {
            Some(login) if !login.is_empty() && is_secret(login) => Some(REDACTED),
            shown => shown,
        }
    }

    pub(super) fn shown_schema(&self) -> Option<&str> {
        self.shown(self.schema.as_deref())
    }

    /// `text`, unless it may hold a piece of a password. Where one part does, so may the others: its
    /// special characters divide a password between them.
    fn shown<'a>(&self, text: Option<&'a str>) -> Option<&'a str> {
        text.map(|text| match text {
            "" => "",
            text if self.is_plain() => text,
            _ => REDACTED,
        })
    }

    /// Whether host, login and schema look like what their names say.
    fn is_plain(&self) -> bool {
        let host = self.host.as_deref().unwrap_or_default();
        let login = self.login.as_deref().unwrap_or_default();
        let schema = self.schema.as_deref().unwrap_or_default();
        // A login may be an e-mail address.
        let is_plain_login = !login.contains(|c| c == ':' || (c != '@' && MARKS.contains(&c)));
        let is_plain_schema = !schema.contains(MARKS) && !schema.contains(':');
        let is_alone = host.is_empty() && login.is_empty() && self.password.is_none();
        let has_usual_form = match self.form {
            Form::Uri | Form::UriWithoutPassword => true,
            Form::Unusual => false,
            // A schema alone: the metadata DB may hold the parts of a URI that was never meant as
            // one, such as `app:s3cret`.
            Form::Fields => !is_alone || self.port.is_some(),
        };
        has_usual_form && is_plain_host(host) && is_plain_login && is_plain_schema
    }
}

/// Names, addresses and paths, each with a port or without, with commas between.
fn is_plain_host(hosts: &str) -> bool {
    let (protocol, hosts) = split_protocol(hosts).unwrap_or(("", hosts));
    let are_plain = hosts.split(',').all(|host| {
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let (_, port) = host.split_once(':').unwrap_or((host, ""));
        let path = port.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_port = path.is_empty() || path.starts_with('/');
        // The path of a socket may have colons in it.
        let is_path = host.starts_with('/');
        let is_plain = is_path || (is_port && !path.contains(':'));
        (is_plain && !host.contains(MARKS)) || is_ipv6(address.unwrap_or(host))
    });
    are_plain && !protocol.contains(MARKS)
}
