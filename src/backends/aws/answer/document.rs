//! Connections that are JSON documents in Secrets Manager, with several keys for each field.

use crate::{
    Failure, Secret,
    python::{
        Sink, Written,
        json::{self, ParseError, Value},
        text::{position, strip},
    },
};

/// How many keys the log names.
const MOST_KEYS: usize = 10;

/// The text that Airflow's class returns for a secret. A secret that begins with `{` becomes an
/// object of a connection's own fields: each has the value of the first member, in the document's
/// order, whose key is one of the field's keys, even if that value is null. Other secrets are
/// returned unchanged.
///
/// Where no member's key is one of these, the result is a connection without any field, as in
/// Airflow, and a warning in the log names the keys of the secret `name`.
pub(crate) fn conn_value(
    secret: Secret,
    words: &[(&'static str, Vec<String>)],
    name: &str,
) -> Result<Secret, Failure> {
    if !strip(secret.expose()).starts_with('{') {
        return Ok(secret);
    }
    let invalid = |problem: &str| {
        let message = format!("the secret {problem}");
        Failure::invalid_value(message)
    };
    let object = match json::parse_strictly(secret.expose(), json::MAX_DEPTH) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(invalid("is not a JSON object")),
        Err((error, at)) => return Err(invalid(&malformed(secret.expose(), error, at))),
    };
    let fields = words.iter().map(|(field, words)| {
        let mut members = object.iter();
        let member = members.find(|(key, _)| words.iter().any(|word| **word == **key));
        (*field, member.map(|(_, value)| value))
    });
    let fields = Fields(fields.collect());
    let is_empty = fields.0.iter().all(|(_, value)| value.is_none());
    if is_empty && object.iter().next().is_some() {
        let keys = object.iter().map(|(key, _)| key.escape_debug().to_string());
        tracing::warn!(
            secret = name,
            "this JSON secret has no key of a connection, which is therefore empty; keys passed \
             over: {}",
            keys.take(MOST_KEYS).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(fields.to_secret())
}

/// What is wrong at byte `at` of a text that is not JSON that can be read.
fn malformed(text: &str, error: ParseError, at: usize) -> String {
    let (line, column) = position(text, at);
    let mistake = match error {
        ParseError::Syntax => json::likely_mistake(text),
        _ => "",
    };
    let problem = error.problem();
    format!("{problem} (line {line}, column {column}){mistake}")
}

/// A connection's fields, with the document's values or null.
struct Fields<'v, 'a>(Vec<(&'static str, Option<&'v Value<'a>>)>);

impl Written for Fields<'_, '_> {
    fn write(&self, out: &mut impl Sink) {
        let mut before = "{\"";
        for (name, value) in &self.0 {
            out.push(before);
            out.push(name);
            out.push("\": ");
            match value {
                Some(value) => value.write(out),
                None => out.push("null"),
            }
            before = ", \"";
        }
        out.push("}");
    }
}
