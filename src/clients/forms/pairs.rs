//! Kafka: librdkafka's options, as texts.

use serde_json::Value;

use super::Pairs;
use crate::clients::{ClientError, Kafka, extra::str_of};

impl Kafka {
    /// librdkafka's options as texts, for `rdkafka`'s `ClientConfig`.
    ///
    /// # Errors
    /// [`ClientError`] where a value is a list or an object.
    pub fn options(&self) -> Result<Pairs, ClientError> {
        let mut out = Pairs::default();
        for (name, value) in self.made.params.iter() {
            match value {
                Value::Array(_) | Value::Object(_) => {
                    let problem = "must be a text, a number or a truth value";
                    return Err(self.made.wrong(name, problem));
                }
                Value::Bool(true) => out.push(name, "true"),
                Value::Bool(false) => out.push(name, "false"),
                other => out.push(name, str_of(other)),
            }
        }
        Ok(out)
    }
}
