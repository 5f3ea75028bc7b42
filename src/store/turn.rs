//! A pause in long work: whoever waits for it is given a turn, to look at signals or to stop it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ready when polled a second time.
struct Turn {
    given: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(super) async fn give_turn() {
    Turn { given: false }.await;
}
