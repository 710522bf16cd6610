//! [`Settings`]: one lookup over environment and `airflow.cfg`, with Airflow's precedence.

use std::{fmt, fs, io, path::Path, path::PathBuf, sync::Arc};

use super::{
    airflow_cfg::AirflowCfg,
    command,
    expand::expand,
    options::{Described, described},
    start_checks, typed,
};
use crate::{ConfigurationError, Environment, Lookup, Secret, SecretsBackend};

/// Airflow's settings, from the environment and `airflow.cfg`. Cheap to clone. `Debug` shows no
/// value.
///
/// A setting is looked for in these places, the first that has it wins; `_CMD` and `_SECRET` only
/// for the settings that Airflow marks as sensitive:
///
/// | | place | `$VAR` and `~` expanded | an empty value |
/// |---|---|---|---|
/// | 1 | variable `AIRFLOW__SECTION__KEY` | yes | counts |
/// | 2 | what the command in `AIRFLOW__SECTION__KEY_CMD` prints | no | counts |
/// | 3 | what the custom backend has under the name in `AIRFLOW__SECTION__KEY_SECRET` | no | counts |
/// | 4–6 | 1 to 3 under the setting's former name | | |
/// | 7, 8 | `key` in the file, then under its former name | yes | counts |
/// | 9, 10 | what the command in `key_cmd` in the file prints, then under its former name | no | passed over |
/// | 11, 12 | what the custom backend has under the name in `key_secret` in the file, then under its former name | no | passed over |
/// | 13 | Airflow's default | yes | counts |
///
/// ```
/// use airflow_secrets::{Environment, Settings};
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
    content: AirflowCfg,
}

/// The origin of a value that nobody set.
pub(crate) const DEFAULT_ORIGIN: &str = "Airflow's default";

/// A setting's value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value; an empty one is a value.
    pub value: Secret,
    /// A variable's name, or a file and line.
    pub origin: String,
}

/// What a place says about a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Its value.
    Value(Setting),
    /// That the custom secrets backend holds it, as configuration entry `config_key`.
    InBackend {
        /// What to ask the backend for.
        config_key: String,
        /// A variable's name, or a file and line.
        origin: String,
    },
}

/// Why what a place has cannot be read.
pub(super) enum Unreadable {
    /// Its command failed, in the way that Airflow itself reports: some of its callers go on.
    CommandFailed(ConfigurationError),
    /// Anything else: Airflow stops.
    Invalid(ConfigurationError),
}

/// One place where a setting may be.
enum Place {
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
    /// `~/airflow`. No file is fine; none is ever written.
    ///
    /// # Errors
    /// When the file cannot be read or is no `airflow.cfg`, or where Airflow would refuse to start:
    /// one of its settings is none of the choices it has.
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

    /// What the first place that has `[section] key` says. Runs its command, asks no backend:
    /// that is [`resolve`](Self::resolve)'s.
    ///
    /// # Errors
    /// When that place has something that cannot be read, or its command fails.
    pub fn get(&self, section: &str, key: &str) -> Result<Option<Given>, ConfigurationError> {
        Ok(self.first(section, key)?)
    }

    /// [`get`](Self::get), for those who pass over a failing command.
    pub(super) fn first(&self, section: &str, key: &str) -> Result<Option<Given>, Unreadable> {
        let setting = Name::new(section, key);
        for place in setting.places() {
            if let Some(given) = self.look(&place, &setting)? {
                return Ok(Some(given));
            }
        }
        Ok(None)
    }

    /// The value of `[section] key`; `backend` is the custom secrets backend, which is asked for a
    /// value where a `_SECRET` says so, and passed over there when there is none.
    ///
    /// # Errors
    /// When the first place that has it has something that cannot be read, its command fails, or
    /// the backend does.
    pub async fn resolve(
        &self,
        section: &str,
        key: &str,
        backend: Option<&dyn SecretsBackend>,
    ) -> Result<Option<Setting>, ConfigurationError> {
        let setting = Name::new(section, key);
        for place in setting.places() {
            let (config_key, origin) = match self.look(&place, &setting)? {
                None => continue,
                Some(Given::Value(value)) => return Ok(Some(value)),
                Some(Given::InBackend { config_key, origin }) => (config_key, origin),
            };
            let Some(backend) = backend else { continue };
            match backend.get_config(&config_key).await {
                Ok(Lookup::Found { value, .. }) if !value.is_empty() || place.takes_empty() => {
                    return Ok(Some(Setting { value, origin }));
                }
                Ok(_) => {}
                Err(failure) => {
                    let message = format!(
                        "the secrets backend {} could not give it: {failure}",
                        backend.name()
                    );
                    return Err(setting.error(origin, message));
                }
            }
        }
        Ok(None)
    }

    /// The value of a setting that no backend can hold.
    pub(super) fn plain(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<Setting>, ConfigurationError> {
        match self.get(section, key)? {
            Some(Given::Value(setting)) => Ok(Some(setting)),
            Some(Given::InBackend { origin, .. }) => Err(Name::new(section, key).error(
                origin,
                "this is a setting of the secrets backend itself, which cannot hold it: \
                 remove the _SECRET",
            )),
            None => Ok(None),
        }
    }

    fn unit_test_mode(&self) -> Result<bool, ConfigurationError> {
        typed::boolean(self, "core", "unit_test_mode")
    }

    /// What `place` says.
    fn look(&self, place: &Place, setting: &Name) -> Result<Option<Given>, Unreadable> {
        let found = match place {
            Place::Variable(name) | Place::VariableCommand(name) | Place::VariableSecret(name) => {
                self.variable(name, setting)?
            }
            Place::File(section, key)
            | Place::FileCommand(section, key)
            | Place::FileSecret(section, key) => self.in_file(section, key, setting)?,
            Place::Default(text) => Some(Setting {
                value: text.replace("{AIRFLOW_HOME}", &self.0.airflow_home).into(),
                origin: DEFAULT_ORIGIN.to_owned(),
            }),
        };
        let Some(Setting { value, origin }) = found else {
            return Ok(None);
        };
        let text = value.expose();
        let value = match place {
            Place::VariableSecret(_) | Place::FileSecret(..) => {
                let config_key = text.to_owned();
                return Ok(Some(Given::InBackend { config_key, origin }));
            }
            Place::Variable(_) | Place::File(..) | Place::Default(_) => {
                let expanded = expand(text, self.environment());
                Secret::from(expanded.map_err(|problem| setting.error(&origin, problem))?)
            }
            Place::VariableCommand(_) | Place::FileCommand(..) => {
                command::output_of(text, self.environment()).map_err(|failure| {
                    // From the file, Airflow reports every failure in the same way.
                    let is_reported = failure.has_run || matches!(place, Place::FileCommand(..));
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
        Ok(Some(Given::Value(Setting { value, origin })))
    }

    fn variable(&self, name: &str, setting: &Name) -> Result<Option<Setting>, ConfigurationError> {
        if self.0.environment.is_not_unicode(name) {
            return Err(setting.error(name, "the variable's value is not UTF-8"));
        }
        Ok(self.0.environment.get(name).map(|value| Setting {
            value: Secret::from(value),
            origin: name.to_owned(),
        }))
    }

    fn in_file(
        &self,
        section: &str,
        key: &str,
        setting: &Name,
    ) -> Result<Option<Setting>, ConfigurationError> {
        let Some(file) = &self.0.file else {
            return Ok(None);
        };
        match file.content.get(section, key) {
            None => Ok(None),
            Some(Ok(given)) => Ok(Some(Setting {
                value: given.value,
                origin: file.origin(given.line),
            })),
            Some(Err(broken)) => Err(setting.error(file.origin(broken.line), broken.message)),
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
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(problem) if is_absent(&problem) => return Ok(None),
            Err(problem) => {
                let message = format!("the file cannot be read: {}", problem.kind());
                return error(path.display().to_string(), message);
            }
        };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(problem) => {
                let before = problem.utf8_error().valid_up_to();
                let lines = problem.as_bytes().iter().take(before);
                let line = 1 + lines.filter(|byte| **byte == b'\n').count();
                let message = "the file is not UTF-8: save it as UTF-8".to_owned();
                return error(format!("{}:{line}", path.display()), message);
            }
        };
        match AirflowCfg::parse(&text) {
            Ok(content) => Ok(Some(Self { path, content })),
            Err(broken) => error(
                format!("{}:{}", path.display(), broken.line),
                broken.message,
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

/// Section and key, in lower case, and what Airflow says about them.
struct Name {
    section: String,
    key: String,
    described: Option<&'static Described>,
}

impl Name {
    fn new(section: &str, key: &str) -> Self {
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        let described = described(&section, &key);
        Self {
            section,
            key,
            described,
        }
    }

    fn error(&self, origin: impl Into<String>, message: impl Into<String>) -> ConfigurationError {
        ConfigurationError::new(format!("[{}] {}", self.section, self.key), origin, message)
    }

    /// Every place where the setting may be, the first that has it wins.
    fn places(&self) -> Vec<Place> {
        let is_sensitive = self.described.is_some_and(|option| option.is_sensitive);
        let formerly = self.described.and_then(|option| option.formerly);
        let names = || std::iter::once((self.section.as_str(), self.key.as_str())).chain(formerly);
        let mut places = Vec::new();
        for (section, key) in names() {
            let variable = format!("AIRFLOW__{}__{key}", section.replace('.', "_")).to_uppercase();
            if is_sensitive {
                let command = Place::VariableCommand(format!("{variable}_CMD"));
                let secret = Place::VariableSecret(format!("{variable}_SECRET"));
                places.extend([Place::Variable(variable), command, secret]);
            } else {
                places.push(Place::Variable(variable));
            }
        }
        let in_file = |place: fn(String, String) -> Place, suffix: &str| {
            names()
                .map(|(section, key)| place(section.to_owned(), format!("{key}{suffix}")))
                .collect::<Vec<_>>()
        };
        places.extend(in_file(Place::File, ""));
        if is_sensitive {
            places.extend(in_file(Place::FileCommand, "_cmd"));
            places.extend(in_file(Place::FileSecret, "_secret"));
        }
        let default = self.described.and_then(|option| option.default);
        places.extend(default.map(Place::Default));
        places
    }
}

impl Place {
    /// Whether an empty value from there is a value.
    fn takes_empty(&self) -> bool {
        !matches!(self, Self::FileCommand(..) | Self::FileSecret(..))
    }
}
