//! The thread that lets items expire while nobody calls, so that who waits for changes hears of them.
//!
//! One for each open database, from the moment on at which one of its tables has a time to live. It waits for the interval,
//! does what a call that finds expiry due does, until nothing is left, and waits again. On a clock that stands still it does
//! nothing: whoever moves it does. It holds no handle to the database while it waits, and none that counts as the user's
//! while it works: the last of these that goes stops the thread and waits for it, so that a database is closed when nobody
//! refers to it any more. A forked child has no such thread, and starts none; there the calls are enough. Without a thread to
//! be had they have to be as well. It must not know Python, nor what expires.
//!
//! What else is done on a thread (`worker`) lives by the same rules, and its thread is kept here beside the other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::worker::Work;
use super::{Inner, Store, worker};
use crate::error::Error;
use crate::fork::{self, Lock};
use crate::kv;

/// The least time between two looks of the thread, whatever the interval.
const SHORTEST: Duration = Duration::from_millis(1);

/// What all handles of the user share, and the thread does not.
#[derive(Default)]
pub(super) struct Open {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    keeper: Option<Keeper>,
    worker: Option<Keeper>,
    is_closed: bool,
}

struct Keeper {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
    /// The process whose thread it is, by the forks before it.
    generation: u64,
}

#[derive(Default)]
pub(super) struct Desk {
    orders: Mutex<Orders>,
    bell: Condvar,
}

#[derive(Default)]
struct Orders {
    stop: bool,
    look: bool,
}

impl Desk {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.orders().stop
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders());
        self.bell.notify_all();
    }

    /// Waits until it is time to look, at the latest in `patience`; whether to go on.
    pub(super) fn wait(&self, patience: Option<Duration>) -> bool {
        let mut orders = self.orders();
        loop {
            if orders.stop {
                return false;
            }
            if std::mem::take(&mut orders.look) {
                return true;
            }
            let Some(patience) = patience else {
                orders = self.bell.wait(orders).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, timeout) = self.bell.wait_timeout(orders, patience).unwrap_or_else(PoisonError::into_inner);
            orders = woken;
            if timeout.timed_out() {
                return !orders.stop;
            }
        }
    }
}

impl Keeper {
    fn start(
        store: &Store,
        name: &str,
        life: impl FnOnce(&Desk, &Weak<Inner>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let (its_desk, inner) = (Arc::clone(&desk), Arc::downgrade(&store.0));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || life(&its_desk, &inner))?;
        Ok(Self { desk, thread, generation: fork::generation() })
    }

    fn is_of_this_process(&self) -> bool {
        self.generation == fork::generation()
    }

    fn stop(self) {
        if !self.is_of_this_process() {
            // The parent's: there is no such thread here, and its locks may be held for ever.
            std::mem::forget(self);
            return;
        }
        self.desk.order(|orders| orders.stop = true);
        self.thread.thread().unpark();
        if self.thread.thread().id() != thread::current().id() {
            // One that panicked has ended as well.
            let _ = self.thread.join();
        }
    }
}

impl Open {
    /// Ends the threads, for good.
    pub(super) fn close(&self) {
        let threads = {
            let mut state = self.state.lock();
            state.is_closed = true;
            [state.keeper.take(), state.worker.take()]
        };
        for thread in threads.into_iter().flatten() {
            thread.stop();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store {
    /// Starts the thread, if there is none yet, and tells it that there may be something new to look for.
    pub(super) fn keep_expiring(&self) {
        let (Some(open), Some(interval)) = (&self.1, self.0.options.ttl_interval_millis) else { return };
        let mut state = open.state.lock();
        match &state.keeper {
            Some(keeper) if keeper.is_of_this_process() => keeper.desk.order(|orders| orders.look = true),
            Some(_) => {}
            None if state.is_closed => {}
            None => {
                let interval = Duration::from_millis(interval.unsigned_abs()).max(SHORTEST);
                let life = move |desk: &Desk, inner: &Weak<Inner>| keep(desk, inner, interval);
                state.keeper = Keeper::start(self, "fdyno-expiry", life).ok();
            }
        }
    }

    /// Has work done on a thread, which is started if there is none; one that has none to do is told to look again. `work`
    /// makes what the thread keeps.
    ///
    /// Errors: `InternalServerError` where no thread is to be had.
    pub fn keep_working(&self, work: fn() -> Box<dyn Work>) -> Result<(), Error> {
        let Some(open) = &self.1 else { return Ok(()) };
        let mut state = open.state.lock();
        if let Some(found) = &state.worker
            && found.is_of_this_process()
            && !found.thread.is_finished()
        {
            found.desk.order(|orders| orders.look = true);
            return Ok(());
        }
        if state.is_closed {
            return Ok(());
        }
        let life = move |desk: &Desk, inner: &Weak<Inner>| worker::keep(desk, inner, work());
        let started = Keeper::start(self, "fdyno-exchanges", life);
        let started = started.map_err(|error| Error::InternalServerError(format!("cannot start a thread: {error}")))?;
        if let Some(old) = state.worker.replace(started).filter(|old| !old.is_of_this_process()) {
            // The parent's: there is no such thread here.
            std::mem::forget(old);
        }
        Ok(())
    }
}

/// The thread's life.
fn keep(desk: &Desk, inner: &Weak<Inner>, interval: Duration) {
    let mut patience = Some(interval);
    while desk.wait(patience) {
        let Some(inner) = inner.upgrade() else { return };
        let store = Store(inner, None);
        patience = store.0.expiry.any().then_some(interval);
        if store.clock().is_frozen() {
            continue;
        }
        while store.expiry_due().is_some() {
            match kv::wait_on_thread_unless(store.expire_if_due(), || desk.is_stopped()) {
                Some(Ok(())) if !desk.is_stopped() => {}
                // Storage may do better the next time, and tells whoever writes.
                _ => break,
            }
        }
    }
}
