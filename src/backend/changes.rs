//! When what a source holds may have changed.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, stream::BoxStream};

/// A source's word that what it holds may have changed: an item each time, and never a value. Nothing
/// need have changed. Where the stream ends, the source cannot tell any more.
///
/// ```
/// use airflow_secrets::backend::Changes;
/// use futures_util::{StreamExt, stream};
///
/// # futures_executor::block_on(async {
/// let mut changes = Changes::of(stream::iter([(), ()]));
/// assert_eq!(changes.next().await, Some(()));
/// # });
/// ```
#[must_use = "nothing is heard of unless the stream is polled"]
pub struct Changes(BoxStream<'static, ()>);

impl Changes {
    /// The changes that `stream` tells of.
    pub fn of(stream: impl Stream<Item = ()> + Send + 'static) -> Self {
        Self(stream.boxed())
    }
}

impl Stream for Changes {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
