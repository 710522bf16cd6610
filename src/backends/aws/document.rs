//! Connections that Secrets Manager holds as JSON documents, with words of their own for fields.

use crate::{
    Failure, Secret,
    connection::python::{
        Sink, Written,
        json::{self, Value},
        text::strip,
    },
};

/// The text that Airflow's class makes of a secret: as it is, unless it looks like a JSON object;
/// then an object of a connection's own fields. Each field has the value of the first member, in
/// the document's order, whose key is one of its words, a null among them.
pub(super) fn conn_value(
    secret: Secret,
    words: &[(&'static str, Vec<String>)],
) -> Result<Secret, Failure> {
    if !strip(secret.expose()).starts_with('{') {
        return Ok(secret);
    }
    let invalid = |problem: &str| {
        let message = format!("the secret {problem}");
        Failure::invalid_value(message)
    };
    let parsed = json::parse(secret.expose(), json::MAX_DEPTH).and_then(json::Parsed::strict);
    let object = match parsed {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(invalid("is not a JSON object")),
        Err(error) => return Err(invalid(error.problem())),
    };
    let fields = words.iter().map(|(field, words)| {
        let mut members = object.iter();
        let member = members.find(|(key, _)| words.iter().any(|word| **word == **key));
        (*field, member.map(|(_, value)| value))
    });
    Ok(Fields(fields.collect()).to_secret())
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
