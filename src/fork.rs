//! Locks that survive `os.fork()`: the lock type for every state shared between threads.
//!
//! After a fork the child has one thread; a lock that another thread held at that moment would stay locked for
//! ever. So every [`Lock`] is taken through one process-wide gate: a thread inside any critical section has
//! entered the gate as a reader. [`prepare`] closes the gate (waits until no thread is inside), so at the fork no
//! `Lock` is held and none has a waiter; [`release`], in parent and child, opens it again. Nothing keeps a list of locks,
//! nothing is rebuilt in the child, no `unsafe` is needed.
//!
//! Invariants: critical sections are short, never wait for Python's GIL and never span an await (the guard is not
//! `Send`). Locks nest on one thread without entering the gate twice. `std`'s mutex, not `parking_lot`'s:
//! its whole state is one word, while `parking_lot`'s waiting lists lie in a process-wide table with locks of its own.
//! It must not know what the locks protect.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static GATE: RwLock<()> = RwLock::new(());

thread_local! {
    /// How many critical sections this thread is inside of, a closed gate counting as one.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The closed gate, held by the thread that is about to fork.
    static CLOSED: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between this process and the one that loaded the module: what must not repeat in a child
/// is drawn anew when this has changed.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// As [`release`], on the child's side.
pub fn release_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    release();
}

/// Waits until no thread holds a [`Lock`] and lets none take one until [`release`] is called on this thread.
///
/// For `os.register_at_fork(before=…)`. May be called while the GIL is held: no critical section waits for the GIL.
pub fn prepare() {
    if DEPTH.get() > 0 {
        return;
    }
    let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    CLOSED.with_borrow_mut(|closed| *closed = Some(gate));
    DEPTH.set(1);
}

/// Undoes [`prepare`]. For `os.register_at_fork(after_in_parent=…, after_in_child=…)`; does nothing without a `prepare`.
pub fn release() {
    let gate = CLOSED.with_borrow_mut(Option::take);
    if gate.is_some() {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// A mutual exclusion lock that is never held at the moment of a fork, and that a panic does not poison.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub fn lock(&self) -> Guard<'_, T> {
        let inside = Inside::enter();
        Guard { value: self.0.lock().unwrap_or_else(PoisonError::into_inner), _inside: inside }
    }
}

/// Access to what a [`Lock`] protects.
pub struct Guard<'a, T> {
    // Declared, and so released, before the gate is left.
    value: MutexGuard<'a, T>,
    _inside: Inside,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

struct Inside {
    _gate: Option<RwLockReadGuard<'static, ()>>,
}

impl Inside {
    fn enter() -> Self {
        let depth = DEPTH.get();
        let gate = (depth == 0).then(|| GATE.read().unwrap_or_else(PoisonError::into_inner));
        DEPTH.set(depth.saturating_add(1));
        Self { _gate: gate }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_closed_gate_keeps_other_threads_out_and_lets_its_own_thread_in() {
        let lock = Arc::new(Lock::new(0_u32));
        prepare();
        *lock.lock() += 1;
        let entered = Arc::new(AtomicBool::new(false));
        let other = std::thread::spawn({
            let (lock, entered) = (Arc::clone(&lock), Arc::clone(&entered));
            move || {
                *lock.lock() += 1;
                entered.store(true, Ordering::SeqCst);
            }
        });
        for _ in 0..1_000 {
            std::thread::yield_now();
        }
        assert!(!entered.load(Ordering::SeqCst));
        release();
        assert!(other.join().is_ok());
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    fn locks_nest_and_a_release_without_prepare_does_nothing() {
        let (outer, inner) = (Lock::new(1), Lock::new(2));
        let first = outer.lock();
        let second = inner.lock();
        assert_eq!(*first + *second, 3);
        drop((first, second));
        release();
        prepare();
        prepare();
        release();
        assert_eq!(*outer.lock(), 1);
    }
}
