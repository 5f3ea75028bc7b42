//! An HTTP server as Python holds it: the native half of what `Database.serve` gives.
//!
//! Requests never come by here. It must not know HTTP.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::core::Core;
use super::dispatch::{self, Credentials, Failure, Limits, Serving};
use super::errors::{failed, guarded};
use super::held::Held;
use super::wait::settle;

/// A server of one database.
#[pyclass(frozen, module = "fdyno._fdyno")]
pub struct Server {
    /// `None` only while it is dropped.
    server: Option<dispatch::Server>,
    /// Goes last: the server's own handle is never the one that closes the database.
    _store: Held,
}

impl Server {
    fn server(&self) -> PyResult<&dispatch::Server> {
        self.server.as_ref().ok_or_else(|| PyValueError::new_err("the server is gone"))
    }
}

#[pymethods]
impl Server {
    /// Starts it on a host and a port. `connections` is how many there may be at a time.
    #[new]
    fn new(
        py: Python<'_>,
        core: &Core,
        address: (String, u16),
        region: String,
        credentials: Option<Vec<(String, String)>>,
        allow_unsigned: bool,
        connections: usize,
    ) -> PyResult<Self> {
        core.refuse_closed()?;
        let (host, port) = address;
        let options = Serving {
            host,
            port,
            account: core.account_id().to_owned(),
            region,
            credentials: credentials.map(Credentials::from_iter),
            allow_unsigned,
            limits: Limits { connections, ..Limits::default() },
        };
        let store = core.store().clone();
        let server = guarded(|| {
            let started = py.detach(|| dispatch::Server::start(store, options));
            started.map_err(|failure| failed(Failure::Serving(failure)))
        })?;
        Ok(Self { server: Some(server), _store: Held::new(core.store().clone()) })
    }

    /// Host and port it listens on.
    #[getter]
    fn address(&self) -> PyResult<(String, u16)> {
        let address = self.server()?.address();
        Ok((address.ip().to_string(), address.port()))
    }

    /// Whether it answers: it is this process's, and nobody has ended it.
    #[getter]
    fn serving(&self) -> PyResult<bool> {
        Ok(self.server()?.is_serving())
    }

    /// The descriptors that a forked child inherits and has to close.
    fn descriptors(&self, py: Python<'_>) -> PyResult<Vec<i32>> {
        let server = self.server()?;
        Ok(py.detach(|| server.descriptors()))
    }

    /// Takes no more connections, and waits until the requests under way are answered, but `grace` seconds at most.
    fn stop(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let grace = Duration::try_from_secs_f64(grace)
            .map_err(|_| PyValueError::new_err(format!("grace={grace}: a number of seconds")))?;
        let server = self.server()?;
        guarded(|| settle(py, server.stop(grace)))
    }

    /// Ends everything, requests under way as well.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.server()?;
        guarded(|| {
            py.detach(|| server.close());
            Ok(())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let server = self.server.take();
        // It takes locks: never with the GIL held. Without an interpreter there is none.
        let _ = Python::try_attach(|py| py.detach(move || drop(server)));
    }
}
