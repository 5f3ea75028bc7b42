//! The tokio runtime for futures that are not ready at once: made when first needed, never inherited by a forked child.
//!
//! pyo3-async-runtimes is used through its generic interface, because its own runtime cannot be given up after a fork.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3_async_runtimes::TaskLocals;
use pyo3_async_runtimes::generic;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

use crate::fork::Lock;

static RUNTIME: Lock<Option<Arc<Runtime>>> = Lock::new(None);

const WORKERS: usize = 2;

/// Threads that hand results to asyncio: pyo3-async-runtimes does each on a blocking thread, which needs the GIL. More than one
/// would only wait for it, and a burst of answers would start as many threads as there are answers.
const DELIVERERS: usize = 1;

/// The runtime's handle; starts it when nobody has yet.
pub fn handle(py: Python<'_>) -> PyResult<Handle> {
    // With the GIL released, as every lock is taken: a thread about to fork holds them all and needs the GIL.
    py.detach(handle_or_start)
}

fn handle_or_start() -> PyResult<Handle> {
    let mut runtime = RUNTIME.lock();
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(DELIVERERS)
        .thread_name("fdyno")
        .enable_time()
        .build();
    let started = started.map_err(|error| PyOSError::new_err(format!("cannot start fdyno's threads: {error}")))?;
    let handle = started.handle().clone();
    *runtime = Some(Arc::new(started));
    Ok(handle)
}

/// In a forked child: its threads do not exist, so it can neither be used nor shut down.
pub fn forget_after_fork() {
    std::mem::forget(RUNTIME.lock().take());
}

/// Turns a future into an awaitable of the running asyncio loop.
pub fn awaitable<F, T>(py: Python<'_>, future: F) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    let handle = handle(py)?;
    let _inside = handle.enter();
    generic::future_into_py::<Tokio, _, T>(py, future)
}

/// fdyno's runtime as pyo3-async-runtimes sees it. Spawning happens inside the runtime: `awaitable` enters it first,
/// every further task is spawned by a task.
struct Tokio;

tokio::task_local! {
    static LOCALS: OnceCell<TaskLocals>;
}

impl generic::Runtime for Tokio {
    type JoinError = JoinError;
    type JoinHandle = JoinHandle<()>;

    fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> Self::JoinHandle {
        tokio::spawn(future)
    }

    fn spawn_blocking<F: FnOnce() + Send + 'static>(body: F) -> Self::JoinHandle {
        tokio::task::spawn_blocking(body)
    }
}

impl generic::ContextExt for Tokio {
    fn scope<F, R>(locals: TaskLocals, future: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        let cell = OnceCell::new();
        let _ = cell.set(locals);
        Box::pin(LOCALS.scope(cell, future))
    }

    fn get_task_locals() -> Option<TaskLocals> {
        LOCALS.try_with(|cell| cell.get().cloned()).unwrap_or_default()
    }
}
