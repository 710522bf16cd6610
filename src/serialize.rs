//! `Serialize` for what holds no secret: reports, errors, warnings. Secrets and connections do not
//! implement it;
//! [`Connection::redacted`](crate::Connection::redacted) can be serialized.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::{
    ConfigurationError, Error, ErrorKind, Failure,
    backend::{FailureKind, Freshness, SkipReason},
    config::Warning,
    report::{Asked, Attempt, Check, Report, Source, Sources},
};

/// As the text that `Display` gives.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(ErrorKind, Freshness, SkipReason, Source, Warning);

impl Serialize for FailureKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `{"conn_id": …}` or `{"key": …}`.
impl Serialize for Asked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Asked", 1)?;
        object.serialize_field(self.id_name(), self.id())?;
        object.end()
    }
}

/// `{"kind", "native_key", "message", "is_transient", "retry_after"}`, the last in seconds.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let retry_after = self.retry_after().map(|pause| pause.as_secs_f64());
        let mut object = serializer.serialize_struct("Failure", 5)?;
        object.serialize_field("kind", &self.kind())?;
        object.serialize_field("native_key", &self.native_key())?;
        object.serialize_field("message", self.message())?;
        object.serialize_field("is_transient", &self.is_transient())?;
        object.serialize_field("retry_after", &retry_after)?;
        object.end()
    }
}

/// `{"backend", "outcome", "native_key", "message"}`.
impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Attempt", 4)?;
        object.serialize_field("backend", self.backend())?;
        object.serialize_field("outcome", self.outcome().as_str())?;
        object.serialize_field("native_key", &self.native_key())?;
        object.serialize_field("message", &self.outcome().message())?;
        object.end()
    }
}

/// `{"backend", "outcome", "native_key", "message"}`.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Check", 4)?;
        object.serialize_field("backend", self.backend())?;
        object.serialize_field("outcome", self.as_str())?;
        object.serialize_field("native_key", &self.native_key())?;
        object.serialize_field("message", &self.message())?;
        object.end()
    }
}

/// `{"attempts", "warnings"}`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Report", 2)?;
        object.serialize_field("attempts", self.attempts())?;
        object.serialize_field("warnings", self.warnings())?;
        object.end()
    }
}

/// `{"names", "airflow_home", "config_file"}`.
impl Serialize for Sources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |path: &std::path::Path| path.display().to_string();
        let names = self.names().collect::<Vec<_>>();
        let mut object = serializer.serialize_struct("Sources", 3)?;
        object.serialize_field("names", &names)?;
        object.serialize_field("airflow_home", &self.airflow_home().map(text))?;
        object.serialize_field("config_file", &self.config_file().map(text))?;
        object.end()
    }
}

/// `{"setting", "origin", "message"}`.
impl Serialize for ConfigurationError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ConfigurationError", 3)?;
        object.serialize_field("setting", self.setting())?;
        object.serialize_field("origin", self.origin())?;
        object.serialize_field("message", self.message())?;
        object.end()
    }
}

/// `{"conn_id" or "key", "error", "message", "attempts"}`; without the first where nothing was
/// asked yet.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attempts = self.report().map(Report::attempts).unwrap_or_default();
        let mut object = serializer.serialize_struct("Error", 4)?;
        if let Some(asked) = self.asked() {
            object.serialize_field(asked.id_name(), asked.id())?;
        }
        object.serialize_field("error", &self.kind())?;
        object.serialize_field("message", &self.to_string())?;
        object.serialize_field("attempts", attempts)?;
        object.end()
    }
}
