//! The wire: one request within its time.

mod frame;
mod started_by;
mod tcp;

use std::{sync::Arc, time::Duration};

pub(super) use self::started_by::{OutOfReach, StartedBy};
pub use self::tcp::TcpTransport;
use super::{
    Body, Transport,
    answer::{self, Said},
};
use crate::{
    Failure,
    backend::LookupOptions,
    backends::{deadline::Deadline, runtime},
};

/// Asks the supervisor.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) timeout: Duration,
}

impl Client {
    pub(super) fn deadline(&self, options: &LookupOptions) -> Deadline {
        Deadline::new(self.timeout, options)
    }

    /// What the supervisor says to `request` until `deadline`.
    ///
    /// # Errors
    /// When it says nothing in time, says that it failed, or says what cannot be read.
    pub(super) async fn ask(&self, request: Body, deadline: Deadline) -> Result<Said, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let answer = deadline.wait_for(self.transport.exchange(request)).await;
        let answer = answer.unwrap_or_else(|| {
            Err(Failure::unavailable(format!(
                "the supervisor gave no answer within {deadline}: it is busy, or could not read the \
                 request, which it does not say, or the Tokio runtime of the connection is not running"
            )))
        });
        answer::read(&answer?)
    }
}
