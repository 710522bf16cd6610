//! What Airflow looks at when it starts, and refuses to start over.

use super::settings::Settings;
use crate::ConfigurationError;

const LOG_LEVELS: &[&str] = &[
    "CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG",
];

/// The settings that take one of a few values. Empty ones pass.
const CHOICES: [(&str, &str, &[&str]); 11] = [
    (
        "core",
        "default_task_weight_rule",
        &["absolute", "downstream", "upstream"],
    ),
    ("core", "dag_ignore_file_syntax", &["regexp", "glob"]),
    (
        "dag_processor",
        "file_parsing_sort_mode",
        &["modified_time", "random_seeded_by_host", "alphabetical"],
    ),
    ("logging", "logging_level", LOG_LEVELS),
    ("logging", "fab_logging_level", LOG_LEVELS),
    ("logging", "celery_logging_level", LOG_LEVELS),
    ("logging", "uvicorn_logging_level", LOG_LEVELS),
    ("logging", "gunicorn_logging_level", LOG_LEVELS),
    (
        "webserver",
        "analytical_tool",
        &["google_analytics", "metarouter", "segment", "matomo"],
    ),
    (
        "api",
        "grid_view_sorting_order",
        &["topological", "hierarchical_alphabetical"],
    ),
    ("logging", "dag_processor_log_target", &["file", "stdout"]),
];

/// # Errors
/// When a setting is none of the choices it has, over which Airflow does not start.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigurationError> {
    for (section, key, choices) in CHOICES {
        let Some(setting) = settings.plain(section, key)? else {
            continue;
        };
        let value = setting.value.expose();
        if !value.is_empty() && !choices.contains(&value) {
            let message = format!(
                "must be one of {}: Airflow does not start with another",
                choices.join(", ")
            );
            return Err(ConfigurationError::new(
                format!("[{section}] {key}"),
                setting.origin,
                message,
            ));
        }
    }
    Ok(())
}
