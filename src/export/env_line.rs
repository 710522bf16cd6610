//! A connection as a line of a `.env` file.

use super::ExportError;
use crate::{
    Connection, Dialect, Secret,
    backends::environment::connection_variable,
    python::{Sink, Written, json},
};

/// See [`Connection::to_env_line`].
pub(crate) fn env_line(connection: &Connection) -> Result<Secret, ExportError> {
    let conn_id = connection.conn_id();
    let name = connection_variable(conn_id);
    if conn_id.is_empty() || !name.chars().all(is_in_name) {
        let problem = "its id contains what the name of a variable in a .env file cannot contain; it may \
                       contain letters, digits, '_', '.', '-', '[' and ']'";
        return Err(ExportError::connection(conn_id, problem));
    }
    let uri = connection.get_uri();
    let json = connection
        .as_json()
        .ok()
        .map(|json| Quotable(&json).to_secret());
    let mut best = (0, None);
    for value in [Some(uri), json].into_iter().flatten() {
        let dialects = [Dialect::Core, Dialect::TaskSdk];
        let readers = dialects
            .iter()
            .filter(|&&dialect| is_read_back(&value, connection, dialect));
        let readers = readers.count();
        if readers > best.0 {
            best = (readers, Some(value));
        }
    }
    let Some(value) = best.1 else {
        let problem = "neither a URI nor JSON holds all of it: its `extra` is not JSON, and a \
                       description, an unusual type or an empty field stands beside it";
        return Err(ExportError::connection(conn_id, problem));
    };
    Ok(Line { name, value }.to_secret())
}

/// What Docker Compose's names are made of, and `docker run`'s may be.
fn is_in_name(c: char) -> bool {
    matches!(c, '_' | '.' | '-' | '[' | ']') || c.is_alphabetic() || c.is_numeric()
}

/// Whether `value` prints between single quotes, and stands for `connection`.
fn is_read_back(value: &Secret, connection: &Connection, dialect: Dialect) -> bool {
    let is_quotable = value
        .expose()
        .chars()
        .all(|c| matches!(c, ' '..='~') && c != '\'');
    is_quotable
        && Connection::from_value(connection.conn_id(), value.expose(), dialect)
            .is_ok_and(|read| is_same(&read, connection))
}

fn is_same(one: &Connection, other: &Connection) -> bool {
    // Airflow writes a port 0 in neither form.
    let port = |connection: &Connection| connection.port().filter(|&port| port != 0);
    one.conn_type() == other.conn_type()
        && one.description() == other.description()
        && one.host() == other.host()
        && one.login() == other.login()
        && one.password() == other.password()
        && one.schema() == other.schema()
        && port(one) == port(other)
        && extra(one) == extra(other)
}

/// `extra` as Python would write what it says, or as it is where it is not JSON.
fn extra(connection: &Connection) -> Secret {
    let text = connection.extra().map_or("", Secret::expose);
    let text = if text.is_empty() { "{}" } else { text };
    match json::parse(text, json::MAX_DEPTH).and_then(json::Parsed::strict) {
        Ok(value) => value.to_secret(),
        Err(_) => Secret::from(text),
    }
}

/// JSON without a single quote: it can only stand in a text there.
struct Quotable<'a>(&'a Secret);

impl Written for Quotable<'_> {
    fn write(&self, out: &mut impl Sink) {
        let mut separator = "";
        for part in self.0.expose().split('\'') {
            out.push(separator);
            out.push(part);
            separator = "\\u0027";
        }
    }
}

struct Line {
    name: String,
    value: Secret,
}

impl Written for Line {
    fn write(&self, out: &mut impl Sink) {
        let is_plain = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(
                    c,
                    '_' | '.' | '/' | ':' | '@' | '%' | '+' | ',' | '=' | '-' | '?'
                )
        };
        let quote = if self.value.expose().chars().all(is_plain) {
            ""
        } else {
            "'"
        };
        out.push(&self.name);
        out.push("=");
        out.push(quote);
        out.push(self.value.expose());
        out.push(quote);
    }
}
