//! A source that answers when the test lets it, and counts its requests.

use airflow_secrets::{
    Failure, Lookup, Secret, SecretsBackend,
    backend::{LookupOptions, async_trait},
    backends::memory::MemoryBackend,
};
use tokio::sync::Semaphore;

/// Answers as `held` does, once the gate is open. Each request stops at the gate.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) held: MemoryBackend,
    gate: Semaphore,
}

impl Gated {
    pub(crate) fn closed(held: MemoryBackend) -> Self {
        let gate = Semaphore::new(0);
        Self { held, gate }
    }

    /// Lets all requests pass from now on.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn open(&self) {
        self.gate.close();
    }

    /// Lets some requests pass that wait or come.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn let_pass(&self, requests: usize) {
        self.gate.add_permits(requests);
    }

    async fn pass(&self) {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
    }
}

#[async_trait]
impl SecretsBackend for Gated {
    fn name(&self) -> &str {
        self.held.name()
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let answer = self.held.get_conn_value(conn_id, options).await;
        self.pass().await;
        answer
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let answer = self.held.get_variable(key, options).await;
        self.pass().await;
        answer
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let answer = self.held.get_config(key, options).await;
        self.pass().await;
        answer
    }
}
