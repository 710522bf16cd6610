//! A caller's wait for a search.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
    task::AtomicWaker,
};

/// A caller who waits for a search. When `Shared` has its answer, it wakes everyone who waits; also the one
/// who drives it and is awake, which would cost each lookup another turn of its runtime. That one is let be.
pub(super) struct Waiting<A: Clone> {
    search: Shared<BoxFuture<'static, A>>,
    caller: Arc<Caller>,
}

impl<A: Clone> Waiting<A> {
    pub(super) fn new(search: Shared<BoxFuture<'static, A>>) -> Self {
        let caller = Arc::default();
        Self { search, caller }
    }
}

impl<A: Clone> Future for Waiting<A> {
    type Output = A;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<A> {
        let caller = Arc::clone(&self.caller);
        caller.waker.register(context.waker());
        caller.state.store(AWAKE, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&caller));
        let answer = self.search.poll_unpin(&mut Context::from_waker(&waker));
        // What woke him while he looked may have come after he looked there.
        if answer.is_pending() && caller.state.swap(ASLEEP, Ordering::SeqCst) == WOKEN {
            context.waker().wake_by_ref();
        }
        answer
    }
}

#[derive(Default)]
struct Caller {
    state: AtomicU8,
    waker: AtomicWaker,
}

const ASLEEP: u8 = 0;
/// He looks at the search now.
const AWAKE: u8 = 1;
/// He was to be woken while he was awake.
const WOKEN: u8 = 2;

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let awake = self
            .state
            .compare_exchange(AWAKE, WOKEN, Ordering::SeqCst, Ordering::SeqCst);
        if awake == Err(ASLEEP) {
            self.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize};

    use super::*;

    /// Someone who waits, and how often he was woken.
    struct Waiter {
        waiting: Waiting<u8>,
        woken: Arc<Counter>,
    }

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Waiter {
        fn of(search: Shared<BoxFuture<'static, u8>>) -> Self {
            Self {
                waiting: Waiting::new(search),
                woken: Arc::default(),
            }
        }

        fn poll(&mut self) -> Poll<u8> {
            let waker = Waker::from(Arc::clone(&self.woken));
            self.waiting.poll_unpin(&mut Context::from_waker(&waker))
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::SeqCst)
        }
    }

    /// A search that `step` takes further.
    fn search(
        mut step: impl FnMut(&Waker) -> Poll<u8> + Send + 'static,
    ) -> Shared<BoxFuture<'static, u8>> {
        let search = poll_fn(move |context| step(context.waker()));
        search.boxed().shared()
    }

    /// A search of so many steps, and what wakes it.
    fn search_of(count: usize) -> (Shared<BoxFuture<'static, u8>>, Arc<AtomicWaker>) {
        let source = Arc::<AtomicWaker>::default();
        let waker = Arc::clone(&source);
        let mut steps = 0;
        let search = search(move |driver| {
            waker.register(driver);
            steps += 1;
            if steps == count {
                Poll::Ready(7)
            } else {
                Poll::Pending
            }
        });
        (search, source)
    }

    #[test]
    fn who_drives_a_search_is_woken_once_for_it() {
        let (search, source) = search_of(2);
        let mut driver = Waiter::of(search);
        assert_eq!(driver.poll(), Poll::Pending);
        source.wake();
        assert_eq!(driver.poll(), Poll::Ready(7));
        assert_eq!(driver.woken(), 1);
    }

    #[test]
    fn who_waits_for_the_search_of_another_is_woken_at_its_end() {
        let (search, source) = search_of(3);
        let [mut driver, mut other] = [search.clone(), search].map(Waiter::of);
        assert_eq!(
            (driver.poll(), other.poll()),
            (Poll::Pending, Poll::Pending)
        );
        source.wake();
        // Both are: one of them has to drive it on.
        assert_eq!((driver.woken(), other.woken()), (1, 1));
        assert_eq!(other.poll(), Poll::Ready(7));
        assert_eq!(driver.poll(), Poll::Ready(7));
    }

    #[test]
    fn a_search_that_wakes_itself_is_driven_on() {
        let mut is_second = false;
        let mut driver = Waiter::of(search(move |driver| {
            if std::mem::replace(&mut is_second, true) {
                return Poll::Ready(7);
            }
            driver.wake_by_ref();
            Poll::Pending
        }));
        assert_eq!(driver.poll(), Poll::Pending);
        assert_eq!(driver.woken(), 1);
        assert_eq!(driver.poll(), Poll::Ready(7));
    }
}
