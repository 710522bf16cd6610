//! Who observes the source that is being asked: at hand wherever the source works, also in what it
//! calls that knows nothing of us.

use std::{cell::Cell, future::poll_fn, pin::pin, sync::Arc};

use super::Observers;

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

/// A source that is being asked, and the observers of the resolver that asks.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) backend: Arc<str>,
    pub(crate) observers: Observers,
}

impl Current {
    /// That of the work that runs on this thread now; `None` where no resolver asks.
    pub(crate) fn get() -> Option<Self> {
        let current = CURRENT.take();
        CURRENT.set(current.clone());
        current
    }

    /// Does `work` as the work for `current`, on whichever thread it goes on.
    pub(crate) async fn scope<F: Future>(current: Option<Self>, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let _entered = Entered(CURRENT.replace(current.clone()));
            work.as_mut().poll(context)
        })
        .await
    }
}

/// Puts back what was there before, also where the work panics.
struct Entered(Option<Current>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
