//! A database's clock as Python moves it. Its lock, like every lock of the core, is taken with the GIL released.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDelta;

use super::dispatch::{self, Store};
use super::errors::{failed, guarded};
use super::held::Held;
use super::wait::settle;
use crate::clock::Timestamp;

/// The time of one database: record times, time to live, trimming and iterator expiry follow it.
#[pyclass(frozen, module = "fdyno._fdyno")]
pub struct Clock {
    store: Held,
}

impl Clock {
    pub const fn new(store: Store) -> Self {
        Self { store: Held::new(store) }
    }
}

/// Years 1 to 9999, what Python's datetime can show, in seconds since the epoch.
const SHOWABLE: std::ops::RangeInclusive<f64> = -62_135_596_800.0..=253_402_300_799.0;

/// Whole milliseconds; refuses what no datetime can show.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn millis(seconds: f64) -> PyResult<i64> {
    if SHOWABLE.contains(&seconds) {
        Ok((seconds * 1000.0).round() as i64)
    } else {
        Err(PyValueError::new_err("a clock shows times from year 1 to year 9999"))
    }
}

fn seconds_of(delta: &Bound<'_, PyDelta>) -> PyResult<f64> {
    delta.call_method0(intern!(delta.py(), "total_seconds"))?.extract()
}

#[pymethods]
impl Clock {
    /// The time it shows, as an aware datetime in UTC.
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.look(py)?;
        let datetime = py.import(intern!(py, "datetime"))?;
        let utc = datetime.getattr(intern!(py, "timezone"))?.getattr(intern!(py, "utc"))?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds fit 53 bits for 285,000 years")]
        let seconds = py.detach(|| self.store.clock().now()).millis() as f64 / 1000.0;
        datetime.getattr(intern!(py, "datetime"))?.call_method1(intern!(py, "fromtimestamp"), (seconds, utc))
    }

    /// Moves the clock on, and returns when everything that fell due meanwhile has happened, in the order of time.
    #[pyo3(signature = (delta = None, *, days = 0.0, hours = 0.0, minutes = 0.0, seconds = 0.0))]
    fn advance(
        &self,
        py: Python<'_>,
        delta: Option<&Bound<'_, PyDelta>>,
        days: f64,
        hours: f64,
        minutes: f64,
        seconds: f64,
    ) -> PyResult<()> {
        self.look(py)?;
        let given = delta.map(seconds_of).transpose()?.unwrap_or_default();
        let total = given + days * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds fit 53 bits for 285,000 years")]
        let now = py.detach(|| self.store.clock().now()).millis() as f64 / 1000.0;
        millis(now + total)?;
        let by = millis(total)?;
        let store = self.store.clone();
        guarded(|| settle(py, async move { dispatch::advance(&store, by).await }))?.map_err(failed)
    }

    /// Shows `moment` from now on, and goes on running from there unless frozen. Forwards it is as `advance`.
    fn travel_to(&self, py: Python<'_>, moment: &Bound<'_, PyAny>) -> PyResult<()> {
        let seconds: f64 = moment.call_method0(intern!(py, "timestamp"))?.extract()?;
        let at = Timestamp(millis(seconds)?);
        let store = self.store.clone();
        guarded(|| settle(py, async move { dispatch::travel_to(&store, at).await }))?.map_err(failed)
    }

    /// Stops the clock at the time it shows.
    fn freeze(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store.clone();
        settle(py, async move { dispatch::freeze(&store).await })?.map_err(failed)
    }

    /// Runs again with the machine's time. Forwards it is as `advance`.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store.clone();
        guarded(|| settle(py, async move { dispatch::resume_system_time(&store).await }))?.map_err(failed)
    }

    #[getter]
    fn frozen(&self, py: Python<'_>) -> PyResult<bool> {
        self.look(py)?;
        Ok(py.detach(|| self.store.clock().is_frozen()))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let state = if self.frozen(py)? { ", frozen" } else { "" };
        Ok(format!("<Clock {}{state}>", self.now(py)?))
    }
}

impl Clock {
    /// Goes by the clock as others may have set it.
    fn look(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store.clone();
        settle(py, async move { dispatch::look_at_clock(&store).await })?.map_err(failed)
    }
}
