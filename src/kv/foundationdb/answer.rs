//! Waiting for the client's answers, from a task or from a thread.
//!
//! The client calls back on its network thread; the waker that it then wakes may belong to any executor, or to none.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use super::super::wait::waker_of_this_thread;
use super::owned::Owned;

/// A future of the client, whose wake-up cannot get lost.
///
/// The client's binding looks whether there is an answer, and then notes whom to wake. An answer between the two wakes
/// whoever polled before: which may be nobody, for Python polls once before it waits. Looking again closes the gap.
pub(super) struct Answer<F>(Owned<F>);

impl<F> Answer<F> {
    pub(super) const fn to(future: F) -> Self {
        Self(Owned::new(future))
    }
}

impl<F: Future + Unpin> Future for Answer<F> {
    type Output = Owned<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = &mut *self.0;
        let answer = match Pin::new(&mut *future).poll(context) {
            Poll::Pending => Pin::new(future).poll(context),
            ready @ Poll::Ready(_) => ready,
        };
        answer.map(Owned::new)
    }
}

/// Waits for a future on this thread; no answer in time is none.
pub(super) fn wait_on_thread<T>(future: impl Future<Output = T>, patience: Duration) -> Option<T> {
    // A little more, so that the client's own word on the matter comes first.
    let deadline = Instant::now() + patience + Duration::from_secs(1);
    let waker = waker_of_this_thread();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use super::*;

    #[test]
    fn an_answer_that_comes_while_it_is_asked_for_is_seen_at_once() {
        let mut polls = 0;
        // As the binding's future after it changed hands: by the time it has noted whom to wake, the one before was woken.
        let answer = pin!(Answer::to(poll_fn(|_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready("there") }
        })));
        let seen = answer.poll(&mut Context::from_waker(Waker::noop())).map(Owned::take);
        assert_eq!(seen, Poll::Ready("there"));
    }
}
