//! What is wrong with the settings and sources of this environment, and what to do about it.
//!
//! ```sh
//! cargo run --example doctor --features full
//! ```
//!
//! It prints which Airflow home and which `airflow.cfg` count, which sources are asked, which settings
//! count and where each comes from, what was passed over, and whether each source answers: one request
//! to each, after a login if it needs one. No secret is printed. With `--json` it is one JSON object:
//! `{"side", "airflow_home", "config_file", "sources", "settings": [{"setting", "origin", "value"}],
//! "passed_over", "checks": [{"backend", "outcome", "native_key", "message"}], "wrong"}`.
//!
//! Exit status: 0 when all is well, 1 when a source fails, 2 when the call or the settings are wrong, so
//! that no source was asked. What was passed over does not count. Logs go to standard error, at the
//! level `RUST_LOG` names (none unless it does).

#![allow(clippy::print_stderr, clippy::print_stdout)]

#[path = "support/env_file.rs"]
mod env_file;
#[path = "support/table.rs"]
mod table;

use std::{
    fmt::Write as _,
    io,
    path::PathBuf,
    process::{self, ExitCode},
};

use airflow_secrets::{
    ConfigurationError, Environment, Resolver,
    report::Check,
    settings::{RawSetting, Setting, Settings, Side, Warning},
};
use lexopt::prelude::*;
use serde::Serialize;
use table::{Cell, is_coloured, table};
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

const USAGE: &str = "\
What is wrong with Airflow's settings and secrets here, and what to do

Usage: doctor [OPTIONS]

Options:
  --worker         Look as an Airflow 3 task does, not as the scheduler does
  --env-file FILE  Add the variables of this .env file, below the process's own, read as Docker
                   Compose (and the Astro CLI) reads it
  --env-file-raw FILE
                   The same, read as `docker run --env-file` reads it: nothing in a value is special
  --json           Print one JSON object
  --help           Print this";

/// The settings that both sides read, those of the server's side, and those of the worker's.
const COMMON: [(&str, &str); 5] = [
    ("core", "multi_team"),
    ("secrets", "backend"),
    ("secrets", "backend_kwargs"),
    ("secrets", "use_cache"),
    ("secrets", "cache_ttl_seconds"),
];
const SERVER: [(&str, &str); 6] = [
    ("core", "fernet_key"),
    ("database", "sql_alchemy_conn"),
    ("database", "sql_alchemy_schema"),
    ("database", "sql_alchemy_connect_args"),
    ("database", "sql_alchemy_session_maker"),
    ("database", "sql_alchemy_engine_args"),
];
const WORKER: [(&str, &str); 2] = [
    ("workers", "secrets_backend"),
    ("workers", "secrets_backend_kwargs"),
];

#[derive(Default)]
struct Arguments {
    worker: bool,
    env_file: Option<PathBuf>,
    env_file_raw: Option<PathBuf>,
    json: bool,
}

impl Arguments {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("worker") => arguments.worker = true,
                Long("env-file") => arguments.env_file = Some(parser.value()?.into()),
                Long("env-file-raw") => arguments.env_file_raw = Some(parser.value()?.into()),
                Long("json") => arguments.json = true,
                Long("help") | Short('h') => {
                    println!("{USAGE}");
                    process::exit(0);
                }
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(arguments)
    }

    fn side(&self) -> Side {
        if self.worker {
            Side::Worker
        } else {
            Side::Server
        }
    }

    fn environment(&self) -> Result<Environment, String> {
        let process = Environment::process();
        let Some(path) = self.env_file.as_ref().or(self.env_file_raw.as_ref()) else {
            return Ok(process);
        };
        let text = env_file::read(path);
        let path = path.display().to_string();
        let text = text.map_err(|error| format!("cannot read {path}: {error}"))?;
        let environment = if self.env_file.is_some() {
            process.with_dotenv(&path, &text)
        } else {
            process.with_dotenv_raw(&path, &text)
        };
        environment.map_err(|error| error.to_string())
    }
}

/// What was found.
#[derive(Serialize)]
struct Findings {
    side: &'static str,
    airflow_home: Option<String>,
    config_file: Option<String>,
    /// The sources in the order in which they are asked.
    sources: Vec<String>,
    settings: Vec<Shown>,
    passed_over: Vec<Warning>,
    checks: Vec<Check>,
    /// What is wrong, and what to do, a line each.
    wrong: Vec<String>,
    #[serde(skip)]
    are_settings_wrong: bool,
}

/// A setting that counts. Its value is shown only where it can be no secret.
#[derive(Serialize)]
struct Shown {
    setting: String,
    origin: String,
    value: Option<String>,
}

impl Shown {
    fn new(setting: impl Into<String>, origin: &str, value: Option<String>) -> Self {
        Self {
            setting: setting.into(),
            origin: origin.to_owned(),
            value,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let log = std::env::var("RUST_LOG").unwrap_or_default();
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(io::stderr))
        .with(log.parse::<Targets>().unwrap_or_default())
        .init();
    match run().await {
        Ok(code) => code,
        Err(message) => {
            eprintln!("doctor: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<ExitCode, String> {
    let arguments = Arguments::parse().map_err(|error| error.to_string())?;
    let findings = Findings::of(arguments.environment()?, arguments.side()).await;
    if arguments.json {
        let json = serde_json::to_string(&findings).map_err(|error| error.to_string())?;
        println!("{json}");
    } else {
        print!("{}", findings.for_people(is_coloured(&io::stdout())));
    }
    Ok(ExitCode::from(match &findings {
        findings if findings.are_settings_wrong => 2,
        findings if findings.wrong.is_empty() => 0,
        _ => 1,
    }))
}

impl Findings {
    async fn of(environment: Environment, side: Side) -> Self {
        let mut findings = Self {
            side: if side == Side::Worker {
                "worker"
            } else {
                "server"
            },
            airflow_home: None,
            config_file: None,
            sources: Vec::new(),
            settings: Vec::new(),
            passed_over: Vec::new(),
            checks: Vec::new(),
            wrong: Vec::new(),
            are_settings_wrong: false,
        };
        match Settings::load(&environment) {
            Ok(settings) => findings.look_at(&settings, side),
            Err(error) => findings.refuse(error.to_string()),
        }
        if !findings.are_settings_wrong {
            findings.ask(environment, side).await;
        }
        findings
    }

    /// No source can be asked.
    fn refuse(&mut self, why: String) {
        self.wrong.push(why);
        self.are_settings_wrong = true;
    }

    fn look_at(&mut self, settings: &Settings, side: Side) {
        self.airflow_home = Some(settings.airflow_home().to_owned());
        let file = settings.config_file();
        self.config_file = file.map(|file| file.display().to_string());
        let of_side: &[(&str, &str)] = match side {
            Side::Worker => &WORKER,
            _ => &SERVER,
        };
        for (section, key) in COMMON.iter().chain(of_side) {
            let name = format!("[{section}] {key}");
            match settings.get(section, key) {
                Ok(Some(RawSetting::Value(setting))) => {
                    let value = plain_value(settings, section, key, &setting);
                    let shown = Shown::new(name, setting.origin(), value);
                    self.settings.push(shown);
                }
                Ok(Some(RawSetting::InBackend { origin, .. })) => {
                    let value = Some("held by the secrets backend".to_owned());
                    self.settings.push(Shown::new(name, &origin, value));
                }
                // What cannot be read is refused by the resolver, where it matters.
                Ok(_) | Err(_) => {}
            }
        }
        if let Ok(Some(mut spec)) = settings.custom_backend(side) {
            let names: Vec<String> = spec.kwargs.names().map(str::to_owned).collect();
            for name in names {
                if let Some(kwarg) = spec.kwargs.take(&name) {
                    let name = format!("{} argument {name:?}", spec.setting);
                    self.settings.push(Shown::new(name, kwarg.origin(), None));
                }
            }
        }
    }

    async fn ask(&mut self, environment: Environment, side: Side) {
        let from = Resolver::from_environment(environment);
        let from = if side == Side::Worker {
            from.worker()
        } else {
            from
        };
        let resolver = match from.build().await {
            Ok(resolver) => resolver,
            Err(error) => return self.refuse(error.to_string()),
        };
        self.sources = resolver.sources().names().map(str::to_owned).collect();
        self.passed_over = resolver.warnings().to_vec();
        self.checks = resolver.check().await;
        let failed = self.checks.iter().filter(|check| !check.is_well());
        self.wrong = failed.map(ToString::to_string).collect();
    }

    fn for_people(&self, is_coloured: bool) -> String {
        let or = |text: &Option<String>, none: &str| Cell::plain(text.as_deref().unwrap_or(none));
        let facts = [
            [Cell::plain("side"), Cell::plain(self.side)],
            [
                Cell::plain("Airflow home"),
                or(&self.airflow_home, "unknown"),
            ],
            [
                Cell::plain("settings file"),
                or(&self.config_file, "none: there is no airflow.cfg"),
            ],
            [
                Cell::plain("sources in order"),
                Cell::plain(self.sources.join(", ")),
            ],
        ];
        let mut text = table(&facts, is_coloured);
        let mut section = |title: &str, lines: String| {
            if !lines.is_empty() {
                let _ = write!(text, "\n{title}\n{lines}");
            }
        };
        let settings = self.settings.iter().map(|shown| {
            let value = shown.value.as_deref().unwrap_or("***");
            [&*shown.setting, value, &shown.origin].map(Cell::plain)
        });
        let settings: Vec<_> = settings.collect();
        section(
            "Settings that count, and where each comes from",
            table(&settings, is_coloured),
        );
        let passed_over = self
            .passed_over
            .iter()
            .map(|it| [Cell::plain(it.to_string())]);
        let passed_over: Vec<_> = passed_over.collect();
        section("Passed over", table(&passed_over, is_coloured));
        let checks = self.checks.iter().map(|check| {
            let told = if check.is_well() {
                check.message()
            } else {
                None
            };
            let told = told.or(check.native_key().map(str::to_owned));
            let time = format!("{:.1} ms", check.elapsed().as_secs_f64() * 1000.0);
            [
                Cell::plain(check.backend()),
                Cell::outcome(check.as_str()),
                Cell::plain(time),
                Cell::plain(told.unwrap_or_default()),
            ]
        });
        let checks: Vec<_> = checks.collect();
        section("What answers", table(&checks, is_coloured));
        let wrong = self.wrong.iter().map(|line| [Cell::plain(line)]);
        let wrong: Vec<_> = wrong.collect();
        section("What is wrong, and what to do", table(&wrong, is_coloured));
        if self.wrong.is_empty() {
            text.push_str("\nAll is well.\n");
        }
        text
    }
}

/// The value of a setting that holds no secret; of others only whether it is empty.
fn plain_value(settings: &Settings, section: &str, key: &str, setting: &Setting) -> Option<String> {
    let shown = |value: Result<String, ConfigurationError>| value.ok();
    match (section, key) {
        _ if setting.value.is_empty() => Some("empty".to_owned()),
        ("core", "multi_team") => shown(settings.multi_team().map(|on| on.to_string())),
        ("secrets", "use_cache") => shown(settings.use_cache().map(|on| on.to_string())),
        ("secrets", "cache_ttl_seconds") => {
            shown(settings.cache_ttl().map(|ttl| ttl.as_secs().to_string()))
        }
        ("secrets", "backend") | ("workers", "secrets_backend") => {
            Some(setting.value.expose().to_owned())
        }
        _ => None,
    }
}
