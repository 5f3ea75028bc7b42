//! Operations and prepared requests as Python objects.

use std::sync::Mutex;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::dispatch;
use super::errors::guarded;
use super::shape::Shapes;

/// The names of all operations of a service (`dynamodb` or `dynamodbstreams`), done or not.
#[pyfunction]
pub fn operations(service: &str) -> Vec<&'static str> {
    dispatch::operation_names(service)
}

/// The compatibility page, in Markdown.
#[pyfunction]
pub fn compatibility() -> String {
    dispatch::compatibility()
}

/// One operation of one service, with botocore's shape of its input if there is one.
#[pyclass(frozen, module = "fdyno._fdyno")]
pub struct Operation {
    operation: dispatch::Operation,
    shapes: Option<Shapes>,
}

impl Operation {
    pub const fn get(&self) -> dispatch::Operation {
        self.operation
    }
}

#[pymethods]
impl Operation {
    #[new]
    #[pyo3(signature = (service, name, shapes = None))]
    fn new(service: &str, name: &str, shapes: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let operation = dispatch::find(service, name)
            .ok_or_else(|| PyValueError::new_err(format!("{service} has no operation {name}")))?;
        Ok(Self { operation, shapes: shapes.map(Shapes::from_description).transpose()? })
    }

    #[getter]
    fn name(&self) -> &'static str {
        self.operation.name()
    }

    /// The request that `parameters` make, or `None` where botocore's validator should speak.
    fn prepare(&self, parameters: &Bound<'_, PyAny>) -> PyResult<Option<Request>> {
        guarded(|| {
            if self.shapes.as_ref().is_some_and(|shapes| !shapes.accept(parameters)) {
                return Ok(None);
            }
            Ok(dispatch::from_python(self.operation, parameters).ok().map(Request::new))
        })
    }
}

/// A request read from Python objects, to be answered once.
#[pyclass(frozen, module = "fdyno._fdyno")]
pub struct Request(Mutex<Option<dispatch::Request>>);

impl Request {
    const fn new(request: dispatch::Request) -> Self {
        Self(Mutex::new(Some(request)))
    }

    pub fn take(&self) -> PyResult<dispatch::Request> {
        // Held for a move only, so it is free unless two threads answer one request.
        let taken = self.0.try_lock().ok().and_then(|mut request| request.take());
        taken.ok_or_else(|| PyRuntimeError::new_err("this request was answered before"))
    }
}
