//! The checks that Airflow makes when it starts; where one fails, it does not start. Here a setting that
//! is not one of its choices is an error, and any other that no lookup needs a warning.

use super::{
    Warning,
    settings::Settings,
    typed::{integer, read_boolean},
};
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
/// When a setting is not one of its choices, with which Airflow does not start.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigurationError> {
    for (section, key, choices) in CHOICES {
        let Some(setting) = settings.plain(section, key)? else {
            continue;
        };
        let value = setting.value.expose();
        if !value.is_empty() && !choices.contains(&value) {
            let message = format!(
                "must be one of {}: with any other value Airflow does not start",
                choices.join(", ")
            );
            return Err(setting.error(message));
        }
    }
    Ok(())
}

/// The form of a setting that no lookup reads.
#[derive(Clone, Copy)]
enum Form {
    NotEmpty,
    Boolean,
    Integer,
    Json,
}

impl Form {
    fn is_met_by(self, text: &str) -> bool {
        match self {
            Self::NotEmpty => !text.is_empty(),
            Self::Boolean => read_boolean(text).is_some(),
            Self::Integer => integer(text).is_some(),
            // Airflow treats an empty text as not set.
            Self::Json => {
                text.is_empty() || serde_json::from_str::<serde_json::Value>(text).is_ok()
            }
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::NotEmpty => "must not be empty",
            Self::Boolean => "must be True or False",
            Self::Integer => "must be a whole number",
            Self::Json => "must be JSON",
        }
    }
}

/// Those that Airflow reads when it starts.
const UNREAD: [(&str, &str, Form); 13] = [
    ("logging", "logging_level", Form::NotEmpty),
    ("logging", "fab_logging_level", Form::NotEmpty),
    ("logging", "colored_console_log", Form::Boolean),
    ("logging", "remote_logging", Form::Boolean),
    ("core", "lazy_load_plugins", Form::Boolean),
    ("core", "hide_sensitive_var_conn_fields", Form::Boolean),
    ("database", "sql_alchemy_pool_enabled", Form::Boolean),
    ("database", "sql_alchemy_pool_pre_ping", Form::Boolean),
    ("database", "sql_alchemy_pool_size", Form::Integer),
    ("database", "sql_alchemy_pool_recycle", Form::Integer),
    ("database", "sql_alchemy_max_overflow", Form::Integer),
    ("database", "sql_alchemy_engine_args", Form::Json),
    ("database", "sql_alchemy_connect_args", Form::NotEmpty),
];

/// The settings that stop Airflow, and that no lookup here needs.
pub(super) fn warnings(settings: &Settings) -> Vec<Warning> {
    let warnings = UNREAD.iter().filter_map(|(section, key, form)| {
        // One that cannot be read at all is not read here either.
        let setting = settings.plain(section, key).ok()??;
        let is_met = form.is_met_by(setting.value.expose());
        (!is_met).then(|| {
            setting.warning(format!(
                "{}: with this value Airflow does not start; it is ignored here (SET-19)",
                form.expected()
            ))
        })
    });
    warnings.collect()
}
