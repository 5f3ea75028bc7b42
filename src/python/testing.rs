//! Hooks for tests of the boundary itself, in builds with the feature `test-hooks` only: never in a wheel.

use pyo3::prelude::*;

#[pymodule]
pub mod testing {
    use std::sync::LazyLock;

    use pyo3::prelude::*;
    use tokio::sync::Semaphore;

    use crate::python::errors::guarded;
    use crate::python::wait::{settle, settle_or_await};

    static GATE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(0));

    async fn one_permit() {
        if let Ok(permit) = GATE.acquire().await {
            permit.forget();
        }
    }

    #[expect(clippy::panic, reason = "a panic is what is tested")]
    fn fail() {
        std::panic::panic_any("on purpose");
    }

    /// Panics inside a future of the core.
    #[pyfunction]
    fn panic_in_future(py: Python<'_>) -> PyResult<()> {
        settle(py, async { fail() })
    }

    /// Panics at the boundary, with the GIL held.
    #[pyfunction]
    fn panic_at_boundary() -> PyResult<()> {
        guarded(|| {
            fail();
            Ok(())
        })
    }

    /// Waits, GIL released, until another thread calls `release`.
    #[pyfunction]
    fn wait_for_release(py: Python<'_>) -> PyResult<()> {
        settle(py, one_permit())
    }

    /// Like `wait_for_release`, for asyncio.
    #[pyfunction]
    fn await_release(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        settle_or_await(py, one_permit(), |py, ()| Ok(py.None()))
    }

    /// Whether this is a debug build, whose stack frames are several times as large.
    #[pymodule_export]
    const UNOPTIMISED: bool = cfg!(debug_assertions);

    /// Lets one waiter go.
    #[pyfunction]
    fn release() {
        GATE.add_permits(1);
    }
}
