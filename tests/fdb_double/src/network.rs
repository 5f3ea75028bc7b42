//! The network thread: whoever calls `fdb_run_network` stays there, and runs every job, and so every callback, alone.
//!
//! Invariant: jobs run in the order of their due times, those of one time in the order in which they came.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

struct Queue {
    jobs: BTreeMap<(Instant, u64), Job>,
    next: u64,
    is_set_up: bool,
    is_stopped: bool,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { jobs: BTreeMap::new(), next: 0, is_set_up: false, is_stopped: false });
static CHANGED: Condvar = Condvar::new();

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `job` on the network thread, after `delay`.
pub(crate) fn after(delay: Duration, job: impl FnOnce() + Send + 'static) {
    let mut queue = queue();
    let number = queue.next;
    queue.next += 1;
    queue.jobs.insert((Instant::now() + delay, number), Box::new(job));
    drop(queue);
    CHANGED.notify_all();
}

/// Whether this was the first time.
pub(crate) fn set_up() -> bool {
    OWNER.store(std::process::id(), Ordering::Release);
    !std::mem::replace(&mut queue().is_set_up, true)
}

pub(crate) fn is_set_up() -> bool {
    queue().is_set_up
}

/// Runs jobs until the network is stopped.
pub(crate) fn run() {
    let mut queue = queue();
    while !queue.is_stopped {
        let now = Instant::now();
        let wait = match queue.jobs.first_key_value() {
            None => Duration::from_secs(3_600),
            Some(((due, _), _)) => due.saturating_duration_since(now),
        };
        if !wait.is_zero() {
            queue = CHANGED.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        if let Some((_, job)) = queue.jobs.pop_first() {
            drop(queue);
            job();
            queue = self::queue();
        }
    }
}

/// The process that set the network up.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Ends the process if what is given back has nobody who takes it: the network was stopped, or is another process's.
pub(crate) fn check(given_back: &str) {
    // First who asks: a forked child may have no more than the lock that another thread held.
    if OWNER.load(Ordering::Acquire) != std::process::id() || queue().is_stopped {
        eprintln!("the double: one of its {given_back} was given back to a client that is gone");
        std::process::abort();
    }
}

pub(crate) fn stop() {
    queue().is_stopped = true;
    CHANGED.notify_all();
}
