//! The files of `airflow connections export` and `airflow variables export`.

use std::{borrow::Cow, ops::Deref};

use super::{EnvForm, ExportError};
use crate::{
    Connection, Secret,
    python::{
        Sink, Text, Written,
        json::{Object, Value},
        text::{is_line_end, is_space},
    },
};

/// Longer keys than this are written in YAML's other form, since a key of the usual one ends within 1,024
/// characters.
const LONG_KEY: usize = 100;

/// A connection's fields as Airflow's export has them, with their order.
fn fields(connection: &Connection) -> [(&'static str, Value<'_>); 8] {
    fn text(text: Option<&str>) -> Value<'_> {
        text.map_or(Value::Null, |text| Value::String(Text::Borrowed(text)))
    }
    fn secret(secret: Option<&Secret>) -> Value<'_> {
        text(secret.map(Secret::expose))
    }
    let port = match connection.port() {
        Some(port) => Value::Int(Cow::Owned(port.to_string())),
        None => Value::Null,
    };
    [
        ("conn_type", text(connection.conn_type())),
        ("description", text(connection.description())),
        ("login", text(connection.login())),
        ("password", secret(connection.password())),
        ("host", text(connection.host())),
        ("port", port),
        ("schema", text(connection.schema())),
        ("extra", secret(connection.extra())),
    ]
}

fn write_text(text: &str, out: &mut impl Sink) {
    Value::String(Text::Borrowed(text)).write(out);
}

/// `json.dumps({conn_id: fields, …}, indent=2)`.
pub(super) struct JsonFile<'c, C>(pub(super) &'c [C]);

impl<C: Deref<Target = Connection>> Written for JsonFile<'_, C> {
    fn write(&self, out: &mut impl Sink) {
        let mut before = "{\n  ";
        for connection in self.0 {
            out.push(before);
            write_text(connection.conn_id(), out);
            let mut before_field = ": {\n    ";
            for (name, value) in fields(connection) {
                out.push(before_field);
                write_text(name, out);
                out.push(": ");
                value.write(out);
                before_field = ",\n    ";
            }
            out.push("\n  }");
            before = ",\n  ";
        }
        out.push(if self.0.is_empty() { "{}" } else { "\n}" });
    }
}

/// The same in YAML.
pub(super) struct YamlFile<'c, C>(pub(super) &'c [C]);

impl<C: Deref<Target = Connection>> Written for YamlFile<'_, C> {
    fn write(&self, out: &mut impl Sink) {
        for connection in self.0 {
            let is_long = connection.conn_id().len() > LONG_KEY;
            out.push(if is_long { "? " } else { "" });
            yaml_text(connection.conn_id(), out);
            out.push(if is_long { "\n:\n" } else { ":\n" });
            for (name, value) in fields(connection) {
                out.push("  ");
                out.push(name);
                out.push(": ");
                match &value {
                    Value::String(text) => yaml_text(text, out),
                    value => value.write(out),
                }
                out.push("\n");
            }
        }
        if self.0.is_empty() {
            out.push("{}\n");
        }
    }
}

/// `text` between double quotes. What does not print is escaped, and so is what is beyond ASCII: the text
/// reads the same whatever a reader takes for printable, and whatever breaks a line for it.
fn yaml_text(text: &str, out: &mut impl Sink) {
    out.push("\"");
    for character in text.chars() {
        match character {
            '"' => out.push("\\\""),
            '\\' => out.push("\\\\"),
            ' '..='~' => out.push(character.encode_utf8(&mut [0; 4])),
            _ => {
                let number = u32::from(character);
                let (mark, digits) = match number {
                    0..=0xff => ("\\x", 2),
                    0x100..=0xffff => ("\\u", 4),
                    _ => ("\\U", 8),
                };
                out.push(mark);
                for place in (0..digits).rev() {
                    let digit = char::from_digit(number >> (4 * place) & 0xf, 16);
                    out.push(digit.unwrap_or_default().encode_utf8(&mut [0; 4]));
                }
            }
        }
    }
    out.push("\"");
}

/// A line `conn_id=…` for each.
pub(super) struct EnvFile<'c, C>(pub(super) &'c [C], pub(super) EnvForm);

impl<C: Deref<Target = Connection>> Written for EnvFile<'_, C> {
    fn write(&self, out: &mut impl Sink) {
        for connection in self.0 {
            out.push(connection.conn_id());
            out.push("=");
            match self.1 {
                EnvForm::Uri => out.push(connection.get_uri().expose()),
                EnvForm::Json => {
                    let fields = fields(connection);
                    let fields = fields.map(|(name, value)| (Text::Borrowed(name), value));
                    fields.into_iter().collect::<Object<'_>>().write(out);
                }
            }
            out.push("\n");
        }
    }
}

/// Checks that the connection's line is read back as one.
pub(super) fn check_line(connection: &Connection, form: EnvForm) -> Result<(), ExportError> {
    let is_end = |c| is_line_end(c) || c == '\r';
    let conn_id = connection.conn_id();
    let problem = if conn_id.is_empty() {
        "its id is empty, which no line can begin with"
    } else if conn_id.contains('=') {
        "its id contains a '=', which ends the id in a line"
    } else if conn_id.trim_start_matches(is_space).starts_with('#') {
        "its id begins with a '#', which makes a comment of a line"
    } else if conn_id.contains(is_end) {
        "its id contains a line's end"
    } else if form == EnvForm::Uri && connection.get_uri().expose().contains(is_end) {
        "its type, or the protocol of its host, contains a line's end"
    } else {
        return Ok(());
    };
    Err(ExportError::connection(conn_id, problem))
}

/// `json.dumps({key: text, …}, indent=4)`.
pub(super) struct VariablesFile<'v>(pub(super) &'v [(&'v str, &'v Secret)]);

impl Written for VariablesFile<'_> {
    fn write(&self, out: &mut impl Sink) {
        let mut before = "{\n    ";
        for (key, value) in self.0 {
            out.push(before);
            write_text(key, out);
            out.push(": ");
            write_text(value.expose(), out);
            before = ",\n    ";
        }
        out.push(if self.0.is_empty() { "{}" } else { "\n}" });
    }
}
