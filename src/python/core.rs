//! One database as Python holds it: the native half of `fdyno.Database`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;

use super::answer::{Answer, to_python_answer};
use super::clock::Clock;
use super::de::Rejected;
use super::dispatch::{self, Address, Buckets, Extension, Failure, Options, Store};
use super::errors::{failed, guarded};
use super::follower::Follower;
use super::held::Held;
use super::operation::{Operation, Request};
use super::wait::{settle, settle_or_await};
use crate::error::Error;

fn finish<T: Serialize>(py: Python<'_>, answer: Result<Answer<T>, Failure>) -> PyResult<Py<PyAny>> {
    let (status, parsed) = to_python_answer(py, &answer.map_err(failed)?)?;
    Ok((status, parsed).into_pyobject(py)?.into_any().unbind())
}

/// The request that Python objects make, or AWS's error for objects that make none; an exception of theirs is raised as it is.
fn request_of(
    py: Python<'_>,
    operation: &Operation,
    parameters: &Bound<'_, PyAny>,
) -> PyResult<Result<dispatch::Request, Error>> {
    or_serialization_error(py, dispatch::from_python(operation.get(), parameters))
}

fn or_serialization_error<T>(py: Python<'_>, request: Result<T, Rejected>) -> PyResult<Result<T, Error>> {
    match request {
        Ok(request) => Ok(Ok(request)),
        Err(rejected) => Ok(Err(Error::Serialization(rejected.raised(py)?.to_string()))),
    }
}

/// The request of one of fdyno's own operations.
fn extension_of(py: Python<'_>, name: &str, parameters: &Bound<'_, PyAny>) -> PyResult<Result<dispatch::Asked, Error>> {
    let extension =
        Extension::find(name).ok_or_else(|| PyValueError::new_err(format!("fdyno has no operation {name}")))?;
    or_serialization_error(py, dispatch::extension_from_python(extension, parameters))
}

fn answered<T>(store: &Store, outcome: Result<T, Error>) -> Result<Answer<T>, Failure> {
    if dispatch::is_closed(&outcome) {
        return Err(dispatch::closed(store));
    }
    Ok(Answer { outcome, request_id: dispatch::request_id(store.clock()) })
}

/// A database, and the account its tables belong to.
#[pyclass(frozen, module = "fdyno._fdyno")]
pub struct Core {
    store: Held,
    account: Arc<str>,
    /// Set by `close`. Asked before each call without a lock, so that a closed database refuses even what it need not read
    /// anything for.
    closed: AtomicBool,
}

impl Core {
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn new(store: Store, account: Arc<str>) -> Self {
        Self { store: Held::new(store), account, closed: AtomicBool::new(false) }
    }

    pub(super) fn account_id(&self) -> &str {
        &self.account
    }

    pub(super) fn refuse_closed(&self) -> PyResult<()> {
        if self.closed.load(Ordering::Acquire) { Err(failed(dispatch::closed(&self.store))) } else { Ok(()) }
    }

    /// The work of one request, owning all it needs. Fails when the database is closed meanwhile.
    fn run(
        &self,
        request: Result<dispatch::Request, Error>,
        region: &str,
    ) -> impl Future<Output = Result<Answer<dispatch::Response>, Failure>> + Send + use<> {
        let (store, realm) = (self.store.clone(), dispatch::realm(&self.account, region));
        async move {
            let outcome = match request {
                Ok(request) => dispatch::dispatch(&store, &realm, request).await,
                Err(error) => Err(error),
            };
            answered(&store, outcome)
        }
    }

    /// As `run`, of one of fdyno's own operations.
    fn run_extension(
        &self,
        asked: Result<dispatch::Asked, Error>,
        region: &str,
    ) -> impl Future<Output = Result<Answer<dispatch::Told>, Failure>> + Send + use<> {
        let (store, realm) = (self.store.clone(), dispatch::realm(&self.account, region));
        async move {
            let outcome = match asked {
                Ok(asked) => dispatch::dispatch_extension(&store, &realm, asked).await,
                Err(error) => Err(error),
            };
            answered(&store, outcome)
        }
    }

    fn answer_now(
        &self,
        py: Python<'_>,
        request: Result<dispatch::Request, Error>,
        region: &str,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| {
            let answer = settle(py, self.run(request, region))?;
            finish(py, answer)
        })
    }
}

/// How a database behaves while it is open: the milliseconds between two looks for expired items, if it looks at all, and
/// those that change records are kept; the folder of buckets, if there is one.
#[derive(FromPyObject)]
struct Behaviour(Option<i64>, i64, Option<PathBuf>);

impl From<Behaviour> for Options {
    fn from(Behaviour(ttl_interval_millis, record_retention_millis, buckets): Behaviour) -> Self {
        Self { ttl_interval_millis, record_retention_millis, buckets: buckets.map(Buckets::new) }
    }
}

#[pymethods]
impl Core {
    /// A new, empty database in memory.
    #[staticmethod]
    fn memory(py: Python<'_>, account: &str, behaviour: Behaviour) -> PyResult<Self> {
        let store = guarded(|| settle(py, dispatch::open_memory(behaviour.into())))?.map_err(failed)?;
        Ok(Self::new(store, account.into()))
    }

    /// The database in a directory, a new one if there is none. `synced` commits survive the loss of power.
    #[staticmethod]
    fn disk(py: Python<'_>, path: PathBuf, synced: bool, account: &str, behaviour: Behaviour) -> PyResult<Self> {
        let options = behaviour.into();
        let opened = guarded(|| settle(py, async move { dispatch::open_disk(&path, synced, options).await }))?;
        Ok(Self::new(opened.map_err(failed)?, account.into()))
    }

    /// The database called `name` on a cluster; cluster file and library are looked for in the usual places if not named.
    #[staticmethod]
    fn cluster(
        py: Python<'_>,
        cluster_file: Option<PathBuf>,
        name: String,
        library: Option<PathBuf>,
        account: &str,
        behaviour: Behaviour,
    ) -> PyResult<Self> {
        let (address, options) = (Address { cluster_file, library, name }, behaviour.into());
        let opened = guarded(|| settle(py, async move { dispatch::open_cluster(address, options).await }))?;
        Ok(Self::new(opened.map_err(failed)?, account.into()))
    }

    /// Ends the use of what lies outside the process; calls are refused from then on. Nothing of a database in memory does.
    /// Whoever follows a stream of the database is told to end.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(|| {
            if self.store.database().path().is_some() {
                self.closed.store(true, Ordering::Release);
            }
            py.detach(|| self.store.close());
            Ok(())
        })
    }

    /// A copy-on-write twin, with a clock of its own that shows the same time.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        let store = self.store.clone();
        let twin = guarded(|| settle(py, async move { dispatch::fork(&store).await }))?;
        Ok(Self::new(twin.map_err(failed)?, Arc::clone(&self.account)))
    }

    #[getter]
    fn clock(&self) -> Clock {
        Clock::new(self.store.clone())
    }

    #[getter]
    fn account(&self) -> &str {
        &self.account
    }

    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Its engine and where it lies, also once it is closed.
    #[getter]
    fn label(&self) -> String {
        dispatch::label(&self.store)
    }

    /// What the database is and how much work it has done, for people and benchmarks.
    // Not item-shaped, so the generic conversion serves it.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.refuse_closed()?;
        Ok(pythonize::pythonize(py, &dispatch::info(&self.store, &self.account))?)
    }

    /// `(status, parsed)` of a prepared request.
    fn answer(&self, py: Python<'_>, request: &Request, region: &str) -> PyResult<Py<PyAny>> {
        self.refuse_closed()?;
        self.answer_now(py, Ok(request.take()?), region)
    }

    /// `(status, parsed)` of a serialised request.
    fn answer_json(
        &self,
        py: Python<'_>,
        operation: &Operation,
        body: &Bound<'_, PyBytes>,
        region: &str,
    ) -> PyResult<Py<PyAny>> {
        self.refuse_closed()?;
        self.answer_now(py, dispatch::from_json(operation.get(), body.as_bytes()), region)
    }

    /// Like `answer_json`, but an awaitable of the answer if it is not there at once.
    fn answer_json_async<'py>(
        &self,
        py: Python<'py>,
        operation: &Operation,
        body: &Bound<'py, PyBytes>,
        region: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            self.refuse_closed()?;
            let work = self.run(dispatch::from_json(operation.get(), body.as_bytes()), region);
            settle_or_await(py, work, |py, answer| guarded(|| finish(py, answer)))
        })
    }

    /// `(status, parsed)` of a call given as Python objects; what is not a request is a SerializationException.
    fn call(
        &self,
        py: Python<'_>,
        operation: &Operation,
        parameters: &Bound<'_, PyAny>,
        region: &str,
    ) -> PyResult<Py<PyAny>> {
        self.refuse_closed()?;
        let request = guarded(|| request_of(py, operation, parameters))?;
        self.answer_now(py, request, region)
    }

    /// Like `call`, but an awaitable of the answer if it is not there at once.
    fn call_async<'py>(
        &self,
        py: Python<'py>,
        operation: &Operation,
        parameters: &Bound<'py, PyAny>,
        region: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            self.refuse_closed()?;
            let request = request_of(py, operation, parameters)?;
            settle_or_await(py, self.run(request, region), |py, answer| guarded(|| finish(py, answer)))
        })
    }

    /// `(status, parsed)` of one of fdyno's own operations, which are no AWS client's to ask for.
    fn extend(&self, py: Python<'_>, name: &str, parameters: &Bound<'_, PyAny>, region: &str) -> PyResult<Py<PyAny>> {
        guarded(|| {
            self.refuse_closed()?;
            let asked = extension_of(py, name, parameters)?;
            let answer = settle(py, self.run_extension(asked, region))?;
            finish(py, answer)
        })
    }

    /// Like `extend`, but an awaitable of the answer if it is not there at once.
    fn extend_async<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        parameters: &Bound<'py, PyAny>,
        region: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            self.refuse_closed()?;
            let asked = extension_of(py, name, parameters)?;
            settle_or_await(py, self.run_extension(asked, region), |py, answer| guarded(|| finish(py, answer)))
        })
    }

    /// Waits for changes of a table, or only for some time, from now until the database is closed.
    #[pyo3(signature = (table_id = None))]
    fn follower(&self, table_id: Option<u64>) -> Follower {
        Follower::new(self.store.clone(), table_id)
    }
}
