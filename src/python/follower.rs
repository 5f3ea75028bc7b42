//! Waiting for a table's changes as Python does it: on a thread with the GIL released, or as an awaitable of asyncio.
//!
//! A look (`look`) comes before each reading, and `wait` ends when something was committed since. Where other processes write to
//! the database, `wait` also ends after a while, sooner if the last one was not in vain. Another thread may end it by `wake`:
//! what it has to say must be said before, and be looked at between `look` and `wait`. It must not know what is read.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::dispatch::{Store, Ticket};
use super::errors::guarded;
use super::held::Held;
use super::runtime;
use super::wait::{settle_within, within};
use crate::fork::Lock;

/// Waits for the changes of one table, or only for some time, until the database is closed.
#[pyclass(frozen, module = "fdyno._fdyno")]
pub struct Follower {
    store: Held,
    /// None, and no commit ends its waits.
    table_id: Option<u64>,
    /// How often the database had been closed when this one began.
    closings: u64,
    /// Looks in a row that found nothing.
    misses: AtomicU32,
    /// Of the latest look.
    ticket: Lock<Option<Ticket>>,
}

/// What a wait comes to, whose commit came or did not come.
#[derive(Clone, Copy)]
struct Patience {
    limit: Option<Duration>,
    /// Whether it is worth a look when nothing came.
    looks_anyway: bool,
}

impl Follower {
    pub(super) fn new(store: Store, table_id: Option<u64>) -> Self {
        let closings = store.closings();
        Self { store: Held::new(store), table_id, closings, misses: AtomicU32::new(0), ticket: Lock::new(None) }
    }

    fn patience(&self, timeout: Option<Duration>) -> Patience {
        let interval = self.table_id.and_then(|_| self.store.poll_interval(self.misses.load(Ordering::Relaxed)));
        match (interval, timeout) {
            (Some(interval), Some(timeout)) if timeout < interval => {
                Patience { limit: Some(timeout), looks_anyway: false }
            }
            (Some(interval), _) => Patience { limit: Some(interval), looks_anyway: true },
            (None, limit) => Patience { limit, looks_anyway: false },
        }
    }

    /// The commit that the ticket waits for; at once, if nobody has looked or the database has been closed.
    fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let ticket = self.ticket.lock().take().filter(|_| self.store.closings() == self.closings);
        async move {
            if let Some(ticket) = ticket {
                ticket.changed().await;
            }
        }
    }
}

/// `None` when the database was closed, else whether it is time to look again.
fn ended(store: &Store, closings: u64, came: bool, patience: Patience) -> Option<bool> {
    (store.closings() == closings).then_some(came || patience.looks_anyway)
}

fn seconds(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    let duration = |seconds: f64| {
        Duration::try_from_secs_f64(seconds.max(0.0))
            .map_err(|_| PyValueError::new_err("a timeout is a number of seconds"))
    };
    timeout.map(duration).transpose()
}

#[pymethods]
impl Follower {
    /// One that goes on with another table: a close of the database in between ends its waits too.
    fn of_table(&self, table_id: u64) -> Self {
        Self {
            store: Held::new(self.store.clone()),
            table_id: Some(table_id),
            closings: self.closings,
            misses: AtomicU32::new(0),
            ticket: Lock::new(None),
        }
    }

    /// To be called before reading: `wait` ends when anything is committed from now on. `found` says whether the reading before
    /// found anything.
    fn look(&self, py: Python<'_>, found: bool) {
        py.detach(|| {
            let ticket =
                self.table_id.map_or_else(|| self.store.follow_nothing(), |table_id| self.store.follow(table_id));
            let before = self.ticket.lock().replace(ticket);
            drop(before);
        });
        if found {
            self.misses.store(0, Ordering::Relaxed);
        } else {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends the wait of whoever has looked: as if something had been committed.
    fn wake(&self, py: Python<'_>) {
        py.detach(|| self.store.wake_followers(self.table_id));
    }

    /// Waits until it is time to look again: true; false when `timeout` seconds have passed before; `None` when the database
    /// was closed.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<bool>> {
        guarded(|| {
            let patience = self.patience(seconds(timeout)?);
            let changed = py.detach(|| self.changed());
            let came = settle_within(py, changed, patience.limit)?.is_some();
            Ok(ended(&self.store, self.closings, came, patience))
        })
    }

    /// Like `wait`, for asyncio.
    #[pyo3(signature = (timeout = None))]
    fn wait_async<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            let patience = self.patience(seconds(timeout)?);
            let changed = py.detach(|| self.changed());
            let (store, closings) = (self.store.clone(), self.closings);
            runtime::awaitable(py, async move {
                let came = within(changed, patience.limit).await.is_some();
                Ok(ended(&store, closings, came, patience))
            })
        })
    }
}
