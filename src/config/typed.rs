//! The settings that this crate reads, typed.

use std::time::Duration;

use super::{Setting, Settings};
use crate::{
    ConfigurationError, SecretsBackend,
    python::{number, text::strip},
};

impl Settings {
    /// `[core] multi_team`: whether connections and variables belong to teams.
    ///
    /// # Errors
    /// When it is not a boolean.
    pub fn multi_team(&self) -> Result<bool, ConfigurationError> {
        boolean(self, "core", "multi_team")
    }

    /// `[secrets] use_cache`: whether answers are cached (feature `cache`).
    ///
    /// # Errors
    /// When it is not a boolean.
    pub fn use_cache(&self) -> Result<bool, ConfigurationError> {
        boolean(self, "secrets", "use_cache")
    }

    /// `[secrets] cache_ttl_seconds`: how long an answer is cached, 900 seconds by default.
    /// A negative value means that nothing is cached.
    ///
    /// # Errors
    /// When it is not a whole number.
    pub fn cache_ttl(&self) -> Result<Duration, ConfigurationError> {
        let (section, key) = ("secrets", "cache_ttl_seconds");
        let Some(setting) = self.plain(section, key)? else {
            return Ok(Duration::ZERO);
        };
        match integer(setting.value.expose()) {
            Some(seconds) => Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            None => Err(setting.error("must be a whole number of seconds")),
        }
    }

    /// `[core] fernet_key`: one or more keys with commas between, or `None` where it is not set.
    /// Airflow generates one when it first writes `airflow.cfg`; this crate never does.
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
    /// where it is not set. The scheme `postgres`, which SQLAlchemy no longer knows, becomes
    /// `postgresql`, as in Airflow.
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
                Some(rest) => setting.with(format!("postgresql://{rest}").into()),
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

/// The settings of other kinds that a source is set up from.
#[cfg(feature = "execution-api")]
impl Settings {
    /// `[section] key` as text, which may be empty.
    ///
    /// # Errors
    /// When it is set in a way that cannot be read.
    pub(crate) fn text(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<Setting>, ConfigurationError> {
        self.plain(section, key)
    }

    /// `[section] key`, which has a default, as Airflow's `getboolean` reads it.
    ///
    /// # Errors
    /// When it is not a boolean.
    pub(crate) fn flag(&self, section: &str, key: &str) -> Result<bool, ConfigurationError> {
        boolean(self, section, key)
    }

    /// `[section] key` as Airflow's `getint` reads it.
    ///
    /// # Errors
    /// When it is not a whole number.
    pub(crate) fn integer(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<Setting<i64>>, ConfigurationError> {
        let Some(setting) = self.plain(section, key)? else {
            return Ok(None);
        };
        match integer(setting.value.expose()) {
            Some(number) => Ok(Some(setting.with(number))),
            None => Err(setting.error("must be a whole number")),
        }
    }

    /// `[section] key` as Airflow's `getfloat` reads it.
    ///
    /// # Errors
    /// When it is not a number.
    pub(crate) fn number(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<Setting<f64>>, ConfigurationError> {
        let Some(setting) = self.plain(section, key)? else {
            return Ok(None);
        };
        match number::float(setting.value.expose()) {
            Some(number) => Ok(Some(setting.with(number))),
            None => Err(setting.error("must be a number")),
        }
    }
}

/// `[section] key` as Airflow's `getboolean` reads it: in any case, with white space around it and
/// a comment behind.
pub(super) fn boolean(
    settings: &Settings,
    section: &str,
    key: &str,
) -> Result<bool, ConfigurationError> {
    let Some(setting) = settings.plain(section, key)? else {
        return Ok(false);
    };
    let value = read_boolean(setting.value.expose());
    value.ok_or_else(|| setting.error("must be True or False"))
}

pub(super) fn read_boolean(text: &str) -> Option<bool> {
    let text = text.to_lowercase();
    let text = text.split('#').next().unwrap_or_default();
    match strip(text) {
        "t" | "true" | "1" => Some(true),
        "f" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number as Airflow's `getint` reads it: as Python's `int` does, or as `float` does one
/// without a fraction.
pub(super) fn integer(text: &str) -> Option<i64> {
    number::int(text).or_else(|| {
        let float = number::float(text)?;
        let is_whole = float.is_finite() && float.fract() == 0.0;
        is_whole.then(|| format!("{float:.0}").parse().ok())?
    })
}
