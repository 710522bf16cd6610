//! A small lazy pool of connections to a database server, the same for every kind of server.
//!
//! `deadpool` keeps the connections; this module decides when one is made, closed and replaced.
//! Every time-out is on our side. A connection goes back into the pool only when its last answer
//! was read to the end, so that no other lookup ever reads the answer of one that timed out or was
//! cancelled.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use deadpool::managed::{
    Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, WeakPool,
};
use tokio::time;

use super::{
    driver::{Driver, Fault, FaultKind, Select},
    limits::Limits,
    row::Row,
};
use crate::backends::runtime;

/// How old a connection may become, so that a server whose address changed is found again.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// How often idle connections are looked for, at least. Tokio interrupts itself for a
/// timer that is due before all others; with this one always due before a statement's time-out,
/// no lookup pays for that.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A kind of server, and how to talk to it.
pub(super) trait Server: fmt::Debug + Send + Sync + 'static {
    /// A connection to it. Closes when it is dropped.
    type Connection: Send + Sync + 'static;

    /// Its address, for messages.
    fn place(&self) -> &str;

    /// Connects and logs in.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Fault>> + Send;

    /// Whether the connection can still be used, as far as is known without asking the server.
    fn is_open(&self, connection: &Self::Connection) -> bool;

    /// Asks for rows.
    fn select(
        &self,
        connection: &mut Self::Connection,
        select: &Select<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send;

    /// Closes a connection whose answer is late.
    fn give_up(&self, connection: Self::Connection) {
        drop(connection);
    }

    /// See [`Driver::compares_loosely`].
    fn compares_loosely(&self) -> bool {
        false
    }
}

/// The connections to one server.
pub(super) struct Pool<S: Server> {
    connections: deadpool::managed::Pool<Keeper<S>>,
    limits: Limits,
    is_swept: Arc<AtomicBool>,
}

/// Makes connections, and says which may be used again.
struct Keeper<S> {
    server: S,
    idle_timeout: Duration,
}

/// A connection, and whether its last answer was read to the end.
struct Kept<C> {
    connection: C,
    is_clean: bool,
}

impl<S: Server> Pool<S> {
    /// An empty pool: nothing connects yet.
    pub(super) fn new(server: S, limits: Limits) -> Result<Self, String> {
        let keeper = Keeper {
            server,
            idle_timeout: limits.idle_timeout,
        };
        let connections = deadpool::managed::Pool::builder(keeper)
            .max_size(limits.max_connections)
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            connections,
            limits,
            is_swept: Arc::default(),
        })
    }

    fn server(&self) -> &S {
        &self.connections.manager().server
    }

    /// A connection, free or new.
    async fn acquire(&self) -> Result<Object<Keeper<S>>, Fault> {
        let limit = self.limits.connect_timeout;
        let mut getting = pin!(self.connections.get());
        // A free connection is ready at once, and needs no timer.
        let acquired = match poll_fn(|context| Poll::Ready(getting.as_mut().poll(context))).await {
            Poll::Ready(acquired) => Ok(acquired),
            Poll::Pending => time::timeout(limit, getting).await,
        };
        match acquired {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(fault))) => Err(fault),
            Ok(Err(error)) => Err(Fault::unavailable(format!(
                "no connection to {}: {error}",
                self.server().place()
            ))),
            Err(_) => {
                let status = self.connections.status();
                let place = self.server().place();
                Err(Fault::unavailable(
                    if status.size >= status.max_size && status.available == 0 {
                        format!(
                            "all {} connections to {place} were busy for {limit:?}; raise the \
                             builder's `max_connections` or `connect_timeout`",
                            status.max_size
                        )
                    } else {
                        format!(
                            "{place} did not accept the connection within {limit:?}; check host, \
                             port and firewall"
                        )
                    },
                ))
            }
        }
    }

    /// Starts the task that closes idle connections, unless it runs already.
    fn sweep(&self) {
        if self.is_swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let connections = self.connections.weak();
        let sweeping = Sweeping(Arc::clone(&self.is_swept));
        let idle_timeout = self.limits.idle_timeout;
        tokio::spawn(async move {
            // Dropped with the task, also when its runtime ends before it does.
            let _sweeping = sweeping;
            sweep(connections, idle_timeout).await;
        });
    }
}

/// Notes, when it is dropped, that the task has ended.
struct Sweeping(Arc<AtomicBool>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn sweep<S: Server>(connections: WeakPool<Keeper<S>>, idle_timeout: Duration) {
    loop {
        time::sleep(SWEEP_EVERY.min(idle_timeout / 2)).await;
        let Some(connections) = connections.upgrade() else {
            return;
        };
        connections.retain(|_, metrics| metrics.last_used() < idle_timeout);
        if connections.status().size == 0 {
            return;
        }
    }
}

#[async_trait]
impl<S: Server> Driver for Pool<S> {
    async fn select(&self, select: &Select<'_>) -> Result<Vec<Row>, Fault> {
        runtime::check().map_err(Fault::configuration)?;
        loop {
            let mut kept = self.acquire().await?;
            self.sweep();
            let is_used = Object::metrics(&kept).recycle_count > 0;
            kept.is_clean = false;
            let answer = time::timeout(
                self.limits.statement_timeout,
                self.server().select(&mut kept.connection, select),
            );
            match answer.await {
                Ok(Err(fault)) if fault.kind == FaultKind::Broken => {
                    drop(Object::take(kept));
                    // What broke it most likely broke the others. A connection that was just made
                    // is not tried again.
                    self.connections.retain(|_, _| false);
                    if !is_used {
                        return Err(fault);
                    }
                }
                Ok(Err(fault)) if fault.kind == FaultKind::TooLong => {
                    drop(Object::take(kept));
                    return Err(fault);
                }
                Ok(answer) => {
                    kept.is_clean = true;
                    return answer;
                }
                Err(_) => {
                    self.server().give_up(Object::take(kept).connection);
                    return Err(Fault::unavailable(format!(
                        "{} did not answer within {:?}",
                        self.server().place(),
                        self.limits.statement_timeout
                    )));
                }
            }
        }
    }

    fn compares_loosely(&self) -> bool {
        self.server().compares_loosely()
    }
}

impl<S: Server> Manager for Keeper<S> {
    type Type = Kept<S::Connection>;
    type Error = Fault;

    async fn create(&self) -> Result<Self::Type, Fault> {
        Ok(Kept {
            // Boxed, since it is large and rare: every lookup would carry room for it.
            connection: Box::pin(self.server.connect()).await?,
            is_clean: true,
        })
    }

    async fn recycle(&self, kept: &mut Self::Type, metrics: &Metrics) -> RecycleResult<Fault> {
        let is_fresh = metrics.age() < MAX_AGE && metrics.last_used() < self.idle_timeout;
        if kept.is_clean && is_fresh && self.server.is_open(&kept.connection) {
            Ok(())
        } else {
            Err(RecycleError::message("to be replaced"))
        }
    }
}

impl<S: Server> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server().fmt(f)
    }
}
