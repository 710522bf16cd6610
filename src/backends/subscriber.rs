//! The subscriber that log records go to. None is set where there is none: from then on `tracing`
//! would give no record to the `log` crate any more, in the whole process.

use futures_util::future::Either;
#[cfg(feature = "_aws")]
use tracing::Dispatch;
use tracing::{
    dispatcher::get_default,
    instrument::{WithDispatch, WithSubscriber as _},
    subscriber::NoSubscriber,
};

/// `work` with the current subscriber, in whichever task it runs.
pub(super) fn with_current<W: Future>(work: W) -> Either<WithDispatch<W>, W> {
    match get_default(|current| (!current.is::<NoSubscriber>()).then(|| current.clone())) {
        Some(current) => Either::Left(work.with_subscriber(current)),
        None => Either::Right(work),
    }
}

/// `work` without log records for the current subscriber.
#[cfg(feature = "_aws")]
pub(super) fn silently<W: Future>(work: W) -> Either<WithDispatch<W>, W> {
    if get_default(Dispatch::is::<NoSubscriber>) {
        Either::Right(work)
    } else {
        Either::Left(work.with_subscriber(Dispatch::none()))
    }
}
