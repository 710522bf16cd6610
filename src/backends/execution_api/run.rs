//! The start of a task instance, for programs that are executors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::{
    ExecutionApiBackend, answer,
    client::{Question, Sent},
    impossible, naming,
};
use crate::{Failure, Secret, backend::LookupOptions};

/// What runs a task instance, where, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskStart {
    /// The name of the machine.
    pub hostname: String,
    /// The name of the user.
    pub unixname: String,
    /// The number of the process there.
    pub pid: u32,
    /// When it began.
    pub start_date: SystemTime,
}

impl TaskStart {
    /// A process that begins now.
    pub fn now(hostname: impl Into<String>, unixname: impl Into<String>, pid: u32) -> Self {
        Self {
            hostname: hostname.into(),
            unixname: unixname.into(),
            pid,
            start_date: SystemTime::now(),
        }
    }
}

impl ExecutionApiBackend {
    /// Tells the server that task instance `id` runs, and exchanges the token: a workload's token, which
    /// may do this alone, for the task's, which all lookups then use. It is Airflow's
    /// `PATCH task-instances/{id}/run`, which changes the state of the task instance: only its executor
    /// calls it. A backend never does by itself.
    ///
    /// Gives what the server tells of the run: a JSON object, which may hold secrets of the run's
    /// configuration. To tell the same a second time is no error.
    ///
    /// # Errors
    /// When the server could not be asked, denies it, or the task instance is not queued.
    pub async fn run_task_instance(
        &self,
        id: &str,
        start: &TaskStart,
        options: &LookupOptions,
    ) -> Result<Secret, Failure> {
        let path = naming::run(id).map_err(|reason| impossible(&reason))?;
        let body = json!({
            "state": "running",
            "hostname": start.hostname,
            "unixname": start.unixname,
            "pid": start.pid,
            "start_date": seconds_since_1970(start.start_date),
        });
        let question = Question {
            method: Method::PATCH,
            path,
            body: Some(Bytes::from(body.to_string())),
        };
        let deadline = self.deadline(options)?;
        self.ask(question, deadline, Sent::WithRetries, answer::run)
            .await
    }
}

/// A moment before 1970 counts as its begin.
fn seconds_since_1970(moment: SystemTime) -> f64 {
    let since = moment.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs_f64()
}
