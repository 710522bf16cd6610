//! [`SupervisorBuilder`]: the options of the source, from code. Airflow has no settings for them.

use std::{sync::Arc, time::Duration};

use super::{Inner, SupervisorBackend, Transport, client::Client, mask::Masker};

/// Builds a [`SupervisorBackend`].
#[derive(Debug)]
#[must_use]
pub struct SupervisorBuilder {
    transport: Arc<dyn Transport>,
    timeout: Duration,
    masks: bool,
}

impl SupervisorBuilder {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            timeout: Duration::from_secs(30),
            masks: true,
        }
    }

    /// How long a request may take. Default: 30 s. The deadline of a lookup counts where it comes
    /// first. The supervisor itself asks Airflow's API server for minutes where that is down, and takes
    /// one request at a time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the supervisor is told of the secrets that are found, so that it hides them in the
    /// task's log. Default: yes. See [the module](super) for what it is told.
    pub fn mask_secrets(mut self, masks: bool) -> Self {
        self.masks = masks;
        self
    }

    /// The source.
    #[must_use]
    pub fn build(self) -> SupervisorBackend {
        let client = Client {
            transport: self.transport,
            timeout: self.timeout,
        };
        SupervisorBackend(Arc::new(Inner {
            client,
            masker: self.masks.then(Masker::default),
        }))
    }
}
