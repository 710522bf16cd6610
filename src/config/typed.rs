//! The settings that this crate reads, typed.

use std::time::Duration;

use super::{
    python_text::strip,
    settings::{Setting, Settings},
};
use crate::{ConfigurationError, SecretsBackend};

impl Settings {
    /// `[core] multi_team`: whether connections and variables belong to teams.
    ///
    /// # Errors
    /// When it is no boolean.
    pub fn multi_team(&self) -> Result<bool, ConfigurationError> {
        boolean(self, "core", "multi_team")
    }

    /// `[secrets] use_cache`: whether Airflow remembers answers.
    ///
    /// # Errors
    /// When it is no boolean.
    pub fn use_cache(&self) -> Result<bool, ConfigurationError> {
        boolean(self, "secrets", "use_cache")
    }

    /// `[secrets] cache_ttl_seconds`: how long Airflow remembers an answer, 900 seconds by default.
    /// A negative one is none at all.
    ///
    /// # Errors
    /// When it is no whole number.
    pub fn cache_ttl(&self) -> Result<Duration, ConfigurationError> {
        let (section, key) = ("secrets", "cache_ttl_seconds");
        let Some(Setting { value, origin }) = self.plain(section, key)? else {
            return Ok(Duration::ZERO);
        };
        match integer(value.expose()) {
            Some(seconds) => Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            None => Err(error(section, key, origin, "must be a whole number")),
        }
    }

    /// `[core] fernet_key`: one or more keys with commas between, or `None` where there is none.
    /// Airflow makes one up when it first writes `airflow.cfg`; this crate never does.
    ///
    /// # Errors
    /// When it is set in a way that cannot be read.
    pub async fn fernet_key(
        &self,
        backend: Option<&dyn SecretsBackend>,
    ) -> Result<Option<Setting>, ConfigurationError> {
        let setting = self.resolve("core", "fernet_key", backend).await?;
        Ok(setting.filter(|setting| !setting.value.is_empty()))
    }

    /// `[database] sql_alchemy_conn`: the URL of the metadata DB, `airflow.db` in the Airflow home
    /// where nothing names one. The scheme `postgres`, which SQLAlchemy no longer knows, becomes
    /// `postgresql`, as Airflow has it.
    ///
    /// # Errors
    /// When it is set in a way that cannot be read.
    pub async fn sql_alchemy_conn(
        &self,
        backend: Option<&dyn SecretsBackend>,
    ) -> Result<Option<Setting>, ConfigurationError> {
        let setting = self
            .resolve("database", "sql_alchemy_conn", backend)
            .await?;
        Ok(setting.map(|setting| {
            let url = setting.value.expose();
            let rest = ["postgres://", "postgres+psycopg2://"]
                .iter()
                .find_map(|scheme| url.strip_prefix(scheme));
            match rest {
                Some(rest) => Setting {
                    value: format!("postgresql://{rest}").into(),
                    ..setting
                },
                None => setting,
            }
        }))
    }

    /// `[database] sql_alchemy_schema`: the schema of the metadata DB's tables, or `None` for the
    /// database's own default.
    ///
    /// # Errors
    /// When it is set in a way that cannot be read.
    pub fn sql_alchemy_schema(&self) -> Result<Option<Setting>, ConfigurationError> {
        let setting = self.plain("database", "sql_alchemy_schema")?;
        Ok(setting.filter(|setting| !setting.value.is_empty()))
    }
}

/// `[section] key` as Airflow's `getboolean` reads it: in any case, with white space around it and
/// a comment behind.
pub(super) fn boolean(
    settings: &Settings,
    section: &str,
    key: &str,
) -> Result<bool, ConfigurationError> {
    let Some(Setting { value, origin }) = settings.plain(section, key)? else {
        return Ok(false);
    };
    let text = value.expose().to_lowercase();
    let text = text.split('#').next().unwrap_or_default();
    match strip(text) {
        "t" | "true" | "1" => Ok(true),
        "f" | "false" | "0" => Ok(false),
        _ => Err(error(section, key, origin, "must be True or False")),
    }
}

/// A whole number as Airflow's `getint` reads it: as Python's `int` does, or as `float` does one
/// without a fraction.
fn integer(text: &str) -> Option<i64> {
    // Python strips a text of ASCII alone of ASCII's white space alone.
    let text = if text.is_ascii() {
        text.trim()
    } else {
        strip(text)
    };
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let mut parts = text.split('_').peekable();
    while let Some(part) = parts.next() {
        if let Some(next) = parts.peek()
            && !(is_digit(part.chars().next_back()) && is_digit(next.chars().next()))
        {
            return None;
        }
    }
    let text = text.replace('_', "");
    if let Ok(integer) = text.parse() {
        return Some(integer);
    }
    let float: f64 = text.parse().ok()?;
    if !float.is_finite() || float.fract() != 0.0 {
        return None;
    }
    format!("{float:.0}").parse().ok()
}

fn error(section: &str, key: &str, origin: String, message: &str) -> ConfigurationError {
    ConfigurationError::new(format!("[{section}] {key}"), origin, message)
}
