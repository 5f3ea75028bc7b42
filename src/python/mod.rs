//! The Python boundary: pyo3 classes and the conversion between Python objects and requests and answers.
//!
//! Everything a person types lives in `python/fdyno`; this room gives it the core (`fdyno._fdyno`). Invariants: no
//! panic crosses into Python, no Rust lock is waited for while the GIL is held, waiting happens with the GIL released.
//! It must not know storage: it reaches operations through `dispatch` alone.

mod answer;
mod clock;
mod copier;
mod core;
mod de;
mod dispatch;
mod errors;
mod follower;
mod fork;
mod held;
mod names;
mod operation;
mod runtime;
mod ser;
mod server;
mod shape;
#[cfg(feature = "test-hooks")]
mod testing;
mod wait;

use pyo3::prelude::*;

/// The native half of the package `fdyno`; its public face is the package itself.
// The GIL is relied on: a free-threaded interpreter switches it on again when it imports this module.
#[pymodule(gil_used = true)]
mod _fdyno {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::clock::Clock;
    #[pymodule_export]
    use super::copier::Copier;
    #[pymodule_export]
    use super::core::Core;
    #[pymodule_export]
    use super::errors::{
        ClusterError, CopyError, DatabaseDamagedError, DatabaseError, DatabaseLockedError, InternalError,
    };
    #[pymodule_export]
    use super::follower::Follower;
    #[pymodule_export]
    use super::fork::{_after_fork_in_child, _after_fork_in_parent, _before_fork, _shut_down};
    #[pymodule_export]
    use super::operation::{Operation, Request, compatibility, operations};
    #[pymodule_export]
    use super::server::Server;
    #[cfg(feature = "test-hooks")]
    #[pymodule_export]
    use super::testing::testing;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
