//! A login, as observers and spans see it.

use std::time::Instant;

use tracing::{Instrument as _, debug_span};

use super::{Current, LoginEvent, Observer as _};
use crate::Failure;

/// What `login` gives, told to those who observe the source that is being asked here.
pub(crate) async fn observed<T>(
    login: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(Current { backend, observers }) = Current::get() else {
        return login.await;
    };
    let span = observers.span(|| debug_span!("login", backend = &*backend));
    let began = Instant::now();
    let given = login.instrument(span).await;
    observers.login(&LoginEvent {
        backend: &backend,
        failure: given.as_ref().err(),
        elapsed: began.elapsed(),
    });
    given
}
