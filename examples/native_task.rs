//! A native task of Airflow 3: a program that a worker's supervisor runs in place of Python.
//!
//! It resolves the ids that the variables `NATIVE_TASK_CONNECTIONS` and `NATIVE_TASK_VARIABLES` name
//! (parted by blanks) through the whole chain of a task: secrets backend, environment, supervisor. It
//! logs a line for each, and ends with success. `examples/native_task/README.md` says how to have
//! Airflow run it.
#![allow(clippy::print_stderr)]

use std::{
    error::Error,
    io::{self, Write as _},
    net::TcpStream,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use airflow_secrets::{
    Environment, Resolver, Secret,
    backends::supervisor::{
        Body, SupervisorArguments, SupervisorBackend, TcpTransport, Transport as _,
    },
    report::Source,
};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(arguments) = SupervisorArguments::find(std::env::args_os()) else {
        eprintln!(
            "native_task: --comm=ADDRESS:PORT and --logs=ADDRESS:PORT are not given, or not with an IP \
             address and a port: an Airflow worker starts this program, as \
             examples/native_task/README.md says"
        );
        return ExitCode::from(2);
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("native_task: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: SupervisorArguments) -> Result<(), Box<dyn Error>> {
    // The supervisor says nothing before it has both connections.
    let log = TcpStream::connect(arguments.logs());
    let mut log = Log(log.map_err(|error| {
        let address = arguments.logs();
        format!("the supervisor's socket for the log at {address} cannot be reached: {error}")
    })?);
    let (transport, startup) = TcpTransport::connect(arguments.comm()).await?;
    log.line(&json!({
        "event": "started", "level": "info",
        "dag_id": startup.dag_id(), "task_id": startup.task_id(), "run_id": startup.run_id(),
    }))?;

    let environment = Environment::process();
    let resolver = Resolver::from_environment(environment.clone())
        .worker()
        .supervisor(SupervisorBackend::new(transport.clone()))
        .build()
        .await?;
    let named = |name| environment.get(name).unwrap_or_default().split_whitespace();
    // With this, lines hold the values: to see that Airflow hides them.
    let reveals = environment.get("NATIVE_TASK_REVEAL") == Some("1");
    for id in named("NATIVE_TASK_CONNECTIONS") {
        match resolver.get_connection(id).await {
            Ok(found) => {
                let password = found.password().filter(|_| reveals);
                log.resolved(id, found.source(), password)?;
            }
            Err(error) => log.failed(id, &error)?,
        }
    }
    for key in named("NATIVE_TASK_VARIABLES") {
        match resolver.get_variable(key).await {
            Ok(found) => log.resolved(key, found.source(), Some(&*found).filter(|_| reveals))?,
            Err(error) => log.failed(key, &error)?,
        }
    }

    let success = json!({
        "type": "SucceedTask", "state": "success",
        "end_date": SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64(),
        "task_outlets": [], "outlet_events": [],
    });
    let success = Body::from_json(&success.to_string())?;
    match transport.exchange(success).await?.error {
        None => Ok(()),
        Some(_) => Err("Airflow's API server did not take the task's success".into()),
    }
}

/// The task's log: a JSON object a line.
struct Log(TcpStream);

impl Log {
    fn line(&mut self, line: &Value) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes())
    }

    fn resolved(&mut self, id: &str, source: &Source, value: Option<&Secret>) -> io::Result<()> {
        let mut line = json!({
            "event": "resolved", "level": "info", "id": id, "source": source.to_string(),
        });
        if let (Some(value), Some(line)) = (value, line.as_object_mut()) {
            line.insert("value".to_owned(), value.expose().into());
        }
        self.line(&line)
    }

    fn failed(&mut self, id: &str, error: &airflow_secrets::Error) -> io::Result<()> {
        self.line(&json!({
            "event": "resolved", "level": "warning", "id": id, "error": error.kind().as_str(),
            "message": error.to_string(),
        }))
    }
}
