//! Settings are what a real Airflow says they are: the corpus of `tests/conformance/settings.py`,
//! and the file that `AIRFLOW_SECRETS_SETTINGS_CASES` names, of fresh cases.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers may fail the test"
)]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use airflow_secrets::{
    ConfigurationError, Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::LookupOptions,
    settings::{RawSetting, Registry, Settings, Side},
};
use async_trait::async_trait;
use serde_json::{Value, json};

const CORPUS: &str = "tests/conformance/settings.jsonl";
const HOME: &str = "@HOME@";

/// The custom backend of a case: `null` in the store makes it fail.
#[derive(Debug)]
struct Store(Value);

#[async_trait]
impl SecretsBackend for Store {
    fn name(&self) -> &'static str {
        "store"
    }
    async fn get_variable(&self, key: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        Ok(Lookup::missing(key))
    }
    async fn get_config(&self, key: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        match self.0.get(key) {
            None => Ok(Lookup::missing(key)),
            Some(Value::String(value)) => Ok(Lookup::found(Secret::from(value.as_str()), key)),
            Some(_) => Err(Failure::unavailable("down")),
        }
    }
}

/// What a process with the case's environment has at hand once it has started.
struct Started {
    settings: Settings,
    backend: Option<Store>,
    side: Side,
}

impl Started {
    /// What Airflow does before it answers anything, on either side.
    async fn new(case: &Value, home: &Path) -> Result<Self, ConfigurationError> {
        let home = home.to_str().unwrap();
        let env = case["env"].as_object().unwrap();
        let env = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().replace(HOME, home)));
        let settings = Settings::load(&env.collect())?;
        let server = settings.custom_backend(Side::Server)?;
        if let Some(spec) = &server {
            is_known(&spec.class_path, spec.setting, &spec.origin)?;
        }
        let started = Self {
            settings,
            backend: server.map(|_| Store(case["store"].clone())),
            side: match case["side"].as_str().unwrap() {
                "worker" => Side::Worker,
                _ => Side::Server,
            },
        };
        started.conn().await?;
        Ok(started)
    }

    fn backend(&self) -> Option<&dyn SecretsBackend> {
        self.backend
            .as_ref()
            .map(|store| store as &dyn SecretsBackend)
    }

    async fn conn(&self) -> Result<Option<String>, ConfigurationError> {
        let setting = self.settings.sql_alchemy_conn(self.backend()).await?;
        Ok(setting.map(|setting| setting.value.expose().to_owned()))
    }

    async fn answer(&self, question: &Value) -> Result<Value, ConfigurationError> {
        let word = |index: usize| question[index].as_str().unwrap();
        let value = match word(0) {
            "get" => {
                let setting = self
                    .settings
                    .resolve(word(1), word(2), self.backend())
                    .await?;
                json!(setting.map(|setting| setting.value.expose().to_owned()))
            }
            "bool" if word(2) == "multi_team" => json!(self.settings.multi_team()?),
            "bool" => json!(self.settings.use_cache()?),
            "ttl" => json!(self.settings.cache_ttl()?.as_secs()),
            "conn" => json!(self.conn().await?),
            "backend" => return self.custom_backend(),
            other => panic!("no question {other}"),
        };
        Ok(json!({ "value": value }))
    }

    fn custom_backend(&self) -> Result<Value, ConfigurationError> {
        let Some(mut spec) = self.settings.custom_backend(self.side)? else {
            return Ok(json!({"class_path": null}));
        };
        is_known(&spec.class_path, spec.setting, &spec.origin)?;
        let names: Vec<String> = spec.kwargs.names().map(str::to_owned).collect();
        let mut kwargs = serde_json::Map::new();
        for name in names {
            let kwarg = spec.kwargs.take(&name).unwrap();
            kwargs.insert(name, kwarg.value);
        }
        Ok(json!({
            "class_path": spec.class_path,
            "kwargs": kwargs,
            "warned": !spec.warnings.is_empty(),
        }))
    }
}

/// An error for a path that names no class; whether this build has the backend does not matter.
fn is_known(class_path: &str, setting: &str, origin: &str) -> Result<(), ConfigurationError> {
    match Registry::default().check(class_path, setting, origin) {
        Err(error) if error.message().contains("is not a known secrets backend") => Err(error),
        Err(error) if error.message().contains("not a class path") => Err(error),
        _ => Ok(()),
    }
}

async fn outcome(case: &Value, home: &Path) -> Value {
    let cfg = home.join("airflow.cfg");
    match case["cfg"].as_str() {
        Some(text) => fs::write(&cfg, text.replace(HOME, home.to_str().unwrap())).unwrap(),
        None => drop(fs::remove_file(&cfg)),
    }
    let Ok(started) = Started::new(case, home).await else {
        return json!({"start": false});
    };
    let mut answers = Vec::new();
    for question in case["ask"].as_array().unwrap() {
        let answer = started.answer(question).await;
        answers.push(answer.unwrap_or_else(|_| json!({"error": true})));
    }
    let text = json!({"start": true, "answers": answers}).to_string();
    serde_json::from_str(&text.replace(home.to_str().unwrap(), HOME)).unwrap()
}

/// Compares every case of a file; returns how many there were.
async fn compare(path: &Path) -> usize {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("settings");
    fs::create_dir_all(&home).unwrap();
    let text = fs::read_to_string(path).unwrap();
    let (mut cases, mut differing, mut report) = (0, 0, String::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (asked, expected) = (&case["in"], &case["out"]);
        let given = outcome(asked, &home).await;
        cases += 1;
        if given != *expected {
            differing += 1;
            if differing <= 10 {
                writeln!(report, "\n{asked}\n  Airflow {expected}\n  here    {given}").unwrap();
            }
        }
    }
    assert_eq!(
        differing,
        0,
        "of {cases} cases in {}:{report}",
        path.display()
    );
    cases
}

#[tokio::test]
async fn every_case_is_answered_as_airflow_answers_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS);
    assert_eq!(compare(&corpus).await, 2_500);
    if let Some(fresh) = std::env::var_os("AIRFLOW_SECRETS_SETTINGS_CASES") {
        println!(
            "{} fresh cases of settings",
            compare(Path::new(&fresh)).await
        );
    }
}

#[test]
fn a_value_that_a_backend_holds_is_said_to_be_there() {
    let environment = Environment::from_iter([
        ("AIRFLOW_HOME", "/nowhere"),
        ("AIRFLOW__CORE__FERNET_KEY_SECRET", "fernet"),
    ]);
    let settings = Settings::load(&environment).unwrap();
    let Some(RawSetting::InBackend {
        config_key, origin, ..
    }) = settings.get("core", "fernet_key").unwrap()
    else {
        panic!("no backend is named")
    };
    assert_eq!(config_key, "fernet");
    assert_eq!(origin, "AIRFLOW__CORE__FERNET_KEY_SECRET");
}
