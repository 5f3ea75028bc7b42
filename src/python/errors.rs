//! Exceptions of the boundary itself, and the net that catches panics before they reach Python.
//!
//! Errors of operations are no exceptions here: they are answers with a status (see `answer`), which botocore or the
//! light client raises in its own way.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::create_exception;
use pyo3::exceptions::{PyNotImplementedError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::dispatch::Failure;
use crate::kv::panic_text;

create_exception!(fdyno, InternalError, PyRuntimeError, "A defect of fdyno itself. The database stays usable.");
create_exception!(fdyno, DatabaseError, PyRuntimeError, "A database cannot be opened or used; the text says why.");
create_exception!(
    fdyno,
    ClusterError,
    DatabaseError,
    "A FoundationDB cluster cannot be used; the text says what to do."
);
create_exception!(fdyno, DatabaseLockedError, DatabaseError, "The database is open elsewhere; the text says where.");
create_exception!(fdyno, DatabaseDamagedError, DatabaseError, "What is stored is not what was written.");
create_exception!(fdyno, CopyError, DatabaseError, "A database cannot be copied; the text says why.");

/// The exception for an error outside any operation: opening, forking or closing a database, moving its clock, or the use
/// of one that is closed.
pub fn failed(error: Failure) -> PyErr {
    let text = error.to_string();
    match error {
        Failure::Cluster(_) => ClusterError::new_err(text),
        Failure::Locked(_) => DatabaseLockedError::new_err(text),
        Failure::Damaged(_) => DatabaseDamagedError::new_err(text),
        Failure::Unsupported(_) => PyNotImplementedError::new_err(text),
        Failure::Copy(_) => CopyError::new_err(text),
        Failure::Serving(_) => PyOSError::new_err(text),
        Failure::SamePlace | Failure::Nested { .. } => PyValueError::new_err(text),
        Failure::Closed(_) | Failure::Other(_) => DatabaseError::new_err(text),
    }
}

/// Runs `body`; a panic becomes an `InternalError`, which unlike pyo3's own PanicException is an `Exception`.
pub fn guarded<T>(body: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(from_panic(&*payload)))
}

/// The exception that stands for a panic.
pub fn from_panic(payload: &(dyn Any + Send)) -> PyErr {
    let text = panic_text(payload);
    InternalError::new_err(format!("fdyno stopped this call because of a defect of its own: {text}"))
}
