//! The recorded conversation is still the one that a real supervisor has.

use std::path::Path;

use serde_json::Value;

use crate::{
    support::conversation::held,
    worker::{Airflow, Task, Variables},
};

const RECORD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../conformance/supervisor.jsonl"
);

/// What is the same each time: all that the task sends, what came of it, and the answers but the first,
/// which names the run.
fn lasting(lines: &[Value]) -> Vec<&Value> {
    let is_startup = |line: &&Value| line["from"] == "supervisor";
    let startup = lines.iter().position(|line| is_startup(&line));
    let lines = lines.iter().enumerate();
    lines
        .filter(|(at, _)| Some(*at) != startup)
        .map(|(_, line)| line)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_conversation_is_what_a_real_supervisor_has() {
    let (connections, variables) = held();
    let airflow = Airflow::start(&connections, &variables).await;
    let ran = airflow.run(Task::Native, &Variables::new());
    assert_eq!(
        (ran.exit_code, ran.state.as_str()),
        (0, "success"),
        "{ran:#?}"
    );
    if std::env::var_os("WRITE_CONVERSATION").is_some() {
        let lines = ran.output.iter().map(|line| format!("{line}\n"));
        std::fs::write(RECORD, lines.collect::<String>()).unwrap();
    }
    let recorded = std::fs::read_to_string(Path::new(RECORD)).unwrap();
    let recorded = recorded
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let recorded = recorded.collect::<Vec<Value>>();
    assert_eq!(lasting(&ran.output), lasting(&recorded));
}
