//! Documents of a KV engine: a connection's text, or a value.

use crate::{
    Failure, Lookup, Secret,
    python::{
        Written,
        json::{self, Object, Value},
    },
};

/// The members of which a document describes a connection, besides `conn_uri`.
const FIELDS: [&str; 9] = [
    "conn_type",
    "description",
    "host",
    "login",
    "password",
    "schema",
    "port",
    "extra",
    "uri",
];

/// How many names of members a message shows.
const MOST_NAMES: usize = 8;

/// A document: a JSON object, as text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document(Secret);

impl Document {
    /// `json`, if its first character begins an object.
    pub(crate) fn new(json: &str) -> Option<Self> {
        json.starts_with('{').then(|| Self(json.into()))
    }

    fn object(&self) -> Result<Object<'_>, Failure> {
        match json::parse(self.0.expose(), json::MAX_DEPTH).and_then(json::Parsed::strict) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(invalid("the document is not a JSON object")),
            Err(error) => Err(invalid(error.problem())),
        }
    }

    /// A connection's text: `conn_uri`, else the whole document as Python writes it.
    pub(crate) fn conn_value(&self) -> Result<Secret, Failure> {
        let mut object = self.object()?;
        let conn_uri = object.iter().rev().find(|(name, _)| **name == *"conn_uri");
        if conn_uri.is_none_or(|(_, uri)| !uri.is_truthy()) {
            let is_field = |name: &str| name == "conn_uri" || FIELDS.contains(&name);
            if !object.is_empty() && !object.iter().any(|(name, _)| is_field(name)) {
                let names = names(&object);
                return Err(invalid(&format!(
                    "the document has no \"conn_uri\" and no field of a connection; it has: {names}"
                )));
            }
            return Ok(object.to_secret());
        }
        match object.take("conn_uri") {
            Some(Value::String(uri)) => Ok(Secret::from(&*uri)),
            _ => Err(invalid("\"conn_uri\" is not a text")),
        }
    }

    /// The member `value`, as JSON text if it is not text (`VAULT-21`).
    pub(crate) fn value(&self, native_key: &str) -> Result<Lookup<Secret>, Failure> {
        let mut object = self.object()?;
        Ok(match object.take("value") {
            None if object.is_empty() => {
                Lookup::missing_because(native_key, "the document is empty")
            }
            None => {
                let reason = format!("the document has no \"value\"; it has: {}", names(&object));
                Lookup::missing_because(native_key, reason)
            }
            Some(Value::Null) => Lookup::missing_because(native_key, "its \"value\" is null"),
            Some(Value::String(text)) => Lookup::found(Secret::from(&*text), native_key),
            Some(value) => Lookup::found(value.to_secret(), native_key),
        })
    }
}

/// The names of the first members of `object`, without their values.
fn names(object: &Object<'_>) -> String {
    let names = object.iter().map(|(name, _)| format!("{:?}", &**name));
    let mut shown = names.take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    if object.iter().len() > MOST_NAMES {
        shown.push_str(", …");
    }
    shown
}

fn invalid(message: &str) -> Failure {
    Failure::invalid_value(message)
}
