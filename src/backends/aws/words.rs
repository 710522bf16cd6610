//! The words by which a document in Secrets Manager may call the fields of a connection.

use serde_json::Value;

#[cfg(feature = "aws-secrets-manager")]
use super::document;
use crate::{Failure, Secret, config::is_truthy};

/// The fields of a connection, in Airflow's order, and the words for each.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(
    /// Empty where documents are taken as they are.
    pub(super) Vec<(&'static str, Vec<String>)>,
);

/// Airflow's own words.
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
    /// Airflow's own words.
    pub(super) fn airflow() -> Self {
        let words = WORDS.iter().map(|(field, words)| {
            let words = words.iter().map(|word| (*word).to_owned());
            (*field, words.collect())
        });
        Self(words.collect())
    }

    /// Further words for `field`, which may also be `user`.
    ///
    /// # Errors
    /// When there is no such field: the names of those there are.
    pub(super) fn add(
        &mut self,
        field: &str,
        words: impl IntoIterator<Item = String>,
    ) -> Result<(), String> {
        let name = if field == "user" { "login" } else { field };
        let known = self.0.iter_mut().find(|(known, _)| *known == name);
        let Some((_, known)) = known else {
            let names = WORDS.map(|(name, _)| name).join(", ");
            return Err(format!(
                "there is no field {field:?} of a connection; there are user, {names}"
            ));
        };
        known.extend(words);
        Ok(())
    }

    /// The argument `extra_conn_words`: an object from fields to what Python's `list.extend` takes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn add_all(&mut self, given: &Value) -> Result<(), String> {
        if !is_truthy(given) {
            return Ok(());
        }
        let wrong = || "must be an object from a field to a list of words".to_owned();
        for (field, words) in given.as_object().ok_or_else(wrong)? {
            // A word that is no text is never a document's key.
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

    /// What Airflow's class makes of a connection's secret.
    ///
    /// # Errors
    /// When the secret is a document that is no JSON.
    #[cfg_attr(
        not(feature = "aws-secrets-manager"),
        allow(clippy::unused_self, clippy::unnecessary_wraps)
    )]
    pub(super) fn conn_value(&self, secret: Secret) -> Result<Secret, Failure> {
        #[cfg(feature = "aws-secrets-manager")]
        if !self.0.is_empty() {
            return document::conn_value(secret, &self.0);
        }
        Ok(secret)
    }
}
