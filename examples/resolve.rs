//! What connections, variables and configuration entries resolve to in this environment, and where
//! from: one JSON object a line, in the order asked.
//!
//! ```sh
//! cargo run --example resolve --features sqlite -- connection pg_default --explain
//! ```
//!
//! With `--explain` each line also has what each source did, and standard error shows the same as a
//! small table for people, in colours on a terminal.
//!
//! Secrets are shown as `***` unless `--reveal` is given. Exit status: 0 when everything was
//! answered, 1 when something was not, 2 when the call or the settings are wrong. Logs go to
//! standard error, at the level `RUST_LOG` names (`warn` unless it does).

#![allow(clippy::print_stderr, clippy::print_stdout)]

#[path = "support/env_file.rs"]
mod env_file;
#[path = "support/table.rs"]
mod table;

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::{self, ExitCode},
    str::FromStr,
};

use airflow_secrets::{
    Connection, Environment, Error, REDACTED, Resolved, Resolver, Secret,
    report::{Report, Source},
};
use lexopt::prelude::*;
use serde::Serialize;
use table::{Cell, is_coloured, table};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

const USAGE: &str = "\
What Airflow's connections, variables and configuration entries resolve to here

Usage: resolve [OPTIONS] connection|variable|config ID...

An ID that is `-` stands for the lines of standard input, each an id.

Options:
  --worker         Resolve as an Airflow 3 task does, not as the scheduler does
  --team T         Ask on behalf of this team (multi-team deployments)
  --env-file FILE  Add the variables of this .env file, below the process's own, read as Docker
                   Compose (and the Astro CLI) reads it
  --env-file-raw FILE
                   The same, read as `docker run --env-file` reads it: nothing in a value is special
  --reveal         Show secrets in clear
  --explain        Add what each source did to every line, and show it as a table
  --help           Print this";

#[derive(Default)]
struct Arguments {
    worker: bool,
    team: Option<String>,
    env_file: Option<EnvFile>,
    reveal: bool,
    explain: bool,
    kind: Option<Kind>,
    ids: Vec<String>,
}

struct EnvFile {
    path: PathBuf,
    raw: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Connection,
    Variable,
    Config,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "connection" => Ok(Self::Connection),
            "variable" => Ok(Self::Variable),
            "config" => Ok(Self::Config),
            _ => Err("it must be connection, variable or config"),
        }
    }
}

impl Arguments {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("worker") => arguments.worker = true,
                Long("team") => arguments.team = Some(parser.value()?.string()?),
                Long(name @ ("env-file" | "env-file-raw")) => {
                    let raw = name == "env-file-raw";
                    let path = parser.value()?.into();
                    arguments.env_file = Some(EnvFile { path, raw });
                }
                Long("reveal") => arguments.reveal = true,
                Long("explain") => arguments.explain = true,
                Long("help") | Short('h') => {
                    println!("{USAGE}");
                    process::exit(0);
                }
                Value(kind) if arguments.kind.is_none() => arguments.kind = Some(kind.parse()?),
                Value(id) => arguments.ids.push(id.string()?),
                Short(_) | Long(_) => return Err(argument.unexpected()),
            }
        }
        Ok(arguments)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let log = std::env::var("RUST_LOG").ok().filter(|log| !log.is_empty());
    let targets = log.and_then(|log| log.parse::<Targets>().ok());
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(io::stderr))
        .with(targets.unwrap_or(Targets::new().with_default(LevelFilter::WARN)))
        .init();
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("resolve: {message}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was answered.
async fn run() -> Result<bool, String> {
    let arguments = Arguments::parse().map_err(|error| error.to_string())?;
    let (Some(kind), false) = (arguments.kind, arguments.ids.is_empty()) else {
        return Err(format!("a kind and at least one id are needed\n\n{USAGE}"));
    };
    let resolver = resolver(&arguments).await?;
    let ids = ids(&arguments)?;
    let mut out = Output {
        reveal: arguments.reveal,
        explain: arguments.explain,
        all_answered: true,
        stdout: io::stdout().lock(),
    };
    match kind {
        Kind::Connection => {
            let answers = resolver.get_connections(&ids).await;
            out.lines(&ids, answers, Output::connection)
        }
        Kind::Variable => {
            let answers = resolver.get_variables(&ids).await;
            out.lines(&ids, answers, Output::value)
        }
        Kind::Config => {
            let answers = resolver.get_configs(&ids).await;
            out.lines(&ids, answers, Output::value)
        }
    }
    .map_err(|error| format!("cannot write the answers: {error}"))?;
    Ok(out.all_answered)
}

async fn resolver(arguments: &Arguments) -> Result<Resolver, String> {
    let mut environment = Environment::process();
    if let Some(EnvFile { path, raw }) = &arguments.env_file {
        let path_shown = path.display().to_string();
        let text =
            env_file::read(path).map_err(|error| format!("cannot read {path_shown}: {error}"))?;
        let both = if *raw {
            environment.with_dotenv_raw(&path_shown, &text)
        } else {
            environment.with_dotenv(&path_shown, &text)
        };
        environment = both.map_err(|error| error.to_string())?;
    }
    let mut settings = Resolver::from_environment(environment);
    if arguments.worker {
        settings = settings.worker();
    }
    let mut resolver = settings.build().await.map_err(|error| error.to_string())?;
    if let Some(team) = &arguments.team {
        resolver = resolver.for_team(team).map_err(|error| error.to_string())?;
    }
    Ok(resolver)
}

/// The ids in the order asked, with `-` replaced by the lines of standard input as they are.
fn ids(arguments: &Arguments) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    for id in &arguments.ids {
        if id == "-" {
            for line in io::stdin().lock().split(b'\n') {
                let line = line.map_err(|error| format!("cannot read the ids: {error}"))?;
                let id = String::from_utf8(line)
                    .map_err(|_| "an id on standard input is not UTF-8".to_owned())?;
                ids.push(id);
            }
        } else {
            ids.push(id.clone());
        }
    }
    Ok(ids)
}

/// The way of the lookup for `id`, as a table for people.
fn way(id: &str, report: Option<&Report>) -> String {
    let attempts = report.map(Report::attempts).unwrap_or_default();
    let rows = attempts.iter().map(|attempt| {
        let time = format!("{:.1} ms", attempt.elapsed().as_secs_f64() * 1000.0);
        [
            Cell::plain(attempt.backend()),
            Cell::outcome(attempt.outcome().as_str()),
            Cell::plain(time),
            Cell::plain(attempt.native_key().unwrap_or("-")),
            Cell::plain(attempt.outcome().message().unwrap_or_default()),
        ]
    });
    let rows = table(&rows.collect::<Vec<_>>(), is_coloured(&io::stderr()));
    format!("{id:?}\n{rows}")
}

/// An answer's line: what was found, and where.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(flatten)]
    found: T,
    source: &'a Source,
    #[serde(flatten)]
    explained: Option<&'a Report>,
}

/// What was found under a key.
#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    value: &'a str,
}

struct Output {
    reveal: bool,
    explain: bool,
    all_answered: bool,
    stdout: io::StdoutLock<'static>,
}

impl Output {
    fn lines<T>(
        &mut self,
        ids: &[String],
        answers: Vec<Result<Resolved<T>, Error>>,
        write: impl Fn(&mut Self, &str, &Resolved<T>) -> io::Result<()>,
    ) -> io::Result<()> {
        for (id, answer) in ids.iter().zip(answers) {
            if self.explain {
                let report = match &answer {
                    Ok(answer) => Some(answer.report()),
                    Err(error) => error.report(),
                };
                eprint!("{}", way(id, report));
            }
            match answer {
                Ok(answer) => write(self, id, &answer)?,
                Err(error) => {
                    self.all_answered = false;
                    self.line(&error)?;
                }
            }
        }
        Ok(())
    }

    fn connection(&mut self, _: &str, connection: &Resolved<Connection>) -> io::Result<()> {
        if self.reveal {
            let exposed = |secret: Option<&Secret>| secret.map(Secret::expose).into();
            let mut found = serde_json::to_value(connection.redacted())?;
            if let serde_json::Value::Object(fields) = &mut found {
                fields.extend([
                    ("host".to_owned(), connection.host().into()),
                    ("login".to_owned(), connection.login().into()),
                    ("password".to_owned(), exposed(connection.password())),
                    ("schema".to_owned(), connection.schema().into()),
                    ("extra".to_owned(), exposed(connection.extra())),
                    ("uri".to_owned(), connection.get_uri().expose().into()),
                ]);
            }
            self.answer(found, connection)
        } else {
            self.answer(connection.redacted(), connection)
        }
    }

    fn value(&mut self, key: &str, value: &Resolved<Secret>) -> io::Result<()> {
        let shown = if self.reveal {
            value.expose()
        } else {
            REDACTED
        };
        self.answer(Entry { key, value: shown }, value)
    }

    fn answer<T>(&mut self, found: impl Serialize, answer: &Resolved<T>) -> io::Result<()> {
        self.line(&Line {
            found,
            source: answer.source(),
            explained: self.explain.then(|| answer.report()),
        })
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.stdout, line)?;
        self.stdout.write_all(b"\n")
    }
}
