//! The custom secrets backend that settings name, and its keyword arguments.

use serde_json::{Map, Value};

use super::{
    Kwargs, Warning, kwargs_text,
    settings::{RawSetting, Settings, Unreadable},
};
use crate::ConfigurationError;

/// Which of Airflow's processes the settings are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Side {
    /// The scheduler and the API server, all of Airflow 2: `[secrets]`.
    #[default]
    Server,
    /// An Airflow 3 task: `[workers]`, and `[secrets]` as a whole where that names no backend.
    Worker,
}

/// The custom secrets backend that settings name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BackendSpec {
    /// The path of its class in Airflow.
    pub class_path: String,
    /// The setting that named it, such as `[secrets] backend`.
    pub setting: &'static str,
    /// The variable, or file and line, that it was named in.
    pub origin: String,
    /// Its keyword arguments.
    pub kwargs: Kwargs,
    /// The problems in the keyword arguments, which are ignored as in Airflow.
    pub warnings: Vec<Warning>,
}

/// A section with the settings of a custom backend.
struct Keys {
    section: &'static str,
    backend: &'static str,
    kwargs: &'static str,
    setting: &'static str,
    kwargs_setting: &'static str,
    kwarg_variables: &'static str,
}

const SECRETS: Keys = Keys {
    section: "secrets",
    backend: "backend",
    kwargs: "backend_kwargs",
    setting: "[secrets] backend",
    kwargs_setting: "[secrets] backend_kwargs",
    kwarg_variables: "AIRFLOW__SECRETS__BACKEND_KWARG__",
};

const WORKERS: Keys = Keys {
    section: "workers",
    backend: "secrets_backend",
    kwargs: "secrets_backend_kwargs",
    setting: "[workers] secrets_backend",
    kwargs_setting: "[workers] secrets_backend_kwargs",
    kwarg_variables: "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__",
};

impl Settings {
    /// The custom secrets backend for `side`, if settings name one.
    ///
    /// A worker uses `[workers] secrets_backend` with `secrets_backend_kwargs`; where that names
    /// no backend it uses `[secrets] backend` with `backend_kwargs`, and never one section's
    /// backend with the other's arguments.
    ///
    /// # Errors
    /// When one of these settings cannot be read.
    pub fn custom_backend(&self, side: Side) -> Result<Option<BackendSpec>, ConfigurationError> {
        let sections: &[Keys] = match side {
            Side::Server => &[SECRETS],
            Side::Worker => &[WORKERS, SECRETS],
        };
        for keys in sections {
            let named = self.plain(keys.section, keys.backend)?;
            if let Some(named) = named.filter(|named| !named.value.is_empty()) {
                let mut warnings = Vec::new();
                return Ok(Some(BackendSpec {
                    class_path: named.value.expose().to_owned(),
                    setting: keys.setting,
                    origin: named.origin().to_owned(),
                    kwargs: self.kwargs(keys, &mut warnings)?,
                    warnings,
                }));
            }
        }
        Ok(None)
    }

    /// The JSON object, with the single arguments from the environment over it.
    fn kwargs(
        &self,
        keys: &Keys,
        warnings: &mut Vec<Warning>,
    ) -> Result<Kwargs, ConfigurationError> {
        let (origin, values) = match self.first(keys.section, keys.kwargs) {
            Ok(None) => (String::new(), Ok(Map::new())),
            Ok(Some(RawSetting::Value(json))) => (
                json.origin().to_owned(),
                kwargs_text::parse(json.value.expose()),
            ),
            Ok(Some(RawSetting::InBackend { origin, .. })) => {
                let problem =
                    "a secrets backend cannot store its own arguments: set them without _SECRET";
                if keys.section == SECRETS.section {
                    return Err(ConfigurationError::new(
                        keys.kwargs_setting,
                        origin,
                        problem,
                    ));
                }
                (origin, Err(format!("{problem} (SET-8)")))
            }
            Err(Unreadable::CommandFailed(error)) => {
                (error.origin().to_owned(), Err(error.message().to_owned()))
            }
            Err(Unreadable::Invalid(error)) => return Err(error),
        };
        let values = values.unwrap_or_else(|problem| {
            let message = format!("{problem}. Going on without them, as Airflow does");
            warnings.push(Warning::new(keys.kwargs_setting, &origin, message));
            Map::new()
        });
        let mut kwargs = Kwargs::new(keys.kwargs_setting, &origin, values);
        self.add_single_kwargs(keys, &mut kwargs);
        Ok(kwargs)
    }

    /// The arguments that are set by a variable each: texts as they are, never expanded.
    fn add_single_kwargs(&self, keys: &Keys, kwargs: &mut Kwargs) {
        let variables = self.environment().iter();
        let mut single: Vec<_> = variables
            .filter_map(|(name, value)| {
                let kwarg = name.strip_prefix(keys.kwarg_variables)?;
                (!kwarg.is_empty()).then(|| (name, kwarg.to_lowercase(), value))
            })
            .collect();
        // Where two names differ in case alone, upper case, which Airflow documents, wins.
        single.sort_unstable_by_key(|(name, ..)| std::cmp::Reverse(*name));
        for (name, kwarg, value) in single {
            kwargs.set(&kwarg, Value::String(value.to_owned()), name);
        }
    }
}
