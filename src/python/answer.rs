//! Answers as botocore's parser gives them: a status, and a fresh dict with members or error, and metadata.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use serde::Serialize;

use super::dispatch::Reasons;
use super::ser::{into_dict, to_python};
use crate::error::Error;

/// A finished request: how it ended, and its id.
pub struct Answer<T> {
    pub outcome: Result<T, Error>,
    pub request_id: String,
}

/// `(status, parsed)` of a finished request.
pub fn to_python_answer<'py, T: Serialize>(py: Python<'py>, answer: &Answer<T>) -> PyResult<(u16, Bound<'py, PyDict>)> {
    let (status, parsed) = match &answer.outcome {
        Ok(response) => (200, into_dict(py, response)?),
        Err(error) => (error.shape().status, error_members(py, error)?),
    };
    parsed.set_item(intern!(py, "ResponseMetadata"), metadata(py, status, &answer.request_id)?)?;
    Ok((status, parsed))
}

fn metadata<'py>(py: Python<'py>, status: u16, id: &str) -> PyResult<Bound<'py, PyDict>> {
    let id = PyString::new(py, id);
    let headers = PyDict::new(py);
    headers.set_item(intern!(py, "server"), intern!(py, "fdyno"))?;
    headers.set_item(intern!(py, "content-type"), intern!(py, "application/x-amz-json-1.0"))?;
    headers.set_item(intern!(py, "x-amzn-requestid"), &id)?;
    let metadata = PyDict::new(py);
    metadata.set_item(intern!(py, "RequestId"), id)?;
    metadata.set_item(intern!(py, "HTTPStatusCode"), status)?;
    metadata.set_item(intern!(py, "HTTPHeaders"), headers)?;
    metadata.set_item(intern!(py, "RetryAttempts"), 0)?;
    Ok(metadata)
}

/// `Error`, and the members that some errors carry. The modeled `message` is added where the model is known.
fn error_members<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyDict>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Summary<'a> {
        message: &'a str,
        code: &'a str,
    }
    let (message, code) = (error.to_string(), error.shape().code);
    let parsed = PyDict::new(py);
    parsed.set_item(intern!(py, "Error"), to_python(py, &Summary { message: &message, code })?)?;
    match error {
        Error::ConditionalCheckFailed { item: Some(item) } => {
            parsed.set_item(intern!(py, "Item"), to_python(py, item.as_ref())?)?;
        }
        Error::TransactionCanceled { reasons } => {
            parsed.set_item(intern!(py, "CancellationReasons"), to_python(py, &Reasons(reasons))?)?;
        }
        _ => {}
    }
    Ok(parsed)
}
