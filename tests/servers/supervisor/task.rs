//! A task that a real supervisor runs, for the tests: as native as the example, but it says what it
//! found to the test, in the file that `TASK_OUTPUT` names.
//!
//! With `TASK_QUESTIONS`, a JSON list of `["connection" or "variable", id]`, it answers those through the
//! whole chain. With `TASK_PLAIN`, it prints what a plain program finds. With `TASK_TURNS`, it asks for a
//! variable that often, by a lookup and by a bare exchange in turns, and says what each took. Without any,
//! it has the conversation that is recorded.

#![allow(missing_docs, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

#[allow(dead_code, reason = "the test alone says what the server holds")]
#[path = "../../support/conversation.rs"]
mod conversation;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use airflow_secrets::{
    Environment, Resolver,
    backends::supervisor::{
        Body, SupervisorArguments, SupervisorBackend, TcpTransport, Transport as _,
    },
};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::var_os("TASK_PLAIN").is_some() {
        return plain().await;
    }
    let arguments = SupervisorArguments::find(std::env::args_os()).unwrap();
    let _log = TcpStream::connect(arguments.logs()).unwrap();
    let output = std::env::var("TASK_OUTPUT").unwrap();
    let lines = match std::env::var("TASK_QUESTIONS") {
        Ok(questions) => answers(arguments, &std::fs::read_to_string(questions).unwrap()).await,
        Err(_) => match std::env::var("TASK_TURNS") {
            Ok(turns) => vec![turns_of(arguments, turns.parse().unwrap()).await],
            Err(_) => conversation(arguments).await,
        },
    };
    let lines = lines.iter().map(|line| line.to_string() + "\n");
    std::fs::write(output, lines.collect::<String>()).unwrap();
}

/// A program that knows nothing of supervisors.
async fn plain() {
    let resolver = Resolver::for_worker().await.unwrap();
    for id in ["pg", "env"] {
        let found = resolver.get_connection(id).await.unwrap();
        let password = found.password().unwrap().expose();
        println!("{id} from {}: {password}", found.source());
    }
    let colour = resolver.get_variable("colour").await.unwrap();
    println!("colour from {}: {}", colour.source(), colour.expose());
    let absent = resolver.get_variable("absent").await.unwrap_err();
    println!("absent: {}", absent.kind().as_str());
}

/// The supervisor, and the whole chain of a task before it.
async fn chain(arguments: SupervisorArguments) -> (TcpTransport, Resolver) {
    let (transport, _) = TcpTransport::connect(arguments.comm()).await.unwrap();
    let resolver = Resolver::from_environment(Environment::process())
        .worker()
        .supervisor(SupervisorBackend::new(transport.clone()))
        .build()
        .await
        .unwrap();
    (transport, resolver)
}

async fn answers(arguments: SupervisorArguments, questions: &str) -> Vec<Value> {
    let (transport, resolver) = chain(arguments).await;
    let questions = serde_json::from_str::<Vec<(String, String)>>(questions).unwrap();
    let mut answers = Vec::new();
    for (kind, id) in questions {
        let answer = if kind == "connection" {
            let found = resolver.get_connection(&id).await;
            found.map(|found| {
                let secret = |secret: Option<&airflow_secrets::Secret>| {
                    secret.map(|secret| secret.expose().to_owned())
                };
                json!({
                    "conn_id": found.conn_id(), "conn_type": found.conn_type(),
                    "description": found.description(), "host": found.host(),
                    "login": found.login(), "password": secret(found.password()),
                    "schema": found.schema(), "port": found.port(),
                    "extra": secret(found.extra()), "uri": found.get_uri().expose(),
                })
            })
        } else {
            resolver
                .get_variable(&id)
                .await
                .map(|found| json!(found.expose()))
        };
        answers.push(answer.unwrap_or_else(|error| json!({"error": error.kind().as_str()})));
    }
    // A program may print what it found.
    for answer in &answers {
        println!("{answer}");
    }
    succeed(&transport).await;
    answers
}

/// The variable `colour` by a lookup through the whole chain, and by the exchange that it comes to; what
/// each gave, and took in its median turn.
async fn turns_of(arguments: SupervisorArguments, turns: usize) -> Value {
    let (transport, resolver) = chain(arguments).await;
    let question = r#"{"type": "GetVariable", "key": "colour"}"#;
    let [mut lookups, mut exchanges] = [Vec::new(), Vec::new()];
    let [mut found, mut answer] = [Value::Null, Value::Null];
    for _ in 0..turns {
        let start = Instant::now();
        let colour = resolver.get_variable("colour").await.unwrap();
        lookups.push(start.elapsed());
        found = json!(colour.expose());
        let start = Instant::now();
        let exchange = transport.exchange(Body::from_json(question).unwrap());
        let body = exchange.await.unwrap().body.unwrap();
        exchanges.push(start.elapsed());
        let body = body.to_json().unwrap();
        let body = serde_json::from_str::<Value>(body.expose()).unwrap();
        answer = body.get("value").unwrap().clone();
    }
    succeed(&transport).await;
    let median = |mut turns: Vec<Duration>| {
        turns.sort();
        turns.get(turns.len() / 2).unwrap().as_secs_f64() * 1e6
    };
    json!({
        "found": found, "answer": answer,
        "a lookup takes µs": median(lookups), "an exchange takes µs": median(exchanges),
    })
}

async fn succeed(transport: &TcpTransport) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let success = json!({
        "type": "SucceedTask", "state": "success", "end_date": now.as_secs_f64(),
        "task_outlets": [], "outlet_events": [],
    });
    let success = Body::from_json(&success.to_string()).unwrap();
    assert_eq!(transport.exchange(success).await.unwrap().error, None);
}

/// The frames, in their order, and what came of each thing that was said.
async fn conversation(arguments: SupervisorArguments) -> Vec<Value> {
    let (relay, frames) = relay(arguments.comm());
    let (transport, _) = TcpTransport::connect(relay).await.unwrap();
    let outcomes = conversation::converse(transport.clone()).await;
    let mut lines = std::mem::take(&mut *frames.lock().unwrap());
    succeed(&transport).await;
    lines.extend(
        outcomes
            .into_iter()
            .map(|outcome| json!({"outcome": outcome})),
    );
    lines
}

/// The frames that passed, as JSON lines.
type Frames = Arc<Mutex<Vec<Value>>>;

/// Where the supervisor can be reached so that each frame is kept.
fn relay(supervisor: SocketAddr) -> (SocketAddr, Frames) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let frames = Frames::default();
    let kept = Arc::clone(&frames);
    thread::spawn(move || {
        let (task, _) = listener.accept().unwrap();
        let supervisor = TcpStream::connect(supervisor).unwrap();
        let (from, to) = (task.try_clone().unwrap(), supervisor.try_clone().unwrap());
        let outward = Arc::clone(&kept);
        thread::spawn(move || pass("task", from, to, &outward));
        pass("supervisor", supervisor, task, &kept);
    });
    (address, frames)
}

fn pass(who: &str, mut from: TcpStream, mut to: TcpStream, frames: &Frames) {
    let mut head = [0; 4];
    while from.read_exact(&mut head).is_ok() {
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
        from.read_exact(&mut frame).unwrap();
        let hex = frame.iter().map(|byte| format!("{byte:02x}"));
        let line = json!({"from": who, "frame": hex.collect::<String>()});
        frames.lock().unwrap().push(line);
        to.write_all(&[head.as_slice(), &frame].concat()).unwrap();
    }
}
