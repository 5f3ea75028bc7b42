//! What keeps `os.fork()` safe: a gate that every step of an operation passes, closed while the process forks.
//!
//! Operations run with the GIL released and may hold locks of the engine; a child forked at that moment would find
//! them locked for ever. So `before` closes the gate and waits until no step is under way, and both sides open it again.
//! The gate is made of atomics alone, so the child can simply reset it. Steps never wait for Python, hence never for
//! the forking thread.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use pyo3::prelude::*;

use super::runtime;

static CLOSED: AtomicUsize = AtomicUsize::new(0);
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How long to wait before looking at the gate again. Only ever felt around a fork.
const PAUSE: Duration = Duration::from_micros(50);

/// Proof that no fork happens now.
pub struct Passage(());

impl Passage {
    /// Waits while the process forks. Never call it while holding another passage.
    pub fn enter() -> Self {
        loop {
            INSIDE.fetch_add(1, SeqCst);
            if CLOSED.load(SeqCst) == 0 {
                return Self(());
            }
            INSIDE.fetch_sub(1, SeqCst);
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// For `os.register_at_fork(before=…)`.
#[pyfunction]
pub fn _before_fork(py: Python<'_>) {
    CLOSED.fetch_add(1, SeqCst);
    py.detach(|| {
        while INSIDE.load(SeqCst) != 0 {
            std::thread::sleep(PAUSE);
        }
    });
}

/// For `os.register_at_fork(after_in_parent=…)`.
#[pyfunction]
pub fn _after_fork_in_parent() {
    let _ = CLOSED.fetch_update(SeqCst, SeqCst, |closed| closed.checked_sub(1));
}

/// For `os.register_at_fork(after_in_child=…)`: only the forking thread lives on.
#[pyfunction]
pub fn _after_fork_in_child() {
    runtime::forget_after_fork();
    INSIDE.store(0, SeqCst);
    CLOSED.store(0, SeqCst);
}
