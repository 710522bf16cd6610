//! Documents: from what a KV engine holds to a connection's text or a value.

use crate::{
    Failure, Lookup, Secret,
    backends::local_filesystem::str_of_json,
    connection::python::{
        Written,
        json::{self, Object, Value},
    },
};

/// A document: a JSON object, as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document(Secret);

impl Document {
    /// `json` if it is an object, as far as its first character tells.
    pub(super) fn new(json: &str) -> Option<Self> {
        json.starts_with('{').then(|| Self(json.into()))
    }

    fn object(&self) -> Result<Object<'_>, Failure> {
        match json::parse(self.0.expose(), json::MAX_DEPTH).and_then(json::Parsed::strict) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(invalid("the document is not a JSON object")),
            Err(error) => Err(invalid(error.problem())),
        }
    }

    /// What describes a connection: `conn_uri`, else the whole document as Python writes it.
    pub(super) fn conn_value(&self) -> Result<Secret, Failure> {
        let mut object = self.object()?;
        let conn_uri = object.iter().rev().find(|(name, _)| **name == *"conn_uri");
        if conn_uri.is_none_or(|(_, uri)| !uri.is_truthy()) {
            return Ok(object.to_secret());
        }
        match object.take("conn_uri") {
            Some(Value::String(uri)) => Ok(Secret::from(&*uri)),
            _ => Err(invalid("\"conn_uri\" is not a text")),
        }
    }

    /// Its `value`; one that is no text as Python's `str` shows it.
    pub(super) fn value(&self, native_key: &str) -> Result<Lookup<Secret>, Failure> {
        Ok(match self.object()?.take("value") {
            None => Lookup::missing_because(native_key, "the document has no \"value\""),
            Some(Value::Null) => Lookup::missing_because(native_key, "its \"value\" is null"),
            Some(Value::String(text)) => Lookup::found(Secret::from(&*text), native_key),
            Some(value) => {
                let text = str_of_json(&value).ok_or_else(|| invalid("\"value\" is too long"))?;
                Lookup::found(text, native_key)
            }
        })
    }
}

fn invalid(message: &str) -> Failure {
    Failure::invalid_value(message)
}
