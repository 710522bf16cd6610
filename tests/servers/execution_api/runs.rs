//! The start of a task instance at the real server: a workload's token for a task's.

use airflow_secrets::backends::execution_api::{ExecutionApiBackend, TaskStart};
use serde_json::{Value, json};

use crate::{
    QUEUED, TASK, options, said,
    support::execution_api::{claims, signed, token},
    variable, with_token,
};

fn start() -> TaskStart {
    TaskStart::now("worker-1", "airflow", 4711)
}

async fn workload(id: &str) -> ExecutionApiBackend {
    let mut claims = claims(id, 600);
    claims["scope"] = json!("workload");
    with_token(&signed(&claims)).await
}

async fn run(backend: &ExecutionApiBackend, id: &str, start: &TaskStart) -> Result<Value, String> {
    let run = backend.run_task_instance(id, start, &options()).await;
    let run = run.map_err(|failure| said(&failure))?;
    Ok(serde_json::from_str(run.expose()).unwrap())
}

#[tokio::test]
async fn a_workload_that_starts_its_task_gets_the_tasks_token() {
    let [id, ..] = QUEUED;
    let backend = workload(id).await;
    let before = variable(&backend, "colour").await.unwrap_err();
    assert!(before.contains("is that of a workload"), "{before}");
    let context = run(&backend, id, &start()).await.unwrap();
    assert_eq!(context["dag_run"]["run_id"], "run");
    let found = Ok("a-blue-marker".to_owned());
    assert_eq!(variable(&backend, "colour").await, found);
    // What got lost may be told again, by the same process.
    run(&backend, id, &start()).await.unwrap();
    assert_eq!(variable(&backend, "colour").await, found);
}

#[tokio::test]
async fn a_task_that_another_process_runs_is_not_started_again() {
    let [_, id, ..] = QUEUED;
    run(&workload(id).await, id, &start()).await.unwrap();
    let other = TaskStart::now("worker-2", "airflow", 4711);
    let refused = run(&workload(id).await, id, &other).await;
    let why =
        "InvalidValue: the task instance is not queued: another process runs it, or it has ended";
    assert_eq!(refused, Err(why.to_owned()));
}

#[tokio::test]
async fn only_its_own_task_is_started() {
    let [_, _, id, other] = QUEUED;
    let denied = run(&workload(id).await, other, &start()).await;
    let why = "FinalDenial: denied: the token is that of another task instance";
    assert_eq!(denied, Err(why.to_owned()));
    let unknown = "01890a5d-ac96-774b-bcce-b3020999ffff";
    let missing = run(&workload(unknown).await, unknown, &start()).await;
    let why = "InvalidValue: the task instance does not exist: check its id";
    assert_eq!(missing, Err(why.to_owned()));
    let no_uuid = run(&workload(id).await, "../health", &start()).await;
    let why = "InvalidValue: invalid id: the id of a task instance is a UUID";
    assert_eq!(no_uuid, Err(why.to_owned()));
}

#[tokio::test]
async fn no_lookup_starts_a_task() {
    let [.., id] = QUEUED;
    let backend = workload(id).await;
    let _ = variable(&backend, "colour").await.unwrap_err();
    // It is still queued: its own process may start it.
    run(&workload(id).await, id, &start()).await.unwrap();
    assert_eq!(token(TASK).split('.').count(), 3);
}
