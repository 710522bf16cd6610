//! What connections, variables and configuration entries resolve to in this environment, and where
//! from: one JSON object a line, in the order asked.
//!
//! ```sh
//! cargo run --example resolve --features sqlite -- connection pg_default --explain
//! ```
//!
//! Secrets are shown as `***` unless `--reveal` is given. Exit status: 0 when everything was
//! answered, 1 when something was not, 2 when the call or the settings are wrong. Logs go to
//! standard error, at the level `RUST_LOG` names (`warn` unless it does).

#![allow(clippy::print_stderr)]

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
};

use airflow_secrets::{
    Connection, Environment, Error, REDACTED, Report, Resolved, Resolver, Secret,
};
use clap::{Parser, ValueEnum};
use serde::Serialize;

#[derive(Parser)]
#[command(
    about = "What Airflow's connections, variables and configuration entries resolve to here"
)]
struct Arguments {
    /// Resolve as an Airflow 3 task does, not as the scheduler does
    #[arg(long)]
    worker: bool,
    /// Ask on behalf of this team (multi-team deployments)
    #[arg(long, value_name = "T")]
    team: Option<String>,
    /// Add the variables of this .env file, below the process's own
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Show secrets in clear
    #[arg(long)]
    reveal: bool,
    /// Add what each source did to every line
    #[arg(long)]
    explain: bool,
    /// What kind of thing the ids name
    kind: Kind,
    /// The ids; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Connection,
    Variable,
    Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into())
                .from_env_lossy(),
        )
        .with_writer(io::stderr)
        .init();
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("resolve: {message}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was answered.
async fn run(arguments: &Arguments) -> Result<bool, String> {
    let resolver = resolver(arguments).await?;
    let ids = ids(arguments)?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut out = Output {
        reveal: arguments.reveal,
        explain: arguments.explain,
        all_answered: true,
        stdout: io::stdout().lock(),
    };
    match arguments.kind {
        Kind::Connection => {
            let answers = resolver.get_connections(&ids).await;
            out.lines("conn_id", &ids, answers, Output::connection)
        }
        Kind::Variable => {
            let answers = resolver.get_variables(&ids).await;
            out.lines("key", &ids, answers, Output::value)
        }
        Kind::Config => {
            let answers = resolver.get_configs(&ids).await;
            out.lines("key", &ids, answers, Output::value)
        }
    }
    .map_err(|error| format!("cannot write the answers: {error}"))?;
    Ok(out.all_answered)
}

async fn resolver(arguments: &Arguments) -> Result<Resolver, String> {
    let mut environment = Environment::process();
    if let Some(path) = &arguments.env_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        environment = environment
            .with_env_file_below(&path.display().to_string(), &text)
            .map_err(|error| error.to_string())?;
    }
    let mut settings = Resolver::from_environment(environment);
    if arguments.worker {
        settings = settings.worker();
    }
    let mut resolver = settings.build().await.map_err(|error| error.to_string())?;
    if let Some(team) = &arguments.team {
        resolver = resolver.for_team(team).map_err(|error| error.to_string())?;
    }
    for warning in resolver.warnings() {
        tracing::warn!("{warning}");
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

#[derive(Serialize)]
struct ConnectionLine<'a> {
    conn_id: &'a str,
    conn_type: Option<&'a str>,
    description: Option<&'a str>,
    host: Option<&'a str>,
    login: Option<&'a str>,
    password: Option<&'a str>,
    schema: Option<&'a str>,
    port: Option<u16>,
    extra: Option<&'a str>,
    uri: &'a str,
    source: String,
    #[serde(flatten)]
    explained: Option<Explained>,
}

#[derive(Serialize)]
struct ValueLine<'a> {
    key: &'a str,
    value: &'a str,
    source: String,
    #[serde(flatten)]
    explained: Option<Explained>,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    error: &'static str,
    message: String,
    attempts: Vec<AttemptEntry>,
}

#[derive(Serialize)]
struct Explained {
    attempts: Vec<AttemptEntry>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct AttemptEntry {
    backend: String,
    outcome: &'static str,
    native_key: Option<String>,
    message: Option<String>,
}

fn attempts(report: &Report) -> Vec<AttemptEntry> {
    let entries = report.attempts().iter().map(|attempt| AttemptEntry {
        backend: attempt.backend().to_owned(),
        outcome: attempt.outcome().as_str(),
        native_key: attempt.native_key().map(str::to_owned),
        message: attempt.outcome().message(),
    });
    entries.collect()
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
        id_name: &str,
        ids: &[&str],
        answers: Vec<Result<Resolved<T>, Error>>,
        write: impl Fn(&mut Self, &str, &Resolved<T>) -> io::Result<()>,
    ) -> io::Result<()> {
        for (id, answer) in ids.iter().zip(answers) {
            match answer {
                Ok(answer) => write(self, id, &answer)?,
                Err(error) => {
                    self.all_answered = false;
                    self.line(&ErrorLine {
                        conn_id: (id_name == "conn_id").then_some(id),
                        key: (id_name == "key").then_some(id),
                        error: error.as_str(),
                        message: error.to_string(),
                        attempts: error.report().map(attempts).unwrap_or_default(),
                    })?;
                }
            }
        }
        Ok(())
    }

    fn connection(&mut self, conn_id: &str, connection: &Resolved<Connection>) -> io::Result<()> {
        let uri = connection.get_uri();
        let schema = match connection.schema() {
            Some(_) if connection.is_shapeless() && !self.reveal => Some(REDACTED),
            schema => schema,
        };
        self.line(&ConnectionLine {
            conn_id,
            conn_type: connection.conn_type(),
            description: connection.description(),
            host: connection.host(),
            login: connection.login(),
            password: connection.password().map(|secret| self.shown(secret)),
            schema,
            port: connection.port(),
            extra: connection.extra().map(|secret| self.shown(secret)),
            uri: self.shown(&uri),
            source: connection.source().to_string(),
            explained: self.explained(connection.report()),
        })
    }

    fn value(&mut self, key: &str, value: &Resolved<Secret>) -> io::Result<()> {
        self.line(&ValueLine {
            key,
            value: self.shown(value),
            source: value.source().to_string(),
            explained: self.explained(value.report()),
        })
    }

    fn shown<'a>(&self, secret: &'a Secret) -> &'a str {
        if self.reveal {
            secret.expose()
        } else {
            REDACTED
        }
    }

    fn explained(&self, report: &Report) -> Option<Explained> {
        self.explain.then(|| Explained {
            attempts: attempts(report),
            warnings: report.warnings().iter().map(ToString::to_string).collect(),
        })
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.stdout, line)?;
        self.stdout.write_all(b"\n")
    }
}
