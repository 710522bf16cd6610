//! The keyword arguments of a backend, as settings give them: each knows where it came from.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use super::{Setting, Warning};
use crate::ConfigurationError;

/// Where an argument that was not given comes from.
const NOT_GIVEN: &str = "not given";

/// The keyword arguments of a backend, or the fields of an argument that is an object. `Debug`
/// prints their names, never their values.
///
/// A backend takes out each argument that it knows, by name and type, and ends with
/// [`deny_unknown`](Self::deny_unknown) or [`unknown_as_warnings`](Self::unknown_as_warnings), which
/// report what is left and list what was asked for. Each error names the argument, the variable or
/// the file and line that it was set in, and the form it must have; never the value.
///
/// Except where a method says otherwise, `null` is treated as not given.
///
/// ```
/// use std::time::Duration;
///
/// use airflow_secrets::{
///     ConfigurationError, Environment, Failure, Lookup, Secret, SecretsBackend,
///     backend::LookupOptions,
///     settings::{BackendSetup, Kwargs},
/// };
/// use serde_json::json;
///
/// #[derive(Debug)]
/// struct MyBackend {
///     url: String,
///     token: Secret,
///     timeout: Duration,
///     is_verbose: bool,
/// }
///
/// impl MyBackend {
///     fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
///         let mut kwargs = setup.kwargs;
///         let url = kwargs.text("url")?.map(|url| url.value);
///         let backend = Self {
///             url: url.unwrap_or_else(|| "https://localhost".to_owned()),
///             token: kwargs.required("token")?.value.into(),
///             timeout: kwargs.seconds("timeout")?.map_or(Duration::from_secs(10), |t| t.value),
///             is_verbose: kwargs.flag("verbose")?.is_some_and(|verbose| verbose.value),
///         };
///         kwargs.deny_unknown()?;
///         Ok(backend)
///     }
/// }
///
/// #[async_trait::async_trait]
/// impl SecretsBackend for MyBackend {
///     fn name(&self) -> &str {
///         "mine"
///     }
///     async fn get_variable(
///         &self,
///         key: &str,
///         _: &LookupOptions,
///     ) -> Result<Lookup<Secret>, Failure> {
///         Ok(Lookup::missing(format!("{}/{key}", self.url)))
///     }
/// }
///
/// let environment = Environment::default();
/// let made = |kwargs: serde_json::Value| {
///     let kwargs = kwargs.as_object().cloned().unwrap_or_default();
///     let kwargs = Kwargs::new("[secrets] backend_kwargs", "/airflow.cfg:7", kwargs);
///     let setup = BackendSetup::new(kwargs, &environment);
///     MyBackend::from_setup(setup).map_err(|error| error.to_string())
/// };
/// let backend = made(json!({"token": "s3cret", "timeout": 2.5, "verbose": true}))?;
/// assert_eq!((&*backend.url, backend.timeout.as_millis()), ("https://localhost", 2500));
/// assert!(backend.is_verbose && backend.token.expose() == "s3cret");
///
/// assert_eq!(
///     made(json!({"token": "s3cret", "timeout": "2.5"})).unwrap_err(),
///     "[secrets] backend_kwargs \"timeout\" (/airflow.cfg:7): must be a number of seconds above 0",
/// );
/// assert_eq!(
///     made(json!({"token": "s3cret", "time_out": 2.5})).unwrap_err(),
///     "[secrets] backend_kwargs \"time_out\" (/airflow.cfg:7): unknown argument; known \
///      arguments: url, token, timeout, verbose",
/// );
/// # Ok::<(), String>(())
/// ```
///
/// [`FromEnvironment::register`](crate::FromEnvironment::register) makes such a backend known under
/// a class path: `.register("acme.MyBackend", MyBackend::from_setup)`.
#[derive(Clone, Default)]
pub struct Kwargs {
    setting: String,
    origin: String,
    given: BTreeMap<String, Setting<Value>>,
    asked: Vec<String>,
}

impl Kwargs {
    /// Keyword arguments that `setting`, such as `[secrets] backend_kwargs`, gave; `origin` is the
    /// file and line or the variable they were set by.
    #[must_use]
    pub fn new(
        setting: impl Into<String>,
        origin: impl Into<String>,
        values: Map<String, Value>,
    ) -> Self {
        let mut kwargs = Self {
            setting: setting.into(),
            origin: origin.into(),
            ..Self::default()
        };
        let origin = kwargs.origin.clone();
        for (name, value) in values {
            kwargs.set(&name, value, &origin);
        }
        kwargs
    }

    /// Sets one argument, in place of what was there.
    pub fn set(&mut self, name: &str, value: Value, origin: &str) {
        let setting = Setting::new(self.name_of(name), origin, value);
        self.given.insert(name.to_owned(), setting);
    }

    /// The names of the arguments that were given and not yet taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// Takes argument `name` as it was given; `null` is a value.
    pub fn take(&mut self, name: &str) -> Option<Setting<Value>> {
        if !self.asked.iter().any(|asked| asked == name) {
            self.asked.push(name.to_owned());
        }
        self.given.remove(name)
    }

    /// Takes argument `name`, in any form but `null`.
    pub fn any(&mut self, name: &str) -> Option<Setting<Value>> {
        self.take(name).filter(|given| !given.value.is_null())
    }

    /// Takes argument `name`, unless Python counts it as false: Airflow often treats `null`,
    /// `false`, 0 and what is empty as not given.
    pub fn truthy(&mut self, name: &str) -> Option<Setting<Value>> {
        self.take(name).filter(Setting::is_truthy)
    }

    /// Takes a text; it may be empty.
    ///
    /// # Errors
    /// When it is not a text.
    pub fn text(&mut self, name: &str) -> Result<Option<Setting<String>>, ConfigurationError> {
        Ok(self.text_or_null(name)?.and_then(Setting::transpose))
    }

    /// Takes a text; an empty one is treated as not given.
    ///
    /// # Errors
    /// When it is not a text.
    pub fn non_empty(&mut self, name: &str) -> Result<Option<Setting<String>>, ConfigurationError> {
        let text = self.text(name)?;
        Ok(text.filter(|text| !text.value.is_empty()))
    }

    /// Takes a text where `null` has a meaning of its own.
    ///
    /// # Errors
    /// When it is neither a text nor `null`.
    pub fn text_or_null(
        &mut self,
        name: &str,
    ) -> Result<Option<Setting<Option<String>>>, ConfigurationError> {
        self.take(name).map(Setting::text_or_null).transpose()
    }

    /// Takes a text that must be given and not be empty.
    ///
    /// # Errors
    /// When it is not a text, empty, or not given.
    pub fn required(&mut self, name: &str) -> Result<Setting<String>, ConfigurationError> {
        let given = self.typed(name, Setting::text)?;
        let given = given.filter(|text| !text.value.is_empty());
        given.ok_or_else(|| {
            let origin = match &*self.origin {
                "" => NOT_GIVEN,
                origin => origin,
            };
            ConfigurationError::new(
                self.name_of(name),
                origin,
                "is not set: this backend needs it",
            )
        })
    }

    /// Takes a list of texts; a single text is a list of one.
    ///
    /// # Errors
    /// When it is neither a list of texts nor a text.
    pub fn list(&mut self, name: &str) -> Result<Option<Setting<Vec<String>>>, ConfigurationError> {
        self.typed(name, Setting::list)
    }

    /// Takes a number of seconds above 0, fractions included.
    ///
    /// # Errors
    /// When it is anything else, a text with a number too.
    pub fn seconds(&mut self, name: &str) -> Result<Option<Setting<Duration>>, ConfigurationError> {
        self.typed(name, Setting::seconds)
    }

    /// Takes a whole number of at least `least`; more than [`u32::MAX`] is read as [`u32::MAX`].
    ///
    /// # Errors
    /// When it is anything else.
    pub fn count(
        &mut self,
        name: &str,
        least: u32,
    ) -> Result<Option<Setting<u32>>, ConfigurationError> {
        self.typed(name, |count| count.count(least))
    }

    /// Takes `true` or `false`.
    ///
    /// # Errors
    /// When it is anything else, a text with one of the two too.
    pub fn flag(&mut self, name: &str) -> Result<Option<Setting<bool>>, ConfigurationError> {
        self.typed(name, Setting::flag)
    }

    /// Takes whether Python counts the value as true, as most of Airflow's own arguments are read:
    /// `null` is false, and so is what is 0 or empty; the text `"false"` is true.
    pub fn truth(&mut self, name: &str) -> Option<Setting<bool>> {
        let given = self.take(name)?;
        Some(given.with(given.is_truthy()))
    }

    /// Takes the path of a file or folder.
    ///
    /// # Errors
    /// When it is not a text, or an empty one.
    pub fn path(&mut self, name: &str) -> Result<Option<Setting<PathBuf>>, ConfigurationError> {
        self.typed(name, Setting::path)
    }

    /// Takes an object, as keyword arguments in turn: end with one of the two methods about the
    /// unknown there as well.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, ConfigurationError> {
        self.typed(name, Setting::object)
    }

    fn typed<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Setting<Value>) -> Result<T, ConfigurationError>,
    ) -> Result<Option<T>, ConfigurationError> {
        self.any(name).map(read).transpose()
    }

    /// Drops these arguments, which change nothing. They are not listed among the known.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.given.remove(*name);
        }
    }

    /// Drops argument `name`; if it was given, with the warning that it is ignored and `why`. It is
    /// not listed among the known.
    pub fn ignore_with_warning(&mut self, name: &str, why: &str) -> Option<Warning> {
        let given = self.given.remove(name)?;
        Some(given.warning(format!("is ignored: {why}")))
    }

    /// Refuses these arguments, unless Python counts their value as false. They are not listed
    /// among the known.
    ///
    /// # Errors
    /// When one is given: `why`.
    pub fn refuse(&mut self, names: &[&str], why: &str) -> Result<(), ConfigurationError> {
        for name in names {
            if let Some(given) = self.given.remove(*name).filter(Setting::is_truthy) {
                return Err(given.error(why));
            }
        }
        Ok(())
    }

    /// Refuses what was given and not asked for, as most of Airflow's backends do.
    ///
    /// # Errors
    /// When there is such an argument: it names the first, and those that were asked for.
    pub fn deny_unknown(self) -> Result<(), ConfigurationError> {
        match self.given.values().next() {
            Some(unknown) => Err(unknown.error(self.unknown())),
            None => Ok(()),
        }
    }

    /// Ignores what was given and not asked for, as some of Airflow's backends do, with a warning
    /// for each.
    #[must_use]
    pub fn unknown_as_warnings(self) -> Vec<Warning> {
        let message = format!("is ignored: {}", self.unknown());
        let unknown = self.given.values();
        unknown.map(|unknown| unknown.warning(&message)).collect()
    }

    fn unknown(&self) -> String {
        match &*self.asked {
            [] => "unknown argument: there are no arguments here".to_owned(),
            asked => format!("unknown argument; known arguments: {}", asked.join(", ")),
        }
    }

    fn name_of(&self, argument: &str) -> String {
        match &*self.setting {
            "" => format!("{argument:?}"),
            setting => format!("{setting} {argument:?}"),
        }
    }
}

impl fmt::Debug for Kwargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}
