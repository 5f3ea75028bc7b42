//! Tests only: counts how many reads and commits had to wait for each other, as if each took one round trip.
//!
//! While a future is counted, a read or commit is pending until all others that could be asked for beside it have been.
//! It must not be part of what is shipped.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

struct Round {
    number: u32,
    waiting: Vec<Waker>,
}

thread_local! {
    static ROUND: RefCell<Option<Round>> = const { RefCell::new(None) };
}

/// Waits for the next round, if rounds are being counted.
pub(super) async fn wait() {
    let mut asked = None;
    poll_fn(move |context| {
        ROUND.with_borrow_mut(|round| {
            let Some(round) = round else { return Poll::Ready(()) };
            if asked.is_some_and(|asked| asked < round.number) {
                return Poll::Ready(());
            }
            asked.get_or_insert(round.number);
            round.waiting.push(context.waker().clone());
            Poll::Pending
        })
    })
    .await;
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future to its end, and tells in how many rounds.
pub(crate) fn count<T>(future: impl Future<Output = T>) -> (T, u32) {
    ROUND.set(Some(Round { number: 0, waiting: Vec::new() }));
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        woken.0.store(false, Ordering::Relaxed);
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            let rounds = ROUND.take().map_or(0, |round| round.number);
            return (value, rounds);
        }
        // A group of futures may want to be polled again before all of them have been.
        if !woken.0.load(Ordering::Relaxed) {
            let waiting = ROUND.with_borrow_mut(|round| {
                round.as_mut().map_or_else(Vec::new, |round| {
                    round.number += 1;
                    std::mem::take(&mut round.waiting)
                })
            });
            assert!(!waiting.is_empty(), "a future that nobody will wake");
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
