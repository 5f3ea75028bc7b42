//! A copy of a database as Python makes it: step by step, so that signals and a progress report come between any two.
//!
//! The loop is `python/fdyno/_copy.py`. It must not know what a step does.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::core::Core;
use super::dispatch::{self, Address, Copying, Source, Whereabouts};
use super::errors::{failed, guarded};
use super::wait::settle;

/// A copy that is being made.
#[pyclass(module = "fdyno._fdyno")]
pub struct Copier {
    copying: Option<Copying>,
}

/// A place as Python says it: a directory, or a cluster file (if it is named), a prefix, and a library (if it is named).
#[derive(FromPyObject)]
enum Somewhere {
    Directory(PathBuf),
    Cluster(Option<PathBuf>, String, Option<PathBuf>),
}

/// What a copy is made from.
#[derive(FromPyObject)]
enum Given<'py> {
    Open(PyRef<'py, Core>),
    Closed(Somewhere),
}

impl From<Somewhere> for Whereabouts {
    fn from(place: Somewhere) -> Self {
        match place {
            Somewhere::Directory(path) => Self::Directory(path),
            Somewhere::Cluster(cluster_file, name, library) => Self::Cluster(Address { cluster_file, library, name }),
        }
    }
}

#[pymethods]
impl Copier {
    /// Begins a copy, or finds the one that was interrupted there.
    #[new]
    fn new(py: Python<'_>, source: Given<'_>, destination: Option<Somewhere>) -> PyResult<Self> {
        let source = match source {
            Given::Open(core) => Source::Open(core.store().clone()),
            Given::Closed(place) => Source::Closed(place.into()),
        };
        let destination = destination.map_or(Whereabouts::Memory, Into::into);
        let begun = guarded(|| settle(py, async move { dispatch::begin_copy(source, destination).await }))?;
        Ok(Self { copying: Some(begun.map_err(failed)?) })
    }

    /// One step. Pairs, bytes, checksum and tables of the copy once it is finished.
    fn step(&mut self, py: Python<'_>) -> PyResult<Option<(u64, u64, String, u64)>> {
        let Some(copying) = &mut self.copying else { return Ok(None) };
        let reading = guarded(|| settle(py, copying.step()))?.map_err(failed)?;
        Ok(reading.map(|reading| (reading.pairs, reading.bytes, reading.checksum_text(), reading.tables)))
    }

    /// The copy itself, which only one in memory outlives.
    fn database(&self, py: Python<'_>, account: &str) -> PyResult<Option<Core>> {
        let Some(copying) = &self.copying else { return Ok(None) };
        let store = guarded(|| settle(py, copying.open()))?.map_err(failed)?;
        Ok(Some(Core::new(store, account.into())))
    }

    /// Pairs and bytes copied so far, those before an interruption included.
    fn done(&self) -> (u64, u64) {
        self.copying.as_ref().map_or((0, 0), Copying::done)
    }

    /// Ends the use of what was opened for it. What was copied stays.
    fn close(&mut self, py: Python<'_>) {
        let copying = self.copying.take();
        // It takes locks: never with the GIL held.
        py.detach(move || drop(copying));
    }
}
