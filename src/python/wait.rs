//! How Python waits for a future of the core: polled once with the GIL released, and only if that is not enough, on a
//! runtime, looking at signals in between so that Ctrl-C works.
//!
//! Futures of the memory engine are ready at the first poll, so their callers never meet a runtime. A panic in a future
//! comes back as an `InternalError`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;

use super::errors::from_panic;
use super::runtime;

/// How often a waiting main thread looks for signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// A future that hands a panic over as an error.
struct Guarded<F>(F);

impl<F: Future + Unpin> Future for Guarded<F> {
    type Output = PyResult<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(from_panic(&*payload))),
        }
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for `future` with the GIL released; a signal's exception ends the wait and drops the future.
pub fn settle<F>(py: Python<'_>, future: F) -> PyResult<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let mut future = Guarded(Box::pin(future));
    match py.detach(|| poll_once(&mut future)) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => wait_on_runtime(py, future)?,
    }
}

/// Like `settle`, but gives up when the time that is given, if one is, has passed.
pub fn settle_within<F>(py: Python<'_>, future: F, limit: Option<Duration>) -> PyResult<Option<F::Output>>
where
    F: Future + Send,
    F::Output: Send,
{
    let mut future = Guarded(Box::pin(future));
    match py.detach(|| poll_once(&mut future)) {
        Poll::Ready(outcome) => outcome.map(Some),
        Poll::Pending => wait_on_runtime(py, Box::pin(within(future, limit)))?.transpose(),
    }
}

/// The outcome of `future`, unless the time that is given, if one is, passes before. To be polled on the runtime.
pub async fn within<F: Future>(future: F, limit: Option<Duration>) -> Option<F::Output> {
    match limit {
        None => Some(future.await),
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
    }
}

/// Only the main thread is given signals: no other needs to look for them.
fn wait_on_runtime<F>(py: Python<'_>, mut future: F) -> PyResult<F::Output>
where
    F: Future + Send + Unpin,
    F::Output: Send,
{
    let runtime = runtime::handle(py)?;
    let interval = is_main_thread(py)?.then_some(SIGNAL_INTERVAL);
    loop {
        let turn = py.detach(|| runtime.block_on(within(&mut future, interval)));
        if let Some(outcome) = turn {
            return Ok(outcome);
        }
        if let Err(interrupt) = py.check_signals() {
            // What it holds may take locks to let go of: never with the GIL held.
            py.detach(move || drop(future));
            return Err(interrupt);
        }
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import(intern!(py, "threading"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?.getattr(intern!(py, "ident"))?;
    threading.call_method0(intern!(py, "get_ident"))?.eq(main)
}

/// The outcome of `future`, converted by `finish`, if the first poll gives it; else an awaitable of it.
pub fn settle_or_await<'py, F, C>(py: Python<'py>, future: F, finish: C) -> PyResult<Bound<'py, PyAny>>
where
    F: Future + Send + 'static,
    F::Output: Send,
    C: FnOnce(Python<'_>, F::Output) -> PyResult<Py<PyAny>> + Send + 'static,
{
    let mut future = Guarded(Box::pin(future));
    match py.detach(|| poll_once(&mut future)) {
        Poll::Ready(outcome) => Ok(finish(py, outcome?)?.into_bound(py)),
        Poll::Pending => runtime::awaitable(py, async move {
            let outcome = future.await?;
            Python::attach(|py| finish(py, outcome))
        }),
    }
}
