//! A database's handle as Python objects hold it: let go of with the GIL released.
//!
//! The last handle closes the database: it waits for threads, and takes locks that a thread about to fork keeps while it
//! needs the GIL itself.

use std::ops::Deref;

use pyo3::prelude::*;

use super::dispatch::Store;

pub struct Held(Store);

impl Held {
    pub const fn new(store: Store) -> Self {
        Self(store)
    }
}

impl Deref for Held {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let aside = self.0.aside();
        let (user, left) = (std::mem::replace(&mut self.0, aside), &self.0);
        let let_go = move || {
            drop(user);
            left.close_if_last();
        };
        // Without an interpreter there is no GIL to release; then both go with the closure, or here.
        let _ = Python::try_attach(|py| py.detach(let_go));
    }
}
