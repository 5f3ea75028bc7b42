//! A small cache of Python strings for attribute names: the same few names come back in every item.
//!
//! A hit saves creating the string and, since Python keeps a string's hash with it, hashing it for the dict. Entries
//! are overwritten, never grown. The lock is only tried: nobody waits for it while holding the GIL.

use std::hash::BuildHasher;
use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

const SLOTS: usize = 1024;
/// Longer names are not worth the comparison, and would make the cache's size anybody's choice.
const LONGEST: usize = 64;

static CACHE: Mutex<Vec<Option<Py<PyString>>>> = Mutex::new(Vec::new());

/// The Python string `name`.
pub fn python_name<'py>(py: Python<'py>, name: &str) -> Bound<'py, PyString> {
    if let Some(datatype) = datatype(py, name) {
        return datatype;
    }
    if name.len() > LONGEST {
        return PyString::new(py, name);
    }
    let Ok(mut slots) = CACHE.try_lock() else { return PyString::new(py, name) };
    if slots.is_empty() {
        slots.resize_with(SLOTS, || None);
    }
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the slot")]
    let at = Xxh3DefaultBuilder.hash_one(name) as usize % SLOTS;
    let Some(slot) = slots.get_mut(at) else { return PyString::new(py, name) };
    if let Some(cached) = slot {
        let cached = cached.bind(py);
        if cached.to_str().is_ok_and(|text| text == name) {
            return cached.clone();
        }
    }
    let fresh = PyString::new(py, name);
    // What it replaces is dropped after the lock: freeing an object may run other Python code.
    let replaced = slot.replace(fresh.clone().unbind());
    drop(slots);
    drop(replaced);
    fresh
}

/// The names of datatypes, one for each value there is.
fn datatype<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
    let interned = match name {
        "S" => intern!(py, "S"),
        "N" => intern!(py, "N"),
        "B" => intern!(py, "B"),
        "M" => intern!(py, "M"),
        "L" => intern!(py, "L"),
        "BOOL" => intern!(py, "BOOL"),
        "NULL" => intern!(py, "NULL"),
        _ => return None,
    };
    Some(interned.clone())
}
