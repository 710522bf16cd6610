//! All that the process logs, of all levels: tasks on other threads, and libraries below.

use std::sync::OnceLock;

use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::log::Log;

pub(crate) fn of_everything() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        // `log`'s records too.
        subscriber.init();
        tracing::trace!("the log is of all levels");
        log
    })
}
