//! [`Settings`]: one lookup over environment and `airflow.cfg`, with Airflow's precedence.

use std::{fmt, io, path::Path, path::PathBuf, sync::Arc};

use super::{
    Setting, Warning, command,
    expand::expand,
    options::{Described, described},
    start_checks, typed,
};
use crate::{
    ConfigurationError, Environment, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    background, files,
    python::config_parser::{ConfigParser, OptionNames},
};

/// Airflow's settings, from the environment and `airflow.cfg`. Cheap to clone. `Debug` shows no
/// value.
///
/// A setting is looked for in these places, and the first that sets it wins; `_CMD` and `_SECRET` only
/// for the settings that Airflow marks as sensitive:
///
/// | | place | `$VAR` and `~` expanded | an empty value |
/// |---|---|---|---|
/// | 1 | variable `AIRFLOW__SECTION__KEY` | yes | counts |
/// | 2 | what the command in `AIRFLOW__SECTION__KEY_CMD` prints, within 30 s and 1 MiB | no | counts |
/// | 3 | what the custom backend holds under the name in `AIRFLOW__SECTION__KEY_SECRET` | no | counts |
/// | 4–6 | 1 to 3 under the setting's former name | | |
/// | 7, 8 | `key` in the file, then under its former name | yes | counts |
/// | 9, 10 | what the command in `key_cmd` in the file prints, then under its former name | no | ignored |
/// | 11, 12 | what the custom backend holds under the name in `key_secret` in the file, then under its former name | no | ignored |
/// | 13 | Airflow's default | yes | counts |
///
/// ```
/// use airflow_secrets::{Environment, settings::Settings};
///
/// let environment = Environment::from_iter([
///     ("AIRFLOW_HOME", "/nowhere"),
///     ("AIRFLOW__SECRETS__USE_CACHE", "True"),
/// ]);
/// let settings = Settings::load(&environment)?;
/// assert!(settings.use_cache()?);
/// assert!(!settings.multi_team()?);
/// # Ok::<(), airflow_secrets::ConfigurationError>(())
/// ```
#[derive(Clone)]
pub struct Settings(Arc<Inner>);

struct Inner {
    environment: Environment,
    airflow_home: String,
    file: Option<ConfigFile>,
}

struct ConfigFile {
    path: PathBuf,
    content: ConfigParser,
}

/// The origin of a value that is not set anywhere.
pub(crate) const DEFAULT_ORIGIN: &str = "Airflow's default";

/// The state of one setting before the backend is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawSetting {
    /// Its value.
    Value(Setting),
    /// The custom secrets backend stores it, as configuration entry `config_key`.
    #[non_exhaustive]
    InBackend {
        /// What to ask the backend for.
        config_key: String,
        /// A variable's name, or a file and line.
        origin: String,
    },
}

/// Why the value in a place cannot be read.
pub(super) enum Unreadable {
    /// Its command failed in a way that Airflow reports by itself, so that some callers go on.
    CommandFailed(ConfigurationError),
    /// Anything else: Airflow stops.
    Invalid(ConfigurationError),
}

/// One place where a setting may be.
enum SettingPlace {
    Variable(String),
    VariableCommand(String),
    VariableSecret(String),
    File(String, String),
    FileCommand(String, String),
    FileSecret(String, String),
    Default(&'static str),
}

impl Settings {
    /// Reads the settings that a process with this environment has: `airflow.cfg` is the file that
    /// `AIRFLOW_CONFIG` names, else the one in the folder that `AIRFLOW_HOME` names, else in
    /// `~/airflow`. The file may be absent; it is never written.
    ///
    /// # Errors
    /// When the file cannot be read or is not valid, or where Airflow would refuse to start:
    /// a setting is not one of its choices.
    pub fn load(environment: &Environment) -> Result<Self, ConfigurationError> {
        let path_from = |name: &str, default: &str| {
            expand(environment.get(name).unwrap_or(default), environment)
                .map_err(|problem| ConfigurationError::new(name, "environment", problem))
        };
        let airflow_home = path_from("AIRFLOW_HOME", "~/airflow")?;
        let path = match environment.get("AIRFLOW_CONFIG") {
            Some(_) => PathBuf::from(path_from("AIRFLOW_CONFIG", "")?),
            None => Path::new(&airflow_home).join("airflow.cfg"),
        };
        let without_file = Self(Arc::new(Inner {
            environment: environment.clone(),
            airflow_home: airflow_home.clone(),
            file: None,
        }));
        if without_file.unit_test_mode()? {
            start_checks::check(&without_file)?;
            return Ok(without_file);
        }
        let with_file = Self(Arc::new(Inner {
            environment: environment.clone(),
            airflow_home,
            file: ConfigFile::read(path)?,
        }));
        let settings = if with_file.unit_test_mode()? {
            without_file
        } else {
            with_file
        };
        start_checks::check(&settings)?;
        Ok(settings)
    }

    /// The settings that Airflow would not start with and that no lookup needs, such as an empty
    /// `[logging] logging_level`, after the [warnings of the environment](Environment::warnings).
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let of_environment = self.0.environment.warnings().iter().cloned();
        of_environment.chain(start_checks::warnings(self)).collect()
    }

    /// The environment these settings were read from.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// The folder that `AIRFLOW_HOME` names, `~/airflow` expanded without it.
    #[must_use]
    pub fn airflow_home(&self) -> &str {
        &self.0.airflow_home
    }

    /// The `airflow.cfg` that was read, if there is one.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.0.file.as_ref().map(|file| file.path.as_path())
    }

    /// The state of `[section] key` in the first place that sets it. Runs its command, asks no backend:
    /// that is [`resolve`](Self::resolve)'s.
    ///
    /// # Errors
    /// When the value there cannot be read, or its command fails.
    pub fn get(&self, section: &str, key: &str) -> Result<Option<RawSetting>, ConfigurationError> {
        Ok(self.first(section, key)?)
    }

    /// [`get`](Self::get), for callers that ignore a failing command.
    pub(super) fn first(&self, section: &str, key: &str) -> Result<Option<RawSetting>, Unreadable> {
        let setting = SettingName::new(section, key);
        let found = self.next(&setting, &mut setting.places().into_iter())?;
        Ok(found.map(|(_, given)| given))
    }

    /// The first of `places` that sets it, and what it gives.
    fn next(
        &self,
        setting: &SettingName,
        places: &mut impl Iterator<Item = SettingPlace>,
    ) -> Result<Option<(SettingPlace, RawSetting)>, Unreadable> {
        for place in places {
            if let Some(given) = self.look(&place, setting)? {
                return Ok(Some((place, given)));
            }
        }
        Ok(None)
    }

    /// The value of `[section] key`; `backend` is the custom secrets backend, which is asked for a
    /// value where a `_SECRET` names it; without a backend the `_SECRET` is ignored.
    ///
    /// # Errors
    /// When the value in the first place that sets it cannot be read, its command fails, or
    /// the backend does.
    pub async fn resolve(
        &self,
        section: &str,
        key: &str,
        backend: Option<&dyn SecretsBackend>,
    ) -> Result<Option<Setting>, ConfigurationError> {
        let setting = SettingName::new(section, key);
        let mut places = setting.places().into_iter();
        loop {
            let (settings, name) = (self.clone(), setting.clone());
            // A command may take its time.
            let looked = background::run(move || {
                let found = settings.next(&name, &mut places);
                (places, found)
            });
            let (rest, found) = looked
                .await
                .map_err(|error| setting.error("the environment", error.to_string()))?;
            places = rest;
            let (place, config_key, origin) = match found? {
                None => return Ok(None),
                Some((_, RawSetting::Value(value))) => return Ok(Some(value)),
                Some((place, RawSetting::InBackend { config_key, origin })) => {
                    (place, config_key, origin)
                }
            };
            let Some(backend) = backend else { continue };
            match backend.get_config(&config_key, &LookupOptions::new()).await {
                Ok(Lookup::Found { value, .. }) if !value.is_empty() || place.takes_empty() => {
                    return Ok(Some(setting.setting(value, origin)));
                }
                Ok(_) => {}
                Err(failure) => {
                    let message = format!(
                        "the secrets backend {} could not look it up: {failure}",
                        backend.name()
                    );
                    return Err(setting.error(origin, message));
                }
            }
        }
    }

    /// The value of a setting that no backend can hold.
    pub(super) fn plain(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<Setting>, ConfigurationError> {
        match self.get(section, key)? {
            Some(RawSetting::Value(setting)) => Ok(Some(setting)),
            Some(RawSetting::InBackend { origin, .. }) => Err(SettingName::new(section, key)
                .error(
                    origin,
                    "a secrets backend cannot store its own settings: set it without _SECRET",
                )),
            None => Ok(None),
        }
    }

    fn unit_test_mode(&self) -> Result<bool, ConfigurationError> {
        typed::boolean(self, "core", "unit_test_mode")
    }

    /// The state of the setting in `place`.
    fn look(
        &self,
        place: &SettingPlace,
        setting: &SettingName,
    ) -> Result<Option<RawSetting>, Unreadable> {
        let found = match place {
            SettingPlace::Variable(name)
            | SettingPlace::VariableCommand(name)
            | SettingPlace::VariableSecret(name) => self.variable(name, setting)?,
            SettingPlace::File(section, key)
            | SettingPlace::FileCommand(section, key)
            | SettingPlace::FileSecret(section, key) => self.in_file(section, key, setting)?,
            SettingPlace::Default(text) => Some((
                text.replace("{AIRFLOW_HOME}", &self.0.airflow_home).into(),
                DEFAULT_ORIGIN.to_owned(),
            )),
        };
        let Some((text, origin)) = found else {
            return Ok(None);
        };
        let text = text.expose();
        let value = match place {
            SettingPlace::VariableSecret(_) | SettingPlace::FileSecret(..) => {
                let config_key = text.to_owned();
                return Ok(Some(RawSetting::InBackend { config_key, origin }));
            }
            SettingPlace::Variable(_) | SettingPlace::File(..) | SettingPlace::Default(_) => {
                let expanded = expand(text, self.environment());
                Secret::from(expanded.map_err(|problem| setting.error(&origin, problem))?)
            }
            SettingPlace::VariableCommand(_) | SettingPlace::FileCommand(..) => {
                command::output_of(text, self.environment()).map_err(|failure| {
                    // From the file, Airflow reports every failure in the same way.
                    let is_reported =
                        failure.has_run || matches!(place, SettingPlace::FileCommand(..));
                    let error = setting.error(&origin, failure.message);
                    if is_reported {
                        Unreadable::CommandFailed(error)
                    } else {
                        Unreadable::Invalid(error)
                    }
                })?
            }
        };
        if value.is_empty() && !place.takes_empty() {
            return Ok(None);
        }
        Ok(Some(RawSetting::Value(setting.setting(value, origin))))
    }

    /// The text in variable `name`, and its origin.
    fn variable(
        &self,
        name: &str,
        setting: &SettingName,
    ) -> Result<Option<(Secret, String)>, ConfigurationError> {
        if self.0.environment.is_not_unicode(name) {
            return Err(setting.error(
                name,
                "the variable's value is not UTF-8: set it again as UTF-8 (SET-10)",
            ));
        }
        Ok(self
            .0
            .environment
            .get(name)
            .map(|value| (Secret::from(value), name.to_owned())))
    }

    /// The text of `[section] key` in the file, and its origin.
    fn in_file(
        &self,
        section: &str,
        key: &str,
        setting: &SettingName,
    ) -> Result<Option<(Secret, String)>, ConfigurationError> {
        let Some(file) = &self.0.file else {
            return Ok(None);
        };
        match file.content.interpolated(section, key) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some((value.text, file.origin(value.line)))),
            Some(Err(error)) => Err(setting.error(file.origin(error.line), error.message)),
        }
    }
}

impl From<ConfigurationError> for Unreadable {
    fn from(error: ConfigurationError) -> Self {
        Self::Invalid(error)
    }
}

impl From<Unreadable> for ConfigurationError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::CommandFailed(error) | Unreadable::Invalid(error) => error,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("airflow_home", &self.0.airflow_home)
            .field("config_file", &self.config_file())
            .field("environment", &self.0.environment)
            .finish()
    }
}

impl ConfigFile {
    fn read(path: PathBuf) -> Result<Option<Self>, ConfigurationError> {
        let error = |origin: String, message: String| {
            Err(ConfigurationError::new("airflow.cfg", origin, message))
        };
        let bytes = match files::read(&path) {
            Ok(bytes) => bytes,
            Err(problem) if is_absent(&problem) => return Ok(None),
            Err(problem) => {
                let message = format!("the file cannot be read: {problem} (SET-1)");
                return error(path.display().to_string(), message);
            }
        };
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(problem) => {
                let before = bytes.iter().take(problem.valid_up_to());
                let line = 1 + before.filter(|byte| **byte == b'\n').count();
                let message = "the file is not UTF-8: save it as UTF-8".to_owned();
                return error(format!("{}:{line}", path.display()), message);
            }
        };
        match ConfigParser::read(text, OptionNames::AsWritten) {
            Ok(content) => Ok(Some(Self { path, content })),
            Err(problem) => error(
                format!("{}:{}", path.display(), problem.line),
                problem.message,
            ),
        }
    }

    fn origin(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn is_absent(problem: &io::Error) -> bool {
    matches!(
        problem.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Section and key, in lower case, and Airflow's description of them.
#[derive(Clone)]
struct SettingName {
    section: String,
    key: String,
    described: Option<&'static Described>,
}

impl SettingName {
    fn new(section: &str, key: &str) -> Self {
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        let described = described(&section, &key);
        Self {
            section,
            key,
            described,
        }
    }

    fn setting<T>(&self, value: T, origin: impl Into<String>) -> Setting<T> {
        Setting::new(format!("[{}] {}", self.section, self.key), origin, value)
    }

    fn error(&self, origin: impl Into<String>, message: impl Into<String>) -> ConfigurationError {
        self.setting((), origin).error(message)
    }

    /// Every place where the setting may be; the first that sets it wins.
    fn places(&self) -> Vec<SettingPlace> {
        let is_sensitive = self.described.is_some_and(|option| option.is_sensitive);
        let formerly = self.described.and_then(|option| option.formerly);
        let names = || std::iter::once((self.section.as_str(), self.key.as_str())).chain(formerly);
        let mut places = Vec::new();
        for (section, key) in names() {
            let variable = format!("AIRFLOW__{}__{key}", section.replace('.', "_")).to_uppercase();
            if is_sensitive {
                let command = SettingPlace::VariableCommand(format!("{variable}_CMD"));
                let secret = SettingPlace::VariableSecret(format!("{variable}_SECRET"));
                places.extend([SettingPlace::Variable(variable), command, secret]);
            } else {
                places.push(SettingPlace::Variable(variable));
            }
        }
        let in_file = |place: fn(String, String) -> SettingPlace, suffix: &str| {
            names()
                .map(|(section, key)| place(section.to_owned(), format!("{key}{suffix}")))
                .collect::<Vec<_>>()
        };
        places.extend(in_file(SettingPlace::File, ""));
        if is_sensitive {
            places.extend(in_file(SettingPlace::FileCommand, "_cmd"));
            places.extend(in_file(SettingPlace::FileSecret, "_secret"));
        }
        let default = self.described.and_then(|option| option.default);
        places.extend(default.map(SettingPlace::Default));
        places
    }
}

impl SettingPlace {
    /// Whether an empty value from there counts.
    fn takes_empty(&self) -> bool {
        !matches!(self, Self::FileCommand(..) | Self::FileSecret(..))
    }
}
