//! `os.fork()` and the interpreter's end as Python announces them, passed on to `crate::fork`, the runtime and the engines.
//!
//! Between `before` and `after` the forking thread holds the gate of every `Lock` and may lose the GIL for a while. So
//! nobody in this room may take a `Lock` with the GIL held: it would wait for the gate, and the forker for the GIL.

use pyo3::prelude::*;

use super::{dispatch, runtime};
use crate::fork;

/// For `os.register_at_fork(before=…)`: waits until no thread is inside a critical section.
#[pyfunction]
pub fn _before_fork(py: Python<'_>) {
    // Without the GIL: the thread waited for may be one that forks as well, and needs it to get on.
    py.detach(fork::prepare);
}

/// For `os.register_at_fork(after_in_parent=…)`.
#[pyfunction]
pub fn _after_fork_in_parent() {
    fork::release();
}

/// For `os.register_at_fork(after_in_child=…)`: only the forking thread lives on.
#[pyfunction]
pub fn _after_fork_in_child() {
    fork::release_in_child();
    runtime::forget_after_fork();
    dispatch::let_go_after_fork();
}

/// For `atexit`: ends the threads that must not outlive the interpreter.
#[pyfunction]
pub fn _shut_down(py: Python<'_>) {
    py.detach(dispatch::shut_down);
}
