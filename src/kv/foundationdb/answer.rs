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
use super::{ClusterError, network};

/// A future of the client: its answer, or why the client may not be asked for it any more.
///
/// Each poll is a call of the client, and the one that finds the answer gives the future back to it.
pub(super) struct Answer<F>(Owned<Twice<F>>);

impl<F> Answer<F> {
    pub(super) const fn to(future: F) -> Self {
        Self(Owned::new(Twice(future)))
    }
}

impl<F: Future + Unpin> Future for Answer<F> {
    type Output = Result<Owned<F::Output>, ClusterError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match network::call() {
            Ok(_call) => Pin::new(&mut *self.0).poll(context).map(|answer| Ok(Owned::new(answer))),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// A future whose wake-up cannot get lost.
///
/// The client's binding looks whether there is an answer, and then notes whom to wake. An answer between the two wakes
/// whoever polled before: which may be nobody, for Python polls once before it waits. Looking again closes the gap.
struct Twice<F>(F);

impl<F: Future + Unpin> Future for Twice<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.0).poll(context) {
            Poll::Pending => Pin::new(&mut self.0).poll(context),
            ready @ Poll::Ready(_) => ready,
        }
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
        let answer = pin!(Twice(poll_fn(|_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready("there") }
        })));
        let seen = answer.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(seen, Poll::Ready("there"));
    }
}
