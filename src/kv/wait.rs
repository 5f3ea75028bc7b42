//! Waiting for a future on a thread that has no executor.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes this thread where it is parked.
pub(super) fn waker_of_this_thread() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Waits for `future` on this thread, unless it is to stop: who says so unparks the thread. An answer that is there is given.
pub fn wait_on_thread_unless<T>(future: impl Future<Output = T>, is_to_stop: impl Fn() -> bool) -> Option<T> {
    let waker = waker_of_this_thread();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        if is_to_stop() {
            return None;
        }
        thread::park();
    }
}
