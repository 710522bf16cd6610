//! What takes the polls' place in a build without timers: nothing can be watched.

use std::marker::PhantomData;

/// See `watch.rs`'s.
#[derive(Debug)]
pub(super) struct Polls<T>(PhantomData<T>);

impl<T> Default for Polls<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}
