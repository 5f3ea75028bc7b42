//! What keeps `os.fork()` safe: the three functions that `os.register_at_fork` is given.
//!
//! `crate::fork` closes a gate that every lock of the core is taken through, so at the moment of the fork no lock is
//! held and none is waited for. Nobody waits for Python inside that gate, hence never for the forking thread.

use pyo3::prelude::*;

use super::runtime;
use crate::fork;

/// For `os.register_at_fork(before=…)`.
#[pyfunction]
pub fn _before_fork() {
    fork::prepare();
}

/// For `os.register_at_fork(after_in_parent=…)`.
#[pyfunction]
pub fn _after_fork_in_parent() {
    fork::release();
}

/// For `os.register_at_fork(after_in_child=…)`: only the forking thread lives on.
#[pyfunction]
pub fn _after_fork_in_child() {
    fork::release();
    runtime::forget_after_fork();
}
