//! All that is logged, kept for a look.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Subscriber,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::MakeWriter;

/// Sends what this thread logs to `subscriber`, until the guard is dropped.
///
/// `tracing` remembers for each place in the code whether its records are wanted. As long as there is
/// one subscriber only, it asks the thread that comes by first, and that of another test has none. With
/// a second one, which stays, it asks both.
#[allow(dead_code)] // Some tests log for the whole process.
pub(crate) fn of_this_thread(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    let guard = tracing::subscriber::set_default(subscriber);
    // A place that was passed while this subscriber was made may have missed it.
    tracing::callsite::rebuild_interest_cache();
    guard
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
