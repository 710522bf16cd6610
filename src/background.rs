//! Blocking work on a thread of its own, where it holds up no async runtime, whichever that is.

use std::{io, thread};

use futures_channel::oneshot;

/// What `work` gives, on a thread of its own. The work goes on even if the caller stops waiting.
///
/// # Errors
/// When the system starts no thread, or the thread panics.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, result) = oneshot::channel();
    thread::Builder::new()
        .name("airflow-secrets".to_owned())
        // Nobody may be waiting any more.
        .spawn(move || drop(sender.send(work())))?;
    let stopped = |_| io::Error::other("the thread that reads it has stopped");
    result.await.map_err(stopped)
}
