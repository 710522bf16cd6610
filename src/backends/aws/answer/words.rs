//! The keys that a JSON document in Secrets Manager may use for the fields of a connection.

use serde_json::Value;

#[cfg(feature = "aws-secrets-manager")]
use super::document;
use crate::{Failure, Secret, python::truth::is_truthy};

/// The fields of a connection, in Airflow's order, and the keys for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words(
    /// Empty where documents are returned unchanged.
    pub(crate) Vec<(&'static str, Vec<String>)>,
);

/// Airflow's own keys.
const WORDS: [(&str, &[&str]); 7] = [
    ("login", &["login", "user", "username", "user_name"]),
    ("password", &["password", "pass", "key"]),
    ("host", &["host", "remote_host", "server"]),
    ("port", &["port"]),
    ("schema", &["database", "schema"]),
    (
        "conn_type",
        &["conn_type", "conn_id", "connection_type", "engine"],
    ),
    ("extra", &["extra"]),
];

impl Words {
    /// Airflow's own keys.
    pub(crate) fn airflow() -> Self {
        let words = WORDS.iter().map(|(field, words)| {
            let words = words.iter().map(|word| (*word).to_owned());
            (*field, words.collect())
        });
        Self(words.collect())
    }

    /// Adds keys for `field`, which may also be `user`.
    ///
    /// # Errors
    /// When the field does not exist: the names of the fields.
    pub(crate) fn add(
        &mut self,
        field: &str,
        words: impl IntoIterator<Item = String>,
    ) -> Result<(), String> {
        let name = if field == "user" { "login" } else { field };
        let known = self.0.iter_mut().find(|(known, _)| *known == name);
        let Some((_, known)) = known else {
            let names = WORDS.map(|(name, _)| name).join(", ");
            return Err(format!(
                "a connection has no field {field:?}; the fields are user, {names} (AWS-1)"
            ));
        };
        known.extend(words);
        Ok(())
    }

    /// Reads the argument `extra_conn_words`: an object from fields to what Python's `list.extend`
    /// accepts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn add_all(&mut self, given: &Value) -> Result<(), String> {
        if !is_truthy(given) {
            return Ok(());
        }
        let wrong = || "must be an object from a field to a list of keys (AWS-32)".to_owned();
        for (field, words) in given.as_object().ok_or_else(wrong)? {
            // A word that is not text never matches a document's key.
            let words: Vec<String> = match words {
                Value::Array(words) => words
                    .iter()
                    .filter_map(|word| word.as_str().map(str::to_owned))
                    .collect(),
                Value::String(letters) => letters.chars().map(String::from).collect(),
                Value::Object(words) => words.keys().cloned().collect(),
                _ => return Err(wrong()),
            };
            self.add(field, words)?;
        }
        Ok(())
    }

    /// The text that Airflow's class returns for a connection's secret.
    ///
    /// # Errors
    /// When the secret begins as a JSON object and is not valid JSON.
    #[cfg_attr(
        not(feature = "aws-secrets-manager"),
        allow(unused_variables, clippy::unused_self, clippy::unnecessary_wraps)
    )]
    pub(crate) fn conn_value(&self, secret: Secret, name: &str) -> Result<Secret, Failure> {
        #[cfg(feature = "aws-secrets-manager")]
        if !self.0.is_empty() {
            return document::conn_value(secret, &self.0, name);
        }
        Ok(secret)
    }
}
