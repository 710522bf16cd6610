//! [`PerRuntime`]: a client for each Tokio runtime.
//!
//! A connection rests with the runtime that made it. A request of another runtime would wait on it
//! while nobody drives the first, as between two calls of `block_on`, and fail where it ends.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::{Builder, Client};
use tokio::runtime::{Handle, Id};

use super::connector::Connector;

type Made = Client<Connector, Full<Bytes>>;

/// For how many runtimes clients are kept. Those of runtimes that have ended are among them.
const MOST_RUNTIMES: usize = 32;

/// Makes clients, one for each runtime.
pub(super) struct PerRuntime {
    builder: Builder,
    connector: Connector,
    clients: Mutex<Vec<(Id, Made)>>,
}

impl PerRuntime {
    pub(super) fn new(builder: Builder, connector: Connector) -> Self {
        Self {
            builder,
            connector,
            clients: Mutex::default(),
        }
    }

    /// The client of the current runtime.
    pub(super) fn client(&self) -> Made {
        let make = || self.builder.build(self.connector.clone());
        // Outside a runtime nothing can be sent; the client says so.
        let Ok(runtime) = Handle::try_current() else {
            return make();
        };
        let id = runtime.id();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().rev().find(|(of, _)| *of == id) {
            return client.clone();
        }
        if clients.len() >= MOST_RUNTIMES {
            clients.remove(0);
        }
        let client = make();
        clients.push((id, client.clone()));
        client
    }
}

impl fmt::Debug for PerRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerRuntime").finish_non_exhaustive()
    }
}
