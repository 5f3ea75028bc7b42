//! Work that takes long, waits on files, and goes on while nobody calls: done step by step on a thread of its own.
//!
//! What the work is comes from above. The thread holds no handle to the database while it waits, and none that counts as the
//! user's while it works (`keeper` starts and stops it). Between two steps it looks whether it is to stop; what it did not do
//! is gone on with when the database is opened again. It must not know what the work is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::time::Duration;

use super::keeper::Desk;
use super::{Inner, Store};
use crate::error::Error;
use crate::kv;

/// After an error, or where others may do the work, how long until the next look.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a step of work left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    More,
    /// Others are at it, who may stop.
    Later,
    Nothing,
}

/// Work to be done in steps, and what is worth keeping between them.
pub trait Work: Send {
    /// One step. It may be dropped at any await.
    fn step<'a>(&'a mut self, store: &'a Store) -> Pin<Box<dyn Future<Output = Result<Left, Error>> + Send + 'a>>;
}

/// The thread's life.
pub(super) fn keep(desk: &Desk, inner: &Weak<Inner>, mut work: Box<dyn Work>) {
    let mut patience = Some(Duration::ZERO);
    while desk.wait(patience) {
        loop {
            let Some(inner) = inner.upgrade() else { return };
            let store = Store(inner, None);
            let is_shared = store.database().is_shared();
            patience = match kv::wait_on_thread_unless(work.step(&store), || desk.is_stopped()) {
                Some(Ok(Left::More)) if !desk.is_stopped() => continue,
                Some(Ok(Left::Nothing)) if !is_shared => None,
                // Storage may do better the next time.
                Some(_) => Some(PATIENCE),
                None => return,
            };
            break;
        }
    }
}
