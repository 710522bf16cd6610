//! Airflow's Execution API, over HTTP: what a task's supervisor asks in Airflow's
//! `airflow.sdk.execution_time.secrets.execution_api.ExecutionAPISecretsBackend`.
//!
//! [`ExecutionApiBackend`] reads connections and variables from the API server of Airflow 3, which asks
//! its own secrets backend, environment and metadata DB. It is for programs that have a task's token:
//! an executor, an edge worker, a sidecar. The example `execution_api` is one.
//!
//! * **The token**: see [`ExecutionApiCredential`]. A new one that the server gives with an answer takes
//!   its place. On a denial the file or callback is asked again, and the request is repeated once if there
//!   is another token. Airflow has no setting or variable for the token.
//! * **Denials are final**, as in Airflow: no other source is asked after a 401 or 403 of the server's.
//! * **Missing** is what the server says is not found. A 404 of another form, such as that of a wrong URL,
//!   is a failure. The server says *not found* too where its own database or backend fails (EXEC-6).
//! * **Teams**: the server takes the team from the token; that of a lookup is not sent.
//! * **The wire**: a lookup is one `GET` over a kept connection, repeated on 5xx and connection errors.
//!   Redirects are not followed.
//! * **Ids** are percent-encoded. The API has no path for a connection whose id contains `/`, nor for a
//!   variable `keys`: these are skipped.

mod answer;
mod builder;
mod client;
mod credential;
mod naming;
mod run;
mod settings;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::json;

use self::{
    answer::{Asked, Reading},
    client::{Client, Question, Sent},
};
pub use self::{builder::ExecutionApiBuilder, credential::ExecutionApiCredential, run::TaskStart};
use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CHECK_ID, CheckOutcome, FailureKind, LookupOptions, SkipReason, VariableStore},
    backends::{deadline::Deadline, runtime},
};

/// How many keys are asked for at once: Airflow's default.
const KEYS_AT_ONCE: usize = 1000;

/// How many keys are read at most: a list without end would fill the memory.
const MOST_KEYS: usize = 1_000_000;

/// Reads connections and variables from Airflow's Execution API, and stores variables there.
///
/// Made by [`ExecutionApiBuilder`]. It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct ExecutionApiBackend {
    client: Client,
}

impl ExecutionApiBackend {
    /// A builder with Airflow's defaults.
    #[must_use]
    pub fn builder() -> ExecutionApiBuilder {
        ExecutionApiBuilder::default()
    }

    /// What the answer to `question` gives, with the address as its native key.
    async fn look_up<T>(
        &self,
        question: Result<String, SkipReason>,
        options: &LookupOptions,
        read: impl Fn(&Response<Bytes>, Asked<'_>) -> Result<Reading<T>, Failure>,
    ) -> Result<Lookup<T>, Failure> {
        let path = match question {
            Ok(path) => path,
            Err(reason) => return Ok(Lookup::skipped(reason)),
        };
        let native_key = self.client.address(&path);
        let deadline = self.deadline(options);
        let deadline = deadline.map_err(|failure| failure.at(&*native_key))?;
        let reading = self.ask(Question::get(path), deadline, Sent::WithRetries, read);
        Ok(match reading.await? {
            Reading::Found(value) => Lookup::found(value, native_key),
            Reading::Missing(reason) => Lookup::missing(native_key).because(reason),
        })
    }

    /// When what starts now has to be over.
    ///
    /// # Errors
    /// When there is no runtime to do it in.
    fn deadline(&self, options: &LookupOptions) -> Result<Deadline, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        Ok(self.client.deadline(options))
    }

    /// What `read` makes of the answer to `question`.
    async fn ask<T>(
        &self,
        question: Question,
        deadline: Deadline,
        sent: Sent,
        read: impl Fn(&Response<Bytes>, Asked<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let answer = self.client.ask(&question, deadline, sent, read).await;
        answer.map_err(|failure| failure.at(self.client.address(&question.path)))
    }

    /// Makes a change, which the server answers with `status`.
    async fn change(
        &self,
        method: Method,
        key: &str,
        body: Option<Bytes>,
        status: StatusCode,
        options: &LookupOptions,
    ) -> Result<(), Failure> {
        let path = naming::stored_variable(key).map_err(|reason| impossible(&reason))?;
        let question = Question { method, path, body };
        let done = |answer: &Response<Bytes>, asked: Asked<'_>| answer::done(answer, asked, status);
        let deadline = self.deadline(options)?;
        self.ask(question, deadline, Sent::WithRetries, done).await
    }
}

/// The failure of a change to what the API has no path for.
fn impossible(reason: &SkipReason) -> Failure {
    Failure::new(FailureKind::InvalidValue, reason.to_string())
}

#[async_trait]
impl SecretsBackend for ExecutionApiBackend {
    fn name(&self) -> &'static str {
        "execution_api"
    }

    async fn get_connection(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Connection>, Failure> {
        let dialect = options.dialect();
        self.look_up(naming::connection(conn_id), options, |answer, asked| {
            answer::connection(answer, asked, conn_id, dialect)
        })
        .await
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(naming::variable(key), options, |answer, asked| {
            answer::variable(answer, asked, key)
        })
        .await
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let path = match naming::connection(CHECK_ID) {
            Ok(path) => path,
            Err(reason) => return Ok(CheckOutcome::skipped(reason)),
        };
        let native_key = self.client.address(&path);
        let dialect = options.dialect();
        let deadline = self.deadline(options);
        let deadline = deadline.map_err(|failure| failure.at(&*native_key))?;
        self.ask(
            Question::get(path),
            deadline,
            Sent::Once,
            |answer, asked| answer::connection(answer, asked, CHECK_ID, dialect),
        )
        .await?;
        Ok(CheckOutcome::reachable(native_key))
    }
}

#[async_trait]
impl VariableStore for ExecutionApiBackend {
    async fn variable_keys(
        &self,
        prefix: &str,
        options: &LookupOptions,
    ) -> Result<Vec<String>, Failure> {
        let deadline = self.deadline(options)?;
        let mut found = Vec::new();
        loop {
            let path = naming::keys(prefix, KEYS_AT_ONCE, found.len());
            let question = Question::get(path);
            let read = |answer: &Response<Bytes>, asked: Asked<'_>| {
                answer::keys(answer, asked, KEYS_AT_ONCE)
            };
            let part = self
                .ask(question, deadline, Sent::WithRetries, read)
                .await?;
            let is_last = part.keys.len() < KEYS_AT_ONCE;
            found.extend(part.keys);
            if is_last || found.len() >= part.total_entries {
                break;
            }
            if found.len() >= MOST_KEYS {
                let list = self.client.address("variables/keys");
                return Err(answer::keys_without_end(MOST_KEYS).at(list));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn set_variable(
        &self,
        key: &str,
        value: &Secret,
        description: Option<&str>,
        options: &LookupOptions,
    ) -> Result<(), Failure> {
        let body = json!({"val": value.expose(), "description": description});
        let body = Some(Bytes::from(body.to_string()));
        self.change(Method::PUT, key, body, StatusCode::CREATED, options)
            .await
    }

    async fn delete_variable(&self, key: &str, options: &LookupOptions) -> Result<(), Failure> {
        self.change(Method::DELETE, key, None, StatusCode::NO_CONTENT, options)
            .await
    }
}
