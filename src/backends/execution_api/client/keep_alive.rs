//! Keeping the token alive while no lookup does.
//!
//! The server gives the next token with any answer in the last part of a token's life, and only then. A
//! program that asks nothing in that time would lose its token.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::{
    task::JoinHandle,
    time::{Duration, sleep},
};

use super::{Question, Sent, Shared};
use crate::backends::{deadline::Deadline, subscriber};

/// What is asked: it costs the server least, and any answer brings the token.
const HEALTH: &str = "health";

/// The pause after an answer that brought no other token.
const PAUSE: Duration = Duration::from_secs(10);

/// The task that keeps a token alive; it ends with this.
#[derive(Debug, Default)]
pub(super) struct KeepAlive(Mutex<Option<JoinHandle<()>>>);

impl KeepAlive {
    /// Starts it, unless it runs. It ends with the runtime of the lookup that starts it; a lookup in
    /// another runtime then starts it again.
    pub(super) fn start(&self, shared: &Arc<Shared>) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = task.as_ref().is_some_and(|task| !task.is_finished());
        if !runs {
            let work = subscriber::with_current(keep_alive(Arc::downgrade(shared)));
            *task = Some(tokio::spawn(work));
        }
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        let task = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

async fn keep_alive(shared: Weak<Shared>) {
    loop {
        let Some(client) = shared.upgrade() else {
            return;
        };
        let pause = match client.tokens.to_renew() {
            Err(pause) => pause,
            Ok(token) => {
                let deadline = Deadline::after(client.wire.options().timeout());
                let question = Question::get(HEALTH.to_owned());
                // A failure shows in the lookups, if it lasts.
                let _ = client.send(&question, &token, deadline, Sent::Once).await;
                let is_the_same = |now: Arc<_>| Arc::ptr_eq(&now, &token);
                if client.tokens.to_renew().is_ok_and(is_the_same) {
                    PAUSE
                } else {
                    continue;
                }
            }
        };
        drop(client);
        sleep(pause).await;
    }
}
