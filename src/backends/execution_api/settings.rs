//! Options from Airflow's settings: those that its own client of the Execution API reads.

use std::{path::PathBuf, time::Duration};

use super::{ExecutionApiBuilder, client::Trust};
use crate::{
    ConfigurationError, Secret,
    backends::{http_options::ClientCertificate, retry::RetryOptions},
    config::{Setting, Settings},
};

/// Before a `[api] base_url` that is empty or a path.
const BASE: &str = "http://localhost:8080";

/// The API below `[api] base_url`.
const PATH: &str = "/execution/";

impl ExecutionApiBuilder {
    /// A builder with what Airflow's settings say; the token alone is still to be given.
    ///
    /// | setting | what it sets |
    /// |---|---|
    /// | `[core] execution_api_server_url` | [`url`](Self::url); without it `[api] base_url` with `/execution/` behind it, on `http://localhost:8080` where that is empty or a path |
    /// | `[workers] execution_api_timeout` | [`attempt_timeout`](Self::attempt_timeout) |
    /// | `[workers] execution_api_retries` | how often a request is sent: one more than [`RetryOptions::with_max_retries`] |
    /// | `[workers] execution_api_retry_wait_min`, `…_max` | the pauses of [`retries`](Self::retries) |
    /// | `[api] ssl_ca_file` | the authorities that are trusted in place of the machine's |
    /// | `[api] ssl_cert` | a certificate that is trusted besides |
    /// | `[api] client_use_public_certs` | whether Mozilla's authorities are trusted besides |
    /// | `[api] client_ssl_cert`, `client_ssl_key` | the client certificate |
    ///
    /// The environment is that of the settings.
    ///
    /// # Errors
    /// When a setting is invalid.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigurationError> {
        let mut builder = Self::default().environment(settings.environment());
        builder.url = url(settings)?;
        builder.trust = trust(settings)?;
        builder.http.client_certificate = client_certificate(settings)?;
        if let Some(limit) = settings.number("workers", "execution_api_timeout")? {
            if limit.value.is_nan() || limit.value <= 0.0 {
                return Err(limit.error("must be a number of seconds above 0"));
            }
            builder = builder.attempt_timeout(seconds(limit.value));
        }
        Ok(builder.retries(retries(settings)?))
    }
}

fn url(settings: &Settings) -> Result<Setting<Secret>, ConfigurationError> {
    if let Some(url) = settings.text("core", "execution_api_server_url")? {
        return Ok(url);
    }
    let base = settings.text("api", "base_url")?;
    let base =
        base.unwrap_or_else(|| Setting::new("[api] base_url", "Airflow's default", "".into()));
    let text = base.value.expose();
    let is_path = text.is_empty() || text.starts_with('/');
    let before = if is_path { BASE } else { "" };
    let url = format!("{before}{}{PATH}", text.trim_end_matches('/'));
    Ok(base.with(url.into()))
}

fn retries(settings: &Settings) -> Result<RetryOptions, ConfigurationError> {
    let mut retries = RetryOptions::new();
    if let Some(attempts) = settings.integer("workers", "execution_api_retries")? {
        // There is always a first attempt.
        let repeats = attempts.value.saturating_sub(1).max(0);
        retries = retries.with_max_retries(u32::try_from(repeats).unwrap_or(u32::MAX));
    }
    let pause = |key| {
        let Some(pause) = settings.number("workers", key)? else {
            return Ok(None);
        };
        if pause.value.is_nan() {
            return Err(pause.error("must be a number of seconds"));
        }
        Ok(Some(seconds(pause.value)))
    };
    let first = pause("execution_api_retry_wait_min")?;
    let longest = pause("execution_api_retry_wait_max")?;
    if let Some(longest) = longest {
        retries = retries.with_longest_pause(longest);
    }
    if let Some(first) = first {
        retries = retries.with_first_pause(first.min(longest.unwrap_or(first)));
    }
    Ok(retries)
}

/// A negative number of seconds is none, and one that is too large the longest time.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn trust(settings: &Settings) -> Result<Trust, ConfigurationError> {
    Ok(Trust {
        ca_file: path(settings, "ssl_ca_file")?,
        certificate: path(settings, "ssl_cert")?,
        mozilla: settings.flag("api", "client_use_public_certs")?,
    })
}

fn client_certificate(
    settings: &Settings,
) -> Result<Option<Setting<ClientCertificate>>, ConfigurationError> {
    let certificate = path(settings, "client_ssl_cert")?;
    let key = path(settings, "client_ssl_key")?;
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let key = Some(key.value);
            Ok(Some(certificate.map(|certificate| {
                ClientCertificate::Files { certificate, key }
            })))
        }
        (Some(alone), None) => Err(alone.error("needs [api] client_ssl_key, which is not set")),
        (None, Some(alone)) => Err(alone.error("needs [api] client_ssl_cert, which is not set")),
    }
}

/// The file that `[api] key` names; an empty text names none.
fn path(settings: &Settings, key: &str) -> Result<Option<Setting<PathBuf>>, ConfigurationError> {
    let path = settings.text("api", key)?;
    let path = path.filter(|path| !path.value.is_empty());
    Ok(path.map(|path| {
        let file = PathBuf::from(path.value.expose());
        path.with(file)
    }))
}
